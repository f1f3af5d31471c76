//! What a client can make a store keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::harness::{
    BoxFuture, Fixture, Harness, alice, assert_answer, bob, long, roomy, set, state_name, store, ticks, together,
};
use crate::change::Change;
use crate::error::StoreError;
use crate::grant::{Mode, NewGrant};
use crate::limits::{Limits, Quota, Rate};
use crate::name::SessionName;
use crate::owner::Owner;
use crate::session::NewSession;
use crate::state::{StateName, StateValue};
use crate::store::{Created, Gone, SessionStore};
use crate::text::Text;
use crate::time::Lifetimes;

/// A store holds so many live sessions; ended and expired ones give their places back.
pub async fn sessions_are_limited_in_all(harness: &dyn Harness) {
    let store = store(harness, Limits { sessions: 4, ..roomy() }).await;
    let most = 4 + harness.overshoot();
    let mut created = Vec::new();
    for (owner, idle, absolute) in [(Owner::Anonymous, 3, 50), (alice(), 50, 3), (bob(), 3, 50), (alice(), 3, 50)] {
        created.push(Fixture::create(&store, owner, ticks(harness, idle, absolute)).await);
    }
    let refused = loop {
        let name = SessionName::mint();
        match store.create(NewSession::new(bob(), &name, ticks(harness, 3, 50))).await {
            Ok(_) => created.push(Fixture::of(&store, bob(), name).await),
            Err(error) => break error,
        }
        assert!(created.len() as u64 <= most, "the store holds at most {most} sessions");
    };
    assert_answer!(refused, StoreError::Quota(Quota::Sessions { max: 4 }), "the limit has its own error");
    for fixture in created.drain(3..) {
        assert!(fixture.end().await);
    }
    assert_answer!(try_create(&store, alice(), ticks(harness, 2, 50)).await, Ok(_), "an ended session gives room");
    harness.elapse(harness.tick() * 4).await;
    for _ in 0..4 {
        assert_answer!(try_create(&store, bob(), long()).await, Ok(_), "an expired session gives room");
    }
}

/// A principal has so many live sessions; that concerns nobody else, and the anonymous owner not at all.
pub async fn sessions_are_limited_per_principal(harness: &dyn Harness) {
    let limits = Limits { sessions_per_principal: 3, evict_after: Duration::from_secs(3600 * 24 * 365), ..roomy() };
    let store = store(harness, limits).await;
    let first = Fixture::create(&store, alice(), long()).await;
    Fixture::create(&store, alice(), ticks(harness, 2, 50)).await;
    Fixture::create(&store, alice(), ticks(harness, 50, 2)).await;
    let refused = try_create(&store, alice(), long()).await;
    assert_answer!(
        refused,
        Err(StoreError::Quota(Quota::SessionsPerPrincipal { max: 3 })),
        "the limit has its own error"
    );
    assert_answer!(try_create(&store, bob(), long()).await, Ok(_), "another principal has their own limit");
    for _ in 0..5 {
        assert_answer!(try_create(&store, Owner::Anonymous, long()).await, Ok(_), "the anonymous owner has none");
    }
    assert!(first.end().await);
    assert_answer!(try_create(&store, alice(), long()).await, Ok(_), "an ended session gives room");
    harness.elapse(harness.tick() * 3).await;
    for _ in 0..2 {
        assert_answer!(try_create(&store, alice(), long()).await, Ok(_), "an expired session gives room");
    }
    assert_answer!(try_create(&store, alice(), long()).await, Err(StoreError::Quota(_)), "and no more than that");
}

/// At a principal's limit their own longest-idle session makes room, once it was idle long enough; no one else's.
pub async fn only_ones_own_idle_session_makes_room(harness: &dyn Harness) {
    let limits = Limits { sessions_per_principal: 2, evict_after: harness.tick() * 2, ..roomy() };
    let store = store(harness, limits).await;
    let bobs = Fixture::create(&store, bob(), long()).await;
    let nobodys = Fixture::create(&store, Owner::Anonymous, long()).await;
    let busy = Fixture::create(&store, alice(), long()).await;
    let idle = Fixture::create(&store, alice(), long()).await;
    assert_answer!(try_create(&store, alice(), long()).await, Err(StoreError::Quota(_)), "sessions in use are safe");
    harness.elapse(harness.tick() * 3).await;
    assert_answer!(busy.touch().await, Some(_), "the session is live");

    let created = try_create(&store, alice(), long()).await.expect("the idle session makes room");
    let gone = Gone::new(idle.name.locator(), None);
    assert_eq!(created.gone, [gone], "the answer tells which session made room");
    assert_answer!(idle.peek().await, None, "the longest idle one went");
    for (whose, other) in [("one's own busy", &busy), ("another principal's", &bobs), ("an anonymous", &nobodys)] {
        assert_answer!(other.peek().await, Some(_), "{whose} session stays");
    }
    assert_answer!(try_create(&store, alice(), long()).await, Err(StoreError::Quota(_)), "sessions in use are safe");
}

