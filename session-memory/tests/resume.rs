//! A session taken up again by its owner.

mod support;

use std::sync::Arc;

use session_core::{
    Change, Error, Event, Limits, Locator, Mode, NewGrant, Owner, Quota, Reason, Resumed, SessionKey, SessionManager,
    SessionName, SessionStore as _, SessionStoreExt as _, StoreError, Subject, Text,
};
use session_memory::MemoryStore;

use support::events::Told;
use support::{HOUR, alice, manager, principal, roomy, store};

async fn observed(limits: Limits) -> (MemoryStore, SessionManager, Told) {
    let (store, told) = (store(limits, HOUR), Told::default());
    let sessions = manager::manager(&store).with_observer(told.observer());
    sessions.start().await.expect("memory answers");
    (store, sessions, told)
}

async fn resume(sessions: &SessionManager, locator: Locator) -> Resumed {
    sessions.resume(&alice(), locator, Change::new()).await.expect("it is hers")
}

async fn opens(sessions: &SessionManager, name: &SessionName) -> bool {
    match sessions.load(&SessionKey::by_name(alice(), name)).await {
        Ok(_) => true,
        Err(Error::Store(StoreError::NotFound)) => false,
        Err(other) => panic!("memory answers, and not {other}"),
    }
}

fn told_of(locator: Locator, reason: Reason) -> Event {
    Event::new(alice(), Subject::One(locator), reason)
}

#[tokio::test(start_paused = true)]
async fn an_owner_takes_up_their_session_by_its_locator() {
    let (store, sessions, told) = observed(roomy()).await;
    let first = manager::open(&sessions, alice()).await;
    let locator = first.locator();
    sessions.set(&first, "cart", &["tea"]).await.expect("it is live");
    told.take();
    tokio::time::advance(HOUR).await;

    let directory = Text::new("/srv/shop").expect("a path");
    let change = Change::new().working_directory(directory.clone());
    let resumed = sessions.resume(&alice(), locator, change).await.expect("it is hers");
    assert_eq!(told.take(), [told_of(locator, Reason::Restored)]);
    assert_eq!(resumed.session.working_directory, Some(directory));
    let kept = store.peek(&SessionKey::by_locator(alice(), locator)).await.expect("memory answers");
    assert_eq!(Some(&resumed.session), kept.as_ref(), "the answer is what the store keeps");

    let key = SessionKey::by_name(alice(), &resumed.name);
    let session = sessions.load(&key).await.expect("the new name opens it");
    assert_eq!((session.mode(), session.locator), (Mode::ReadWrite, locator));
    assert_eq!(sessions.get(&key, "cart").await.expect("it is a list"), Some(["tea".to_owned()]));
    sessions.load(&first).await.expect("the first name still does");
}

#[tokio::test]
async fn nobody_takes_up_what_is_not_theirs() {
    let (store, sessions, told) = observed(roomy()).await;
    let hers = manager::open(&sessions, alice()).await;
    let nobodys = manager::open(&sessions, Owner::Anonymous).await;
    let ended = manager::open(&sessions, alice()).await;
    assert!(store.delete(&ended).await.expect("memory answers"));
    let before = store.peek(&hers).await.expect("memory answers");
    told.take();
    for (owner, locator) in [
        (principal("bob"), hers.locator()),
        (alice(), nobodys.locator()),
        (alice(), ended.locator()),
        (alice(), SessionName::mint().locator()),
    ] {
        let refused = sessions.resume(&owner, locator, Change::new()).await.expect_err("it is not theirs");
        assert!(matches!(refused, Error::Store(StoreError::NotFound)), "{refused}");
    }
    for locator in [nobodys.locator(), hers.locator()] {
        let refused = sessions.resume(&Owner::Anonymous, locator, Change::new()).await.expect_err("nobody owns it");
        assert!(matches!(refused, Error::Store(StoreError::OwnerRequired)), "{refused}");
    }
    assert_eq!(store.peek(&hers).await.expect("memory answers").map(|kept| kept.version), before.map(|it| it.version));
    assert_eq!(told.take(), []);
}

