//! Callers who go away in the middle.

use super::harness::{
    Fixture, Harness, alice, assert_answer, interrupted, long, moment, roomy, set, state_name, store, text_of,
};
use crate::change::Change;
use crate::ext::SessionStoreExt as _;
use crate::name::{SessionKey, SessionName};
use crate::owner::Owner;
use crate::session::NewSession;
use crate::state::StateValue;
use crate::text::Text;

const ROUNDS: usize = 60;

/// However far an operation got before its future was dropped, the session is as before or as after it, and the next
/// answer belongs to the next question.
pub async fn a_cancelled_operation_leaves_the_old_or_the_new(harness: &dyn Harness) {
    let store = store(harness, roomy()).await;
    for owner in [Owner::Anonymous, alice()] {
        let fixture = Fixture::create(&store, owner, long()).await;
        let other = Fixture::create(&store, owner, long()).await;
        other.set("whose", "other").await;
        store.update(&fixture.key, both(0)).await.expect("the session is live");
        for round in 1..=ROUNDS {
            let polls = round % 8;
            interrupt(harness, polls, store.update(&fixture.key, both(round))).await;
            interrupt(harness, polls, store.touch(&fixture.key)).await;
            let session = fixture.peek().await.expect("the session is live");
            let halves = (text_of(&session, "half"), session.project_id.as_ref().map(|id| id.as_str().to_owned()));
            assert_eq!(halves.0, halves.1, "a change is there as a whole or not at all");
            let seen = other.touch().await.expect("the session is live");
            assert_eq!(seen.locator, other.name.locator(), "an answer belongs to its question");
            assert_eq!(text_of(&seen, "whose").as_deref(), Some("other"));

            let name = SessionName::mint();
            let key = SessionKey::by_name(owner, &name);
            interrupt(harness, polls, store.create(NewSession::new(owner, &name, long()).with(both(round)))).await;
            if let Some(session) = store.peek(&key).await.expect("the store answers") {
                assert_eq!(text_of(&session, "half"), Some(round.to_string()), "a session is created as a whole");
                interrupt(harness, polls, store.delete(&key)).await;
                let ended = store.delete(&key).await.expect("the store answers");
                assert_answer!(store.peek(&key).await, Ok(None), "ended, by this caller or the last ({ended})");
            }
        }
        assert!(fixture.end().await && other.end().await, "the sessions end as ever");
    }
}

/// A change of two fields that must be seen together.
fn both(round: usize) -> Change {
    let text = round.to_string();
    let value = StateValue::from(text.as_bytes());
    set("round", &text).set(state_name("half"), value).project_id(Text::new(&text).expect("a number is a text"))
}

/// Lets an operation run until it has been looked at `polls` times, and drops it. In the last round of eight it races
/// with a moment of random length instead.
async fn interrupt<T>(harness: &dyn Harness, polls: usize, operation: impl Future<Output = T>) {
    let others = || harness.spawn(Box::pin(async {}));
    interrupted(polls, operation, others, harness.elapse(moment(harness.tick()))).await;
}