/// A principal creates sessions so fast; that concerns nobody else.
pub async fn creation_is_limited_in_rate(harness: &dyn Harness) {
    let rate = Rate { count: 3, per: harness.tick() * 12 };
    let store = store(harness, Limits { creation_rate: Some(rate), ..roomy() }).await;
    for _ in 0..3 {
        assert_answer!(try_create(&store, alice(), long()).await, Ok(_), "so many are admitted at once");
    }
    let mut wait = Duration::MAX;
    for _ in 0..3 {
        let refused = try_create(&store, alice(), long()).await;
        let Err(StoreError::Quota(Quota::CreationRate { retry_after })) = refused else {
            panic!("one more is too fast, but the store answered {refused:?}");
        };
        assert!(retry_after <= harness.tick() * 4 && !retry_after.is_zero(), "the error says when to try again");
        wait = retry_after;
    }
    assert_answer!(try_create(&store, bob(), long()).await, Ok(_), "another principal has their own rate");
    for _ in 0..5 {
        assert_answer!(try_create(&store, Owner::Anonymous, long()).await, Ok(_), "the anonymous owner has none");
    }
    harness.elapse(wait).await;
    assert_answer!(try_create(&store, alice(), long()).await, Ok(_), "refusals cost nothing, and time gives back");
    assert_answer!(try_create(&store, alice(), long()).await, Err(StoreError::Quota(_)), "one at a time");
}

/// Each limit on what one session keeps has its own error, at creation and at a change; removing gives room.
pub async fn a_session_is_limited_in_size(harness: &dyn Harness) {
    let limits = Limits { grants: 2, state_names: 3, value_bytes: 16, session_bytes: 50, ..roomy() };
    let store = store(harness, limits).await;
    let fixture = Fixture::create(&store, Owner::Anonymous, long()).await;
    let grant = || {
        let name = SessionName::mint_for(fixture.name.locator());
        (name.clone(), Change::new().grant(&name, NewGrant::new(Mode::ReadOnly)))
    };
    let (second, second_grant) = grant();
    let try_change = async |change: Change| store.update(&fixture.key, change).await;

    assert_answer!(try_change(second_grant).await, Ok(_), "within the limit");
    let too_many_grants = || StoreError::Quota(Quota::Grants { max: 2 }).to_string();
    assert_refused(try_change(grant().1).await, &too_many_grants());
    assert_answer!(try_change(Change::new().revoke(second.secret_hash())).await, Ok(_), "a revoked name gives room");
    let (brief, _) = grant();
    let brief_grant = NewGrant::new(Mode::ReadOnly).with_lifetime(harness.tick());
    assert_answer!(try_change(Change::new().grant(&brief, brief_grant)).await, Ok(_), "within the limit again");
    assert_refused(try_change(grant().1).await, &too_many_grants());
    harness.elapse(harness.tick() * 2).await;
    assert_answer!(try_change(grant().1).await, Ok(_), "a grant that ended gives room");
    let name = SessionName::mint();
    let three = (0..2).fold(Change::new(), |change, _| {
        change.grant(&SessionName::mint_for(name.locator()), NewGrant::new(Mode::ReadOnly))
    });
    assert_refused(
        store.create(NewSession::new(Owner::Anonymous, &name, long()).with(three)).await,
        &too_many_grants(),
    );

    let value = |bytes: usize| StateValue::from(vec![b'x'; bytes]);
    let values = |names: &[&str], bytes| {
        names.iter().fold(Change::new(), |change, name| change.set(state_name(name), value(bytes)))
    };
    let too_long = values(&["a"], 17);
    let too_many = values(&["a", "b", "c", "d"], 1);
    let too_much = values(&["a", "b", "c"], 16);
    let exactly = values(&["a", "b"], 16).set(state_name("c"), value(15));
    for (change, quota) in [
        (too_long, Quota::ValueBytes { max: 16 }),
        (too_many, Quota::StateNames { max: 3 }),
        (too_much, Quota::SessionBytes { max: 50 }),
    ] {
        let message = StoreError::Quota(quota).to_string();
        assert_refused(try_change(change.clone()).await, &message);
        let new = NewSession::new(Owner::Anonymous, &SessionName::mint(), long()).with(change);
        assert_refused(store.create(new).await, &message);
    }
    for _ in 0..3 {
        assert_answer!(try_change(exactly.clone()).await, Ok(_), "exactly the limit, and writing over is no more");
    }
    let reserved = Change::new().set(StateName::reserved(".reserved"), value(1000));
    assert_answer!(try_change(reserved).await, Ok(_), "the library's own values take no room from a client's");
    let edits = Change::MAX_EDITS;
    let too_many_edits = (0..=edits).fold(Change::new(), |change, at| change.remove(state_name(&at.to_string())));
    let message = StoreError::Quota(Quota::Edits { max: edits }).to_string();
    assert_refused(try_change(too_many_edits).await, &message);
    let one_text = Change::new().project_id(Text::new("p").expect("an id"));
    let too_much = StoreError::Quota(Quota::SessionBytes { max: 50 }).to_string();
    assert_refused(try_change(one_text.clone()).await, &too_much);
    assert_answer!(try_change(one_text.clone().remove(state_name("a"))).await, Ok(_), "a removed value gives room");
    assert_answer!(try_change(set("a", "y")).await, Ok(_), "within the limit again");
}

