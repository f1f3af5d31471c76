//! One server, from start to end.

use std::path::PathBuf;
use std::time::Duration;

use redis::Value;
use session_test_servers::Server;
use tokio::time::timeout;

#[tokio::test]
async fn a_server_is_gone_when_dropped() {
    let server = Server::start().await;
    let (process, folder) = (process(&server), server.folder().to_owned());
    assert!(process.exists() && folder.exists());
    drop(server);
    assert!(!process.exists() && !folder.exists());
}

#[tokio::test]
async fn a_stopped_server_is_gone_when_a_test_panics() {
    let server = Server::start().await;
    let process = process(&server);
    let failing = tokio::spawn(async move {
        server.stop();
        panic!("a test that fails");
    });
    assert!(failing.await.is_err());
    assert!(!process.exists());
}

#[tokio::test]
async fn a_restart_keeps_port_and_folder() {
    let server = Server::builder().config("appendonly", "yes").config("appendfsync", "always").start().await;
    let (url, pid) = (server.url(), server.pid());
    server.cli(&["SET", "key", "value"]).await;
    server.kill();
    assert!(redis::Client::open(url.clone()).expect("an address").get_connection().is_err());
    server.restart().await;
    assert_ne!(server.pid(), pid);
    assert_eq!(get(&url, "key").await, Value::BulkString(b"value".into()));
}

#[tokio::test]
async fn without_persistence_a_restart_forgets() {
    let server = Server::start().await;
    server.cli(&["SET", "key", "value"]).await;
    server.restart().await;
    assert_eq!(get(&server.url(), "key").await, Value::Nil);
}

#[tokio::test]
async fn a_stopped_server_answers_after_it_is_resumed() {
    let server = Server::start().await;
    server.stop();
    let url = server.url();
    let mut answer = tokio::spawn(async move { get(&url, "key").await });
    assert!(timeout(Duration::from_millis(200), &mut answer).await.is_err());
    server.resume();
    assert_eq!(answer.await.expect("it was asked"), Value::Nil);
}

#[tokio::test]
async fn a_password_and_users_bind_clients_but_not_the_operator() {
    let server = Server::builder().password("secret").user("app", "on >word ~app:* +get").start().await;
    assert_eq!(get(&server.url(), "key").await, Value::Nil);
    assert!(try_get(&format!("redis://{}", server.addr()), "key").await.is_err());
    let app = format!("redis://app:word@{}", server.addr());
    assert!(try_get(&app, "app:key").await.is_ok());
    assert!(try_get(&app, "key").await.is_err());
    server.cli(&["SET", "key", "value"]).await;
}

#[tokio::test]
async fn a_server_listens_on_its_socket() {
    let server = Server::start().await;
    assert_eq!(get(&format!("redis+unix://{}", server.socket_path().display()), "key").await, Value::Nil);
}

#[tokio::test]
async fn processor_time_rises_with_work() {
    let server = Server::start().await;
    let before = server.cpu_time().await;
    server.cli(&["EVAL", "for i = 1, 100000 do redis.call('PING') end", "0"]).await;
    assert!(server.cpu_time().await > before);
}

#[tokio::test]
#[should_panic(expected = "Bad directive")]
async fn a_server_that_does_not_start_shows_its_log() {
    Server::builder().config("no-such-key", "1").start().await;
}

fn process(server: &Server) -> PathBuf {
    format!("/proc/{}", server.pid()).into()
}

async fn get(url: &str, key: &str) -> Value {
    try_get(url, key).await.expect("the server answers")
}

async fn try_get(url: &str, key: &str) -> redis::RedisResult<Value> {
    let client = redis::Client::open(url)?;
    redis::cmd("GET").arg(key).query_async(&mut client.get_multiplexed_async_connection().await?).await
}
