//! What its owner ends at one replica is open to nobody at any other.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::json;
use session_mcp::LimitsConfig;
use session_test_servers::eventually;
use tokio::time::timeout;

use crate::caller::{Caller, Way};
use crate::events::Events;
use crate::replicas::Replicas;

/// Within which time both replicas know of an end.
const SOON: Duration = Duration::from_secs(1);
/// Streams that were just opened use their session once, and would notice its end by that. The next time is much later.
const FIRST_USE: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_at_one_replica_ends_at_both_with_its_streams_and_calls() {
    ends_everywhere(&Replicas::start().await, async |alice, id| {
        assert_eq!(alice.present(id, Way::Delete).await.status, StatusCode::NO_CONTENT);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_tool_ends_at_one_replica_ends_at_both_with_its_streams_and_calls() {
    ends_everywhere(&Replicas::start().await, async |alice, id| {
        assert_eq!(alice.call_within(id, "end_session", json!({})).await.content()["ended"], true);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ended_from_another_session_at_one_replica_ends_at_both_with_its_streams_and_calls() {
    ends_everywhere(&Replicas::start().await, async |alice, _| {
        let other = alice.initialize().await;
        assert_eq!(alice.call_within(&other, "end_all_sessions", json!({})).await.content()["ended_sessions"], 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_makes_room_for_another_session_at_one_replica_ends_at_both_with_its_streams() {
    let replicas = Replicas::configured("[limits]\nsessions_per_principal = 1\n").await;
    for at in replicas.alice() {
        let (id, streams) = opened(&replicas).await;
        assert_eq!(at.try_initialize().await, None, "it was used just now");
        let make_room = async || {
            replicas.age(LimitsConfig::default().evict_after).await;
            at.try_initialize().await
        };
        // Again, since a stream may use its session for the first time after it was aged.
        let newer = eventually("room for another session", make_room).await;
        is_over(&replicas, &id, streams).await;
        assert_eq!(at.present(&newer, Way::Delete).await.status, StatusCode::NO_CONTENT);
    }
}

/// Ends a session of alice's while a call is in flight, once at either replica.
async fn ends_everywhere(replicas: &Replicas, end: impl AsyncFn(&Caller, &str)) {
    for at in &replicas.alice() {
        let [opener, _] = replicas.alice();
        let (id, streams) = opened(replicas).await;
        let mut call = opener.begin_within(&id, 1, "slow", json!({ "ms": 60_000 })).await;
        call.id().await;
        end(at, &id).await;
        is_over(replicas, &id, streams.into_iter().chain([call])).await;
    }
}

/// Opens a session of alice's at the first replica, and a stream of what concerns no call at each.
async fn opened(replicas: &Replicas) -> (String, [Events; 2]) {
    let [at_a, at_b] = replicas.alice();
    let id = at_a.initialize().await;
    let mut streams = [at_a.listen_within(&id, None).await, at_b.listen_within(&id, None).await];
    for stream in &mut streams {
        stream.id().await;
        assert!(timeout(FIRST_USE, stream.message()).await.is_err(), "it goes on for as long as the session");
    }
    (id, streams)
}

/// Sees that the streams of a session end soon, and that it is not there at any replica.
async fn is_over(replicas: &Replicas, id: &str, streams: impl IntoIterator<Item = Events>) {
    let ends = streams.into_iter().map(async |mut stream| while stream.message().await.is_some() {});
    timeout(SOON, join_all(ends)).await.expect("what goes on in it ends soon after the answer");
    for alice in replicas.alice() {
        for way in [Way::Call, Way::Stream, Way::Delete] {
            assert_eq!(alice.present(id, way).await.status, StatusCode::NOT_FOUND, "{way:?}");
        }
    }
}
