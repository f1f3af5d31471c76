//! Events of somebody else's streams, at the replica that told them and at another.

use reqwest::StatusCode;
use serde_json::json;

use crate::replicas::Replicas;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_of_anothers_stream_tells_nothing_at_any_replica() {
    let replicas = Replicas::start().await;
    let [alice, alice_elsewhere] = replicas.alice();
    let id = alice.initialize().await;
    // One call is over and one still runs when bob comes, and what she was told last she has not heard.
    let over = alice.begin_within(&id, 1, "slow", json!({ "ms": 100 })).await.id().await;
    let common = alice.listen_within(&id, None).await.id().await;
    alice.call_within(&id, "notify", json!({})).await;
    let running = alice.begin_within(&id, 2, "slow", json!({ "ms": 3_000 })).await.id().await;
    let answer = alice.listen_within(&id, Some(&over)).await.id().await;

    for bob in &replicas.bob() {
        let (own, unknown) = (bob.initialize().await, format!("{}{}", &id[..20], "A".repeat(id.len() - 20)));
        let nothing = bob.resume_within(&own, "nonsense").await;
        assert_eq!((nothing.status, nothing.body.as_str()), (StatusCode::OK, ""), "a stream that ends at once");
        for event in [&over, &answer, &running, &common] {
            assert_eq!(bob.resume_within(&own, event).await, nothing, "{event} is nothing in bob's session");
            let said = bob.resume_within(&id, event).await;
            assert_eq!(said.status, StatusCode::NOT_FOUND, "{event}: {said:?}");
            assert_eq!(said, bob.resume_within(&unknown, event).await, "{event}: foreign and unknown");
        }
    }

    let told = alice_elsewhere.listen_within(&id, Some(&common)).await.message().await.expect("it is hers to hear");
    assert_eq!(told["method"], "notifications/tools/list_changed");
    for event in [&over, &running] {
        let answered = alice_elsewhere.listen_within(&id, Some(event)).await.answer().await;
        assert_eq!(answered.as_deref(), Some("slow done"), "it is hers to hear");
    }
}
