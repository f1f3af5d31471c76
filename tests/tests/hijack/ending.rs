//! What its owner ends at one replica is open to nobody at any other.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::json;

use crate::caller::Way;
use crate::replicas::Replicas;

/// Within which time both replicas know of an end.
const SOON: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_alice_ends_at_one_replica_ends_at_both_with_its_streams_and_calls() {
    let replicas = Replicas::start().await;
    let [at_a, at_b] = &replicas.alice();
    for tool in [None, Some("end_session"), Some("end_all_sessions")] {
        let id = at_a.initialize().await;
        let mut streams = [at_a.listen_within(&id, None).await, at_b.listen_within(&id, None).await];
        for stream in &mut streams {
            stream.id().await;
        }
        let mut call = at_a.begin_within(&id, 1, "slow", json!({ "ms": 60_000 })).await;
        call.id().await;
        // Streams that were just opened use their session once, and would notice its end by that.
        tokio::time::sleep(Duration::from_millis(300)).await;
        match tool {
            None => assert_eq!(at_b.present(&id, Way::Delete).await.status, StatusCode::NO_CONTENT),
            Some(tool) => assert_eq!(at_b.call_within(&id, tool, json!({})).await.status, StatusCode::OK),
        }
        let begun = Instant::now();
        for stream in &mut streams {
            while stream.message().await.is_some() {}
        }
        call.answer().await;
        assert!(begun.elapsed() < SOON, "{tool:?}: {:?}", begun.elapsed());
        for alice in [at_a, at_b] {
            assert_eq!(alice.present(&id, Way::Call).await.status, StatusCode::NOT_FOUND, "{tool:?}");
        }
    }
}
