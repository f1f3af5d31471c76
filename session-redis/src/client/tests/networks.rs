//! What the client does while the network is in trouble.

use session_test_servers::Proxy;

use super::{Duration, Failure, Instant, Server, connect, get, send, set, text};

#[tokio::test]
async fn a_black_hole_costs_one_attempt() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let client = connect(&server.url_at(proxy.addr())).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    proxy.black_hole();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { (send(&client, &get("k")).await, Instant::now()) }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    // The connection stays lost, while new ones get through.
    proxy.pass();
    let before = Instant::now();
    let (answer, answered) = waiting.await.expect("no panic");
    assert_eq!(answer.expect("another connection gets through").replies, [text("v")]);
    assert!(answered < before + Duration::from_millis(600), "{:?}", answered - before);
}

#[tokio::test]
async fn a_lost_reply_makes_the_answer_uncertain() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let client = connect(&server.url_at(proxy.addr())).await;
    proxy.eat_replies_to("SET", 1);
    assert!(send(&client, &set("k", "v")).await.expect("sent again").uncertain);
    assert!(!send(&client, &get("k")).await.expect("nothing is lost").uncertain);
}

#[tokio::test]
async fn a_network_too_slow_for_the_deadline_is_unavailable_at_the_deadline() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let client = connect(&server.url_at(proxy.addr())).await;
    proxy.delay(Duration::from_millis(50));
    send(&client, &set("k", "v")).await.expect("slower, and no more than that");
    proxy.delay(Duration::from_millis(600));
    let before = Instant::now();
    let failure = send(&client, &set("k", "v")).await.expect_err("too slow");
    let took = before.elapsed();
    assert!(matches!(failure, Failure::Unavailable { maybe_applied: true, .. }), "{failure:?}");
    assert!((Duration::from_millis(1990)..Duration::from_millis(2050)).contains(&took), "{took:?}");
    proxy.pass();
    send(&client, &get("k")).await.expect("fast again");
}

#[tokio::test]
async fn who_has_hardly_any_time_left_costs_nobody_the_connection() {
    let server = Server::start().await;
    let proxy = Proxy::to(server.addr()).await;
    let client = connect(&server.url_at(proxy.addr())).await;
    send(&client, &set("k", "v")).await.expect("the server runs");
    let connections = proxy.traffic().connections();
    proxy.delay(Duration::from_millis(30));
    for _ in 0..5 {
        let failure = client.send(&get("k"), Instant::now() + Duration::from_millis(5)).await.expect_err("too late");
        assert!(matches!(failure, Failure::Unavailable { .. }), "{failure:?}");
    }
    send(&client, &get("k")).await.expect("slower, and no more than that");
    assert_eq!(proxy.traffic().connections(), connections);
}
