//! The client against real servers.

use std::time::Duration;

use redis::{Script, Value, cmd};
use session_test_servers::Server;
use tokio::time::{Instant, sleep};

use super::{Answer, Call, Client, ConnectError, Failure, Request};
use crate::config::RedisConfig;

mod clusters;
#[cfg(feature = "tls")]
mod encrypted;
mod faults;
mod networks;
mod sentinels;
#[cfg(not(feature = "tls"))]
mod unencrypted;
mod ways;

/// A client with the default deadline.
async fn connect(url: &str) -> Client {
    Client::connect(&config(url)).await.expect("the server runs")
}

/// The same over a connection that somebody else made.
async fn over_a_connection(server: &Server) -> Client {
    let client = redis::Client::open(server.url()).expect("a URL of the library's");
    let connection = client.get_multiplexed_async_connection().await.expect("the server runs");
    Client::from_connection(connection, RedisConfig::DEFAULT_DEADLINE)
}

fn config(url: &str) -> RedisConfig {
    url.parse().expect("a URL of ours")
}

/// Sends a request within the client's deadline.
async fn send(client: &Client, request: &Request) -> Result<Answer, Failure> {
    client.send(request, client.deadline()).await
}

fn get(key: &str) -> Request {
    let mut get = cmd("GET");
    get.arg(key);
    Request::new(slot(key)).command(get)
}

fn set(key: &str, value: &str) -> Request {
    let mut set = cmd("SET");
    set.arg(key).arg(value);
    Request::new(slot(key)).command(set)
}

fn slot(key: &str) -> u16 {
    crc16::State::<crc16::XMODEM>::calculate(key.as_bytes()) % 16384
}

fn text(value: &str) -> Value {
    Value::BulkString(value.as_bytes().to_vec())
}