fn assert_refused<T: std::fmt::Debug>(answer: Result<T, StoreError>, message: &str) {
    assert_eq!(answer.expect_err("the limit is reached").to_string(), message);
}

/// Writers who reach a limit together do not pass it together.
pub async fn writers_who_reach_a_limit_together_stay_within_it(harness: &dyn Harness) {
    const WRITERS: u64 = 16;
    const LIMIT: u64 = 5;
    let limits = Limits {
        state_names: 5,
        session_bytes: 500,
        sessions_per_principal: LIMIT,
        evict_after: Duration::MAX,
        ..roomy()
    };
    let handles = harness.handles(limits, 2).await;
    let capped = harness.handles(Limits { sessions: LIMIT, ..roomy() }, 2).await;
    let names = Fixture::create(&handles[0], Owner::Anonymous, long()).await;
    let bytes = Fixture::create(&handles[0], Owner::Anonymous, long()).await;

    let won: Arc<[AtomicU64; 4]> = Arc::default();
    let tasks = (0..WRITERS).map(|writer| {
        let handle = usize::from(writer % 2 == 0);
        let (store, capped, won) = (handles[handle].clone(), capped[handle].clone(), won.clone());
        let (names, bytes) = (names.key, bytes.key);
        Box::pin(async move {
            let name = format!("writer-{writer}");
            count(&won[0], store.update(&names, set(&name, "here")).await.map(drop));
            // Two of these are within the bytes of a session.
            let change = set(&format!("value-{writer}"), &"x".repeat(200));
            if writer < 4 {
                count(&won[1], store.update(&bytes, change).await.map(drop));
            }
            count(&won[2], try_create(&store, alice(), long()).await.map(drop));
            count(&won[3], try_create(&capped, Owner::Anonymous, long()).await.map(drop));
        }) as BoxFuture<'static, ()>
    });
    together(harness, tasks).await;
    let [names_won, bytes_won, mine, all] = [0, 1, 2, 3].map(|at: usize| won[at].load(Ordering::SeqCst));
    assert_eq!(names_won, LIMIT, "exactly the limit of names was taken");
    assert_eq!(bytes_won, 2, "exactly what the bytes of a session allow was written");
    assert_eq!(mine, LIMIT, "exactly the limit of a principal's sessions was created");
    let most = LIMIT + harness.overshoot();
    assert!((LIMIT..=most).contains(&all), "{all} sessions were created within a limit of {LIMIT} in all");
    let session = names.peek().await.expect("the session is live");
    assert_eq!(session.state.len() as u64, LIMIT);
    for (store, created) in [(&handles[0], 2 + mine), (&capped[0], all)] {
        let counted = store.count(Duration::ZERO).await;
        assert_answer!(counted, Ok(counted) if counted == created, "what was refused left nothing behind");
    }
}

/// Counts an answer that was not a refusal by a limit.
fn count(won: &AtomicU64, answer: Result<(), StoreError>) {
    match answer {
        Ok(()) => drop(won.fetch_add(1, Ordering::SeqCst)),
        Err(StoreError::Quota(_)) => {}
        Err(other) => panic!("a writer is within a limit or meets it, not {other:?}"),
    }
}

async fn try_create(store: &Arc<dyn SessionStore>, owner: Owner, lifetimes: Lifetimes) -> Result<Created, StoreError> {
    store.create(NewSession::new(owner, &SessionName::mint(), lifetimes)).await
}
