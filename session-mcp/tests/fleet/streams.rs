//! What a client missed is told by whichever replica it comes back to.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use session_mcp::{Config, JournalConfig};
use session_memory::MemoryJournal;

use crate::client::{Client, Events};
use crate::fleet::{Backend, Replica};

/// Begins a call and loses its connection after the first event.
async fn cut_off(client: &Client, at: &Replica, tool: &str, arguments: serde_json::Value) -> String {
    let mut stream = Events::of(client.post(at, &client.tool(tool, &arguments)).await);
    let first = stream.next().await.expect("an event to come back to");
    assert!(first.retry.is_some() && first.message.is_none(), "{first:?}");
    first.id.expect("it can be named")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_cut_off_is_answered_by_another_replica_while_it_runs() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let cut = cut_off(&client, &a, "slow", json!({ "ms": 800 })).await;
    assert_eq!(client.listen(&b, Some(&cut)).await.answer().await, "1");
    assert_eq!(client.call(&b, "count", json!({})).await, "2", "it ran once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_cut_off_is_answered_after_it_is_over() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let cut = cut_off(&client, &a, "slow", json!({ "ms": 50 })).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for replica in [&b, &a] {
        let mut stream = client.listen(replica, Some(&cut)).await;
        assert_eq!(stream.answer().await, "1");
        let answered = stream.last_id.clone().expect("the answer has an id");
        stream.end().await;
        let mut after = client.listen(replica, Some(&answered)).await;
        assert!(after.message().await.is_none(), "nothing follows an answer");
    }
}

/// How far a call says that it has come.
fn progress(message: &serde_json::Value) -> Option<f64> {
    message["params"]["progress"].as_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_call_says_after_its_client_came_back_follows_what_it_missed() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    for back_at in [&b, &a] {
        let mut talk = client.tool("talk", &json!({ "messages": 8, "ms": 60 }));
        talk["params"]["_meta"] = json!({ "progressToken": 1 });
        let mut stream = Events::of(client.post(&a, &talk).await);
        let first = stream.message().await.expect("a message");
        assert_eq!(progress(&first), Some(0.0), "{first}");
        let cut = stream.last_id.clone().expect("events have ids");
        drop(stream);
        tokio::time::sleep(Duration::from_millis(150)).await;
        let mut stream = client.listen(back_at, Some(&cut)).await;
        for number in 1..8 {
            let message = stream.message().await.expect("a message");
            assert_eq!(progress(&message), Some(f64::from(number)), "{message}");
        }
        assert_eq!(stream.answer().await, "said");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_nobody_will_answer_is_said_to_be_lost() {
    let backend = Backend::new();
    let (mut a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let cut = cut_off(&client, &a, "slow", json!({ "ms": 60_000 })).await;
    a.kill();
    let lost = client.listen(&b, Some(&cut)).await.message().await.expect("an answer");
    assert_eq!(lost["error"]["code"], -32603, "{lost}");
    assert_eq!(lost["id"], 2, "it answers the call: {lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_another_session_is_the_name_of_nothing() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let (client, other) = (Client::connect(&a).await, Client::connect(&a).await);
    let cut = cut_off(&client, &a, "slow", json!({ "ms": 100 })).await;
    let mut listening = client.listen(&a, None).await;
    let common = listening.next().await.expect("an event to come back to").id.expect("it can be named");
    client.call(&b, "notify", json!({})).await;
    for replica in [&a, &b] {
        for id in [cut.as_str(), &common, "0", "0/0", "1-1.common", "nonsense"] {
            let mut stream = other.listen(replica, Some(id)).await;
            assert!(stream.message().await.is_none(), "{id} of another tells nothing and ends");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_replica_says_reaches_the_stream_at_another() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut stream = client.listen(&b, None).await;
    for _ in 0..3 {
        client.call(&a, "notify", json!({})).await;
        let told = stream.message().await.expect("it is told");
        assert_eq!(told["method"], "notifications/tools/list_changed");
    }
    assert!(stream.is_silent().await, "each is told once");
    // Cut off, it misses one and hears of it where it comes back.
    let last = stream.last_id.clone().expect("events have ids");
    drop(stream);
    client.call(&b, "notify", json!({})).await;
    let mut stream = client.listen(&a, Some(&last)).await;
    assert_eq!(stream.message().await.expect("it is told")["method"], "notifications/tools/list_changed");
    assert!(stream.is_silent().await, "what it had heard is not repeated");
    client.call(&b, "notify", json!({})).await;
    assert!(stream.message().await.is_some(), "and goes on from there");
    assert!(stream.is_silent().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_said_before_anybody_listened_is_told_to_the_first_who_does() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    client.call(&a, "notify", json!({})).await;
    let mut first = client.listen(&b, None).await;
    assert!(first.message().await.is_some());
    let mut second = client.listen(&a, None).await;
    assert!(second.is_silent().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_opens_a_stream_when_nothing_tells_of_an_earlier_one_any_more_hears_nothing_again() {
    let keep = Duration::from_secs(1);
    let journal = JournalConfig { keep, ..JournalConfig::default() };
    let config = Config { journal, ..Config::default() };
    let backend = Backend::new().with_journal(Arc::new(MemoryJournal::new((&config.journal).into())));
    let (a, b) = (backend.configured(config.clone()).await, backend.configured(config).await);
    let client = Client::connect(&a).await;
    let mut first = client.listen(&a, None).await;
    assert!(first.next().await.is_some());
    tokio::time::sleep(keep * 9 / 10).await;
    client.call(&a, "notify", json!({})).await;
    assert!(first.message().await.is_some());
    drop(first);
    tokio::time::sleep(keep * 2 / 5).await;
    assert!(client.listen(&b, None).await.is_silent().await, "it was told before");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_streams_the_newest_is_told() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut older = client.listen(&a, None).await;
    assert!(older.next().await.is_some());
    let mut newer = client.listen(&b, None).await;
    assert!(newer.next().await.is_some());
    client.call(&a, "notify", json!({})).await;
    assert!(newer.message().await.is_some());
    assert!(older.is_silent().await, "and no other, which stays open all the same");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_elsewhere_for_a_call_crowds_out_nothing_that_is_kept() {
    let backend = Backend::new();
    let (a, b) = (backend.replica().await, backend.replica().await);
    let client = Client::connect(&a).await;
    let mut listening = client.listen(&a, None).await;
    let last = listening.next().await.expect("an event to come back to").id.expect("it can be named");
    drop(listening);
    client.call(&a, "notify", json!({})).await;
    let cut = cut_off(&client, &a, "slow", json!({ "ms": 2_000 })).await;
    assert_eq!(client.listen(&b, Some(&cut)).await.answer().await, "1");
    let mut stream = client.listen(&b, Some(&last)).await;
    let told = stream.message().await.expect("what it missed was kept");
    assert_eq!(told["method"], "notifications/tools/list_changed");
}