#[tokio::test]
async fn whoever_loses_name_after_name_can_always_come_back() {
    let (_, sessions, told) = observed(Limits { grants: 4, ..roomy() }).await;
    let first = manager::open(&sessions, alice()).await;
    let locator = first.locator();
    let (promoted, _) =
        sessions.promote(&first, NewGrant::new(Mode::ReadWrite), Change::new()).await.expect("there is room");
    told.take();
    let mut names = Vec::new();
    for number in 0..20 {
        let Resumed { name, session, .. } = resume(&sessions, locator).await;
        assert_eq!(session.grants.len(), (3 + number).min(4));
        names.push(name);
        let mut expected = vec![told_of(locator, Reason::Restored)];
        if number >= 2 {
            expected.push(told_of(locator, Reason::Revoked));
        }
        assert_eq!(told.take(), expected);
    }
    let (gone, kept) = names.split_at(18);
    for name in gone {
        assert!(!opens(&sessions, name).await, "those that were resumed longest ago made room");
    }
    for name in kept.iter().chain([&promoted]) {
        assert!(opens(&sessions, name).await);
    }
    sessions.load(&first).await.expect("names of other origin stay");
}

#[tokio::test]
async fn a_session_full_of_other_names_is_taken_up_once_one_is_revoked() {
    let (store, sessions, told) = observed(Limits { grants: 3, ..roomy() }).await;
    let first = manager::open(&sessions, alice()).await;
    // A label of the application's own is none of ours, however it looks.
    let labels = ["resumed:1", ".resumed:x"].map(|label| Text::new(label).expect("a label"));
    let mut names = Vec::new();
    for label in labels {
        let grant = NewGrant::new(Mode::ReadOnly).with_label(label);
        names.push(sessions.promote(&first, grant, Change::new()).await.expect("there is room").0);
    }
    told.take();
    let before = store.peek(&first).await.expect("memory answers");
    let refused = sessions.resume(&alice(), first.locator(), Change::new()).await.expect_err("it is full");
    assert!(matches!(refused, Error::Store(StoreError::Quota(Quota::Grants { max: 3 }))), "{refused}");
    assert_eq!(store.peek(&first).await.expect("memory answers").map(|kept| kept.version), before.map(|it| it.version));
    assert_eq!(told.take(), []);

    let revoke = Change::new().revoke(names[0].secret_hash());
    let resumed = sessions.resume(&alice(), first.locator(), revoke).await.expect("there is room in the same step");
    assert_eq!(told.take(), [Reason::Restored, Reason::Revoked].map(|reason| told_of(first.locator(), reason)));
    assert!(opens(&sessions, &resumed.name).await && opens(&sessions, &names[1]).await);
    assert!(!opens(&sessions, &names[0]).await);
}

#[tokio::test]
async fn a_resumption_for_another_version_is_a_conflict() {
    let (_, sessions, told) = observed(roomy()).await;
    let key = manager::open(&sessions, alice()).await;
    let seen = sessions.load(&key).await.expect("it is live").version;
    let updated = sessions.set(&key, "cart", &1).await.expect("it is live");
    told.take();
    let stale = sessions.resume(&alice(), key.locator(), Change::new().if_version(seen)).await;
    assert!(matches!(stale, Err(Error::Store(StoreError::Conflict))), "{stale:?}");
    assert_eq!(told.take(), []);
    let fresh = sessions.resume(&alice(), key.locator(), Change::new().if_version(updated.version)).await;
    assert_eq!(fresh.expect("it is this version").session.version, updated.version.next());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_who_take_up_one_session_at_once_each_get_a_name() {
    let (_, sessions, _) = observed(Limits { grants: 5, ..roomy() }).await;
    let sessions = Arc::new(sessions);
    let locator = manager::open(&sessions, alice()).await.locator();
    let clients = (0..40).map(|_| {
        let sessions = sessions.clone();
        tokio::spawn(async move { resume(&sessions, locator).await.name })
    });
    let mut names = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        names.push(client.await.expect("nobody is refused"));
    }
    let mut open = 0;
    for name in &names {
        open += usize::from(opens(&sessions, name).await);
    }
    assert_eq!(open, 4, "as many as there is room for beside the first name");
}
