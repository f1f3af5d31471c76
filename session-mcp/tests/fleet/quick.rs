//! A call that is over in no time costs no more than that takes; any other can be gone on with from its first event.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use session_core::Operation;
use session_mcp::Config;
use tokio::time::sleep;

use crate::asked::Asked;
use crate::client::{Client, Events};
use crate::fleet::{Backend, every_call};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_over_in_no_time_is_answered_by_one_event_and_not_kept() {
    let asked = Asked::default();
    let a = asked.of(Backend::new()).replica().await;
    let client = Client::connect(&a).await;
    client.call(&a, "count", json!({})).await;
    asked.take();
    let mut stream = Events::of(client.post(&a, &client.tool("look", &json!({}))).await);
    let answer = stream.next().await.expect("an answer");
    assert!(answer.message.is_some() && answer.id.is_none(), "{answer:?}");
    assert!(stream.next().await.is_none(), "nothing else");
    assert_eq!(asked.take(), [Operation::Load], "it is loaded once, to let the call in, and nothing is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_says_something_before_its_answer_is_kept_in_full() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut talk = client.tool("talk", &json!({ "messages": 3 }));
    talk["params"]["_meta"] = json!({ "progressToken": 1 });
    let mut stream = Events::of(client.post(&a, &talk).await);
    let opening = stream.next().await.expect("an event to come back to");
    assert!(opening.message.is_none() && opening.retry.is_some(), "{opening:?}");
    for _ in 0..4 {
        assert!(stream.next().await.expect("three messages and an answer").id.is_some());
    }
    let mut again = client.listen(&b, opening.id.as_deref()).await;
    for _ in 0..3 {
        assert_eq!(again.message().await.expect("it is kept")["method"], "notifications/progress");
    }
    assert_eq!(again.answer().await, "said");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_too_short_every_call_is_kept() {
    let backend = Backend::new();
    let required = Config { require_resumability: true, ..Config::default() };
    for config in [every_call(), required] {
        let (a, b) = (backend.configured(config).await, backend.replica().await);
        let client = Client::connect(&a).await;
        for count in ["1", "2", "3"] {
            let mut stream = Events::of(client.post(&a, &client.tool("count", &json!({}))).await);
            let opening = stream.next().await.expect("an event to come back to");
            assert!(opening.message.is_none() && opening.retry.is_some(), "{opening:?}");
            assert_eq!(stream.answer().await, count);
            assert_eq!(client.listen(&b, opening.id.as_deref()).await.answer().await, count);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_at_once_ends_nothing_and_leaves_nothing_behind() {
    let a = Backend::new().replica().await;
    let client = Client::connect(&a).await;
    for times in 1..=5 {
        let call = client.tool("slow", &json!({ "ms": 10 }));
        let request = tokio::spawn(client.sending(&a, &call).send());
        let begun = Instant::now();
        while a.sessions.get::<u64>(&client.key(), "count").await.expect("it is live") != Some(2 * times - 1) {
            assert!(begun.elapsed() < Duration::from_secs(5), "the call has not begun");
            tokio::task::yield_now().await;
        }
        request.abort();
        // It is over when its id is free.
        loop {
            let answer = client.post(&a, &call).await;
            match answer.status() {
                StatusCode::OK => break assert_eq!(Events::of(answer).answer().await, (2 * times).to_string()),
                status => assert_eq!(status, StatusCode::BAD_REQUEST),
            }
            assert!(begun.elapsed() < Duration::from_secs(5), "the call does not end");
            sleep(Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_sees_what_changed_while_it_waited_and_what_it_changed_itself() {
    let a = Backend::new().replica().await;
    let client = Client::connect(&a).await;
    assert_eq!(client.call(&a, "begin", json!({ "ms": 7 })).await, "7");
    assert_eq!(client.call(&a, "begin", json!({ "ms": 8 })).await, "8");
    assert_eq!(client.call(&a, "look", json!({})).await, "8");
    let late = client.sending(&a, &client.tool("look", &json!({ "ms": 200 })));
    let late = tokio::spawn(late.send());
    sleep(Duration::from_millis(100)).await;
    a.sessions.set(&client.key(), "count", &9).await.expect("it is live");
    let answer = late.await.expect("no panic").expect("the replica answers");
    assert_eq!(Events::of(answer).answer().await, "9");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_take_turns_see_what_the_one_before_them_wrote() {
    let backend = Backend::new();
    let a = backend.replica().await;
    let client = Client::connect(&a).await;
    for round in 1..=8 {
        let counts = join_all((0..16).map(|_| client.call(&a, "turn", json!({})))).await;
        let last = counts.iter().map(|count| count.parse::<u32>().expect("a number")).max();
        assert_eq!(last, Some(16 * round), "{counts:?}");
    }
}
