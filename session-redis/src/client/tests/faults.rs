//! What the client does while a server is in trouble.

use super::{
    Client, ConnectError, Duration, Failure, Instant, Server, Value, cmd, config, connect, get, send, set, sleep, text,
};

#[tokio::test]
async fn it_comes_back_within_a_second_of_the_servers_return() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    server.kill();
    sleep(Duration::from_millis(1200)).await;
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { (send(&client, &get("k")).await, Instant::now()) }
    });
    sleep(Duration::from_millis(500)).await;
    server.restart().await;
    let back = Instant::now();
    let (answer, answered) = waiting.await.expect("no panic");
    assert_eq!(answer.expect("the server is back").replies, [Value::Nil]);
    assert!(answered < back + Duration::from_secs(1), "{:?}", answered - back);
}

#[tokio::test]
async fn a_request_takes_until_the_deadline_and_no_longer() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    server.kill();
    // It takes a moment to be seen; what is sent before that may have been executed.
    sleep(Duration::from_millis(50)).await;
    for _ in 0..2 {
        let before = Instant::now();
        let failure = send(&client, &set("k", "v")).await.expect_err("the server is gone");
        let took = before.elapsed();
        assert!(matches!(failure, Failure::Unavailable { maybe_applied: false, source: Some(_) }), "{failure:?}");
        assert!((Duration::from_millis(1990)..Duration::from_millis(2050)).contains(&took), "{took:?}");
    }
}

#[tokio::test]
async fn nobody_there_is_an_error_within_the_deadline() {
    let server = Server::start().await;
    server.kill();
    let mut config = config(&server.url());
    config.deadline = Duration::from_millis(300);
    let before = Instant::now();
    let error = Client::connect(&config).await.expect_err("the server is gone");
    assert!(matches!(error, ConnectError::Unreachable { source: Some(_), .. }), "{error:?}");
    assert!(error.to_string().contains(&server.addr().to_string()), "{error}");
    assert!(before.elapsed() < Duration::from_millis(350), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_server_that_is_paused_is_waited_for() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    server.stop();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { send(&client, &get("k")).await }
    });
    sleep(Duration::from_millis(1500)).await;
    server.resume();
    let answer = waiting.await.expect("no panic").expect("the server goes on");
    assert_eq!(answer.replies, [text("v")]);
    assert!(answer.uncertain, "the first attempt was sent and not answered");
}

#[tokio::test]
async fn a_demoted_server_is_waited_for() {
    let server = Server::start().await;
    for client in [connect(&server.url()).await, super::over_a_connection(&server).await] {
        server.cli(&["REPLICAOF", "127.0.0.1", "1"]).await;
        let waiting = tokio::spawn(async move { send(&client, &set("k", "v")).await });
        sleep(Duration::from_millis(600)).await;
        assert!(!waiting.is_finished());
        server.cli(&["REPLICAOF", "NO", "ONE"]).await;
        let answer = waiting.await.expect("no panic").expect("the server is a master again");
        assert!(!answer.uncertain, "a replica writes nothing");
    }
}

#[tokio::test]
async fn too_few_replicas_are_waited_for() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]).await;
    let before = Instant::now();
    let failure = send(&client, &set("k", "v")).await.expect_err("there is no replica");
    assert!(matches!(failure, Failure::Unavailable { maybe_applied: false, .. }), "{failure:?}");
    assert!(before.elapsed() < Duration::from_millis(2050), "{:?}", before.elapsed());
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]).await;
    send(&client, &set("k", "v")).await.expect("the server writes again");
}

#[tokio::test]
async fn connections_that_are_killed_are_made_again() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    for _ in 0..10 {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
        let before = Instant::now();
        send(&client, &set("k", "v")).await.expect("the server runs");
        assert!(before.elapsed() < Duration::from_millis(500), "{:?}", before.elapsed());
    }
}

#[tokio::test]
async fn a_dropped_request_leaves_the_next_answer_to_its_question() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    for n in 0..500_u32 {
        let (mine, other) = (format!("mine {n}"), format!("other {n}"));
        let mut echo = cmd("ECHO");
        echo.arg(&other);
        let dropped = super::Request::new(0).command(echo).command(cmd("TIME"));
        let mut sending = Box::pin(send(&client, &dropped));
        for _ in 0..n % 4 {
            tokio::select! { biased; _ = &mut sending => break, () = tokio::task::yield_now() => {} }
        }
        drop(sending);
        let mut echo = cmd("ECHO");
        echo.arg(&mine);
        let answer = send(&client, &super::Request::new(0).command(echo)).await.expect("the server runs");
        assert_eq!(answer.replies, [text(&mine)]);
    }
}

#[tokio::test]
async fn what_blocks_alone_holds_up_nobody() {
    let server = Server::start().await;
    let client = connect(&server.url()).await;
    let mut wait = cmd("WAIT");
    wait.arg(1).arg(1000);
    let waiting = tokio::spawn({
        let client = client.clone();
        let request = set("k", "v").command(wait).alone(Duration::from_secs(1));
        async move { send(&client, &request).await }
    });
    sleep(Duration::from_millis(100)).await;
    let before = Instant::now();
    assert_eq!(send(&client, &get("k")).await.expect("the server runs").replies, [text("v")]);
    assert!(before.elapsed() < Duration::from_millis(200), "{:?}", before.elapsed());
    assert!(!waiting.is_finished());
    let answer = waiting.await.expect("no panic").expect("answered");
    assert_eq!((answer.replies, answer.uncertain), (vec![Value::Okay, Value::Int(0)], false));
}
