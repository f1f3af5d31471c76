//! The ways to reach a server.

use std::sync::LazyLock;

use super::{
    Call, Client, ConnectError, Failure, Request, Script, Server, Value, cmd, config, connect, get, over_a_connection,
    send, set, text,
};

static DOUBLE: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('GET', KEYS[1]) .. ARGV[1]"));

#[tokio::test]
async fn requests_are_answered_step_by_step() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    let request = get("k").script(Call::of(&DOUBLE, &["k"]).text("w")).command(cmd("DBSIZE"));
    let answer = send(&client, &request).await.expect("the server runs");
    assert_eq!(answer.replies, [text("v"), text("vw"), Value::Int(1)]);
}

#[tokio::test]
async fn a_script_is_sent_again_as_text_when_the_server_forgot_it() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    for _ in 0..2 {
        server.cli(&["SCRIPT", "FLUSH"]).await;
        let request = Request::new(0).command(cmd("HGETALL").arg("none").take());
        let request = request.script(Call::of(&DOUBLE, &["k"]).text("w"));
        let answer = send(&client, &request).await.expect("the server runs");
        assert_eq!(answer.replies, [Value::Array(Vec::new()), text("vw")]);
        assert!(!answer.uncertain, "nothing was written");
    }
}

#[tokio::test]
async fn an_error_of_a_step_stays_in_its_place() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    let mut hgetall = cmd("HGETALL");
    hgetall.arg("k");
    let answer = send(&client, &get("k").command(hgetall)).await.expect("answered");
    assert_eq!(answer.replies[0], text("v"));
    assert!(matches!(&answer.replies[1], Value::ServerError(error) if error.code() == "WRONGTYPE"));
}

#[tokio::test]
async fn a_wrong_command_is_refused_at_once() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    let failure = send(&client, &Request::new(0).command(cmd("NONSENSE"))).await.expect_err("there is no such command");
    assert!(matches!(failure, Failure::Refused { .. }), "{failure:?}");
}

#[tokio::test]
async fn a_server_out_of_memory_is_full() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let failure = send(&client, &set("k", "v")).await.expect_err("there is no memory");
    assert!(matches!(failure, Failure::Full), "{failure:?}");
    send(&client, &get("k")).await.expect("reading needs none");
}

#[tokio::test]
async fn a_socket_and_a_database_are_reached() {
    let server = Server::start().await;
    let client = connect(&format!("redis+unix://{}?db=3", server.socket_path().display())).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    let client = connect(&format!("{}/3", server.url())).await;
    assert_eq!(send(&client, &get("k")).await.expect("the server runs").replies, [text("v")]);
    let client = connect(&server.url()).await;
    assert_eq!(send(&client, &get("k")).await.expect("the server runs").replies, [Value::Nil]);
    let error = Client::connect(&config(&format!("{}/99", server.url()))).await.expect_err("there are 16");
    assert!(matches!(error, ConnectError::Database { database: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn a_password_or_a_user_is_what_the_url_says() {
    let server = Server::builder().password("geheim").user("app", "on >wort ~* +get").start().await;
    let client = connect(&server.url()).await;
    send(&client, &set("k", "v")).await.expect("the default user may");
    let url = |user: &str| server.url().replace(":geheim", user);
    let client = connect(&url("app:wort")).await;
    assert_eq!(send(&client, &get("k")).await.expect("the user may").replies, [text("v")]);
    let failure = send(&client, &set("k", "w")).await.expect_err("the user may not");
    assert!(matches!(failure, Failure::Refused { .. }), "{failure:?}");
    for user in ["app:falsch", ":falsch", "niemand:wort"] {
        let error = Client::connect(&config(&url(user))).await.expect_err("wrong");
        assert!(matches!(error, ConnectError::Credentials { .. }), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("falsch"));
    }
    let error = Client::connect(&config(&url("").replace('@', ""))).await.expect_err("a password is needed");
    assert!(matches!(error, ConnectError::Credentials { .. }), "{error:?}");
}

#[tokio::test]
async fn a_node_of_a_cluster_wants_another_url() {
    let server = Server::builder().config("cluster-enabled", "yes").start().await;
    let error = Client::connect(&config(&server.url())).await.expect_err("a cluster");
    assert!(matches!(error, ConnectError::IsCluster), "{error:?}");
}

#[tokio::test]
async fn a_connection_of_the_callers_is_used_and_not_made_again() {
    let server = Server::start().await;
    let client = over_a_connection(&server).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    server.kill();
    let before = tokio::time::Instant::now();
    let failure = send(&client, &get("k")).await.expect_err("the connection is closed");
    assert!(matches!(failure, Failure::Unavailable { .. }), "{failure:?}");
    assert!(before.elapsed() < std::time::Duration::from_millis(100), "it waits for nothing");
}
