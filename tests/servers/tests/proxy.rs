//! A network with faults.

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, RedisResult, Value};
use session_test_servers::{Proxy, Server, eventually};
use tokio::net::TcpStream;
use tokio::time::timeout;

const MOMENT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn a_proxy_passes_and_counts() {
    let (server, proxy) = server_and_proxy().await;
    let mut connection = connect(&proxy).await;
    let before = (proxy.traffic().round_trips(), proxy.traffic().sent(), proxy.traffic().received());
    for _ in 0..10 {
        assert!(incr(&mut connection).await.is_ok());
    }
    let two = redis::pipe().incr("key", 1).incr("key", 1).query_async::<(i64, i64)>(&mut connection).await;
    assert_eq!(two.expect("it passes"), (11, 12));
    assert_eq!(proxy.traffic().round_trips() - before.0, 11);
    assert!(proxy.traffic().sent() - before.1 > 12 * 20);
    assert_eq!(proxy.traffic().received() - before.2, 9 * 4 + 3 * 5);
    assert_eq!(proxy.traffic().connections(), 1);
    drop(server);
}

#[tokio::test]
async fn a_delay_is_each_way_and_requests_do_not_queue_behind_one_another() {
    let (_server, proxy) = server_and_proxy().await;
    let connection = connect(&proxy).await;
    proxy.delay(MOMENT / 2);
    let start = Instant::now();
    let first = tokio::spawn(incr_of(connection.clone()));
    tokio::time::sleep(MOMENT / 4).await;
    incr_of(connection).await.expect("it passes");
    first.await.expect("it ends").expect("it passes");
    assert!(start.elapsed() >= MOMENT * 5 / 4);
    assert!(start.elapsed() < MOMENT * 2);
}

#[tokio::test]
async fn a_throttle_slows_large_values() {
    let (_server, proxy) = server_and_proxy().await;
    let mut connection = connect(&proxy).await;
    proxy.throttle(10_000);
    let start = Instant::now();
    let set = redis::cmd("SET").arg("key").arg("x".repeat(5_000)).query_async::<Value>(&mut connection).await;
    set.expect("it passes");
    assert!(start.elapsed() >= Duration::from_millis(500));
}

#[tokio::test]
async fn what_is_held_arrives_later() {
    let (server, proxy) = server_and_proxy().await;
    let connection = connect(&proxy).await;
    proxy.hold();
    let mut held = tokio::spawn(incr_of(connection));
    assert!(timeout(MOMENT, &mut held).await.is_err());
    assert_eq!(value(&server).await, Value::Nil);
    proxy.pass();
    assert_eq!(held.await.expect("it ends").expect("it arrives"), 1);
}

#[tokio::test]
async fn a_connection_that_lost_bytes_stays_dead_and_open() {
    let (server, proxy) = server_and_proxy().await;
    let connection = connect(&proxy).await;
    proxy.black_hole();
    let mut lost = tokio::spawn(incr_of(connection.clone()));
    assert!(timeout(MOMENT, &mut lost).await.is_err());
    proxy.pass();
    assert!(timeout(MOMENT, incr_of(connection)).await.is_err());
    server.kill();
    assert!(timeout(MOMENT, &mut lost).await.is_err());
    server.restart().await;
    assert_eq!(incr(&mut connect(&proxy).await).await, Ok(1));
}

#[tokio::test]
async fn a_source_that_is_cut_off_is_in_a_black_hole() {
    let (_server, proxy) = server_and_proxy().await;
    let connection = connect(&proxy).await;
    proxy.cut_off([127, 0, 0, 2].into());
    assert!(incr_of(connection.clone()).await.is_ok());
    proxy.cut_off([127, 0, 0, 1].into());
    assert!(timeout(MOMENT, incr_of(connection)).await.is_err());
}

#[tokio::test]
async fn a_request_whose_reply_is_eaten_is_executed_once() {
    let (server, proxy) = server_and_proxy().await;
    proxy.eat_replies_to("incr", 2);
    for _ in 0..2 {
        assert!(incr(&mut connect(&proxy).await).await.is_err());
    }
    assert_eq!(proxy.replies_to_eat(), 0);
    assert_eq!(value(&server).await, Value::BulkString(b"2".into()));
    assert_eq!(incr(&mut connect(&proxy).await).await, Ok(3));
}

#[tokio::test]
async fn all_connections_can_be_closed_and_new_ones_refused() {
    let (_server, proxy) = server_and_proxy().await;
    let mut connection = connect(&proxy).await;
    proxy.refuse();
    eventually("refusal", async || TcpStream::connect(proxy.addr()).await.is_err().then_some(())).await;
    assert_eq!(incr(&mut connection).await, Ok(1));
    proxy.close_all();
    eventually("closed connection", async || incr(&mut connection).await.is_err().then_some(())).await;
    proxy.pass();
    eventually("connection", async || TcpStream::connect(proxy.addr()).await.ok()).await;
    assert!(incr(&mut connect(&proxy).await).await.is_ok());
}

#[tokio::test]
async fn new_connections_lead_to_the_new_target() {
    let (_server, proxy) = server_and_proxy().await;
    let mut old = connect(&proxy).await;
    assert_eq!(incr(&mut old).await, Ok(1));
    let other = Server::start().await;
    proxy.retarget(other.addr());
    assert_eq!(incr(&mut connect(&proxy).await).await, Ok(1));
    assert_eq!(incr(&mut old).await, Ok(2));
}

#[tokio::test]
async fn a_dropped_proxy_takes_its_connections_along() {
    let (_server, proxy) = server_and_proxy().await;
    let mut connection = connect(&proxy).await;
    let addr = proxy.addr();
    drop(proxy);
    eventually("closed connection", async || incr(&mut connection).await.is_err().then_some(())).await;
    assert!(TcpStream::connect(addr).await.is_err());
}

async fn server_and_proxy() -> (Server, Proxy) {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    (server, proxy)
}

async fn connect(proxy: &Proxy) -> MultiplexedConnection {
    let unhurried = AsyncConnectionConfig::new().set_response_timeout(None);
    let client = Client::open(format!("redis://{}", proxy.addr())).expect("an address");
    client.get_multiplexed_async_connection_with_config(&unhurried).await.expect("it connects")
}

async fn incr(connection: &mut MultiplexedConnection) -> RedisResult<i64> {
    redis::cmd("INCR").arg("key").query_async(connection).await
}

async fn incr_of(mut connection: MultiplexedConnection) -> RedisResult<i64> {
    incr(&mut connection).await
}

async fn value(server: &Server) -> Value {
    server.cli(&["GET", "key"]).await
}
