//! One store, and what it should hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Display};
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use session_core::{
    Cursor, Expired, Limits, Load, Locator, Mode, NewSession, Owner, Page, Quota, Record, Right, SessionId, SessionKey,
    SessionStore, StoreError, Summary, Text, Timestamp,
};

use crate::operation::{Caller, Edits, Operation, new_session, owner_of, page_size};

/// One store, and what it should hold by what it answered so far.
#[derive(Debug)]
pub(crate) struct Side {
    which: &'static str,
    store: Arc<dyn SessionStore>,
    limits: Limits,
    sessions: BTreeMap<SessionId, Model>,
    /// Sessions that were reported as expired. Whether the store remembers them is its own affair.
    reported: BTreeMap<SessionId, Model>,
    lists: BTreeMap<Owner, PartlyRead>,
    births: u64,
    /// What time the store last said it was, and when.
    heard: Option<(Instant, Timestamp)>,
}

/// What a store should hold of a session, whether or not it has expired.
#[derive(Clone, Debug)]
struct Model {
    record: Arc<Record>,
    last_used: Timestamp,
    /// Tells it from another under the same names.
    birth: u64,
}

/// A list of which some pages were read.
#[derive(Clone, Debug)]
struct PartlyRead {
    after: Cursor,
    /// What lived when it began.
    lived: BTreeSet<(Locator, u64)>,
    listed: BTreeSet<(Locator, u64)>,
}

/// What a store answered, but for times.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// A session, and who went for it while they were live.
    Created(BTreeSet<Locator>),
    Opened(Mode),
    Updated(u64),
    Ended(bool),
    Listed(BTreeSet<Locator>),
    Number(u64),
    Nothing,
    Refused(&'static str),
    /// What is each store's own: it was held against the model and is not compared.
    Own,
}

/// How often a load is asked again that is no use and whose time is off.
const AGAIN: usize = 5;

type Checked<T = Answer> = Result<T, TestCaseError>;

impl Side {
    pub(crate) fn new(which: &'static str, store: Arc<dyn SessionStore>, limits: &Limits) -> Self {
        Self {
            which,
            store,
            limits: limits.clone(),
            sessions: BTreeMap::new(),
            reported: BTreeMap::new(),
            lists: BTreeMap::new(),
            births: 0,
            heard: None,
        }
    }

    pub(crate) async fn run(&mut self, operation: &Operation) -> Checked {
        let answer = match operation {
            Operation::Create { session, name, lifetimes, initial } => {
                self.create(new_session(*session, *name, *lifetimes, initial)).await
            }
            Operation::Load { caller, load } => self.load(&caller.key(), *load).await,
            Operation::Update { caller, edits } => self.update(*caller, edits).await,
            Operation::Delete(caller) => self.delete(&caller.key()).await,
            Operation::List { owner, size } => self.list(owner_of(*owner), *size).await,
            Operation::Page { owner, size } => self.page(owner_of(*owner), *size).await,
            Operation::EndAll { owner } => self.end_all(owner_of(*owner)).await,
            Operation::Count => self.count().await,
            Operation::WhyAbsent(caller) => self.why_absent(&caller.key()).await,
        };
        answer.map_err(|error| TestCaseError::fail(format!("{}: {operation:?}: {error}", self.which)))
    }

    async fn create(&mut self, new: NewSession) -> Checked {
        let id = *new.id();
        let created = match self.store.create(new.clone()).await {
            Ok(created) => created,
            Err(StoreError::AlreadyExists) => {
                prop_assert!(self.is_live(&id), "there is no live session of this name");
                return Ok(Answer::Refused("already exists"));
            }
            Err(StoreError::Quota(quota)) => {
                let Some(only) = self.only(quota) else { return Ok(Answer::Refused(named(quota))) };
                let refused = Record::create(&new, self.now(), &only).err();
                prop_assert!(matches!(refused, Some(StoreError::Quota(_))), "{:?} is not met", quota);
                return Ok(Answer::Refused("size"));
            }
            Err(error) => return failed(&error),
        };
        prop_assert!(!self.is_live(&id), "a live session was overwritten");
        let at = created.session.loaded_at();
        self.hear(at);
        let record = Record::create(&new, at, &self.limits).map_err(|error| wrong(&error))?;
        prop_assert!(*created.session == record, "the new record is {:#?}", all(&created.session));
        prop_assert_eq!((created.session.last_used(), created.session.mode()), (at, Mode::ReadWrite));
        let mut went = BTreeSet::new();
        for gone in created.gone {
            let gone_id = SessionId { owner: id.owner, locator: gone.locator };
            let model = self.sessions.remove(&gone_id);
            let model = model.ok_or_else(|| wrong(&"who went was never there, or went before"))?;
            // Expired ones are reported when they are noticed, which is each store's own affair.
            if let Some(expired) = gone.expired {
                prop_assert!(model.expired(at).is_some(), "who went had not expired");
                prop_assert!(may_be_told(expired, &model, at), "{:?}", expired);
                self.reported.insert(gone_id, model);
            } else {
                prop_assert!(model.expired(at).is_none(), "who went had expired");
                prop_assert!(went.insert(gone.locator), "nobody goes twice");
            }
        }
        self.births += 1;
        self.reported.remove(&id);
        self.sessions.insert(id, Model { record: Arc::new(record), last_used: at, birth: self.births });
        Ok(Answer::Created(went))
    }

    async fn load(&mut self, key: &SessionKey, load: Load) -> Checked {
        let now = self.now();
        let mut loaded = self.store.load(key, load).await;
        for _ in 0..AGAIN {
            // A server that loses its processor between the commands of one request tells a time that is too early.
            let told =
                loaded.as_ref().ok().and_then(Option::as_ref).filter(|session| !began_anew(load, session.mode()));
            if told.zip(self.last_used(key)).is_none_or(|(told, known)| same_time(told.last_used(), known)) {
                break;
            }
            loaded = self.store.load(key, load).await;
        }
        let loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return failed(&error),
        };
        let model = self.sessions.get_mut(key.id());
        let right = model.as_ref().and_then(|model| model.right(key, now));
        let (Some(model), Some(right), Some(session)) = (model, right, &loaded) else {
            prop_assert_eq!(loaded.is_some(), right.is_some(), "whether it opens something");
            return Ok(Answer::Nothing);
        };
        prop_assert!(**session == *model.record, "it is {:#?} and not {:#?}", all(session), all(&model.record));
        prop_assert_eq!(session.mode(), right.mode());
        if began_anew(load, session.mode()) {
            prop_assert_eq!(session.last_used(), session.loaded_at(), "a touch is a use now");
            model.last_used = session.last_used();
        }
        prop_assert!(
            same_time(session.last_used(), model.last_used),
            "{:?} {:?}",
            session.last_used(),
            model.last_used
        );
        let expires_at = model.record.expires_at(session.last_used()).min(right.ends_at());
        prop_assert_eq!(session.expires_at(), expires_at);
        self.hear(session.loaded_at());
        Ok(Answer::Opened(session.mode()))
    }

    async fn update(&mut self, caller: Caller, edits: &Edits) -> Checked {
        let (key, change, now) = (caller.key(), edits.change(caller.place()), self.now());
        let answer = self.store.update(&key, change.clone()).await;
        if let Ok(updated) = &answer {
            self.hear(updated.at);
        }
        let only = match &answer {
            Err(StoreError::Quota(quota)) => self.only(*quota),
            _ => None,
        };
        let at = answer.as_ref().map_or(now, |updated| updated.at);
        let limits = only.as_ref().unwrap_or(&self.limits);
        let model = self.sessions.get_mut(key.id()).filter(|model| model.expired(at).is_none());
        let mut record = model.as_ref().map(|model| model.record.clone());
        let applied = match &mut record {
            Some(record) => Record::apply(record, key.access(), &change, at, limits),
            None => Err(StoreError::NotFound),
        };
        match (answer, applied) {
            (Ok(updated), Ok(right)) => {
                let (model, record) = model.zip(record).expect("the change was applied to it");
                prop_assert_eq!(updated.version, record.version);
                prop_assert_eq!(updated.expires_at, record.expires_at(at).min(right.ends_at()));
                (model.record, model.last_used) = (record, at);
                Ok(Answer::Updated(updated.version.get()))
            }
            (Err(StoreError::NotFound), Err(StoreError::NotFound)) => Ok(Answer::Nothing),
            (Err(StoreError::ReadOnly), Err(StoreError::ReadOnly)) => Ok(Answer::Refused("read-only")),
            (Err(StoreError::Conflict), Err(StoreError::Conflict)) => Ok(Answer::Refused("conflict")),
            // Where a change is over several limits, any of them may be named; the one that was is really met.
            (Err(StoreError::Quota(_)), Err(StoreError::Quota(_))) => Ok(Answer::Refused("size")),
            (answer, expected) => Err(wrong(&format!("it answered {answer:?} and not {expected:?}"))),
        }
    }

    async fn delete(&mut self, key: &SessionKey) -> Checked {
        let right = self.sessions.get(key.id()).and_then(|model| model.right(key, self.now()));
        match (self.store.delete(key).await, right.map(|right| right.mode())) {
            (Ok(true), Some(Mode::ReadWrite)) => {
                self.sessions.remove(key.id());
                Ok(Answer::Ended(true))
            }
            (Ok(false), None) => Ok(Answer::Ended(false)),
            (Err(StoreError::ReadOnly), Some(Mode::ReadOnly)) => Ok(Answer::Refused("read-only")),
            (answer, mode) => Err(wrong(&format!("it answered {answer:?} to who has {mode:?}"))),
        }
    }

    async fn list(&mut self, owner: Owner, size: u32) -> Checked {
        let mut listed = BTreeSet::new();
        let mut page = Page::first(page_size(size));
        loop {
            let listing = match self.store.list(&owner, page).await {
                Err(StoreError::OwnerRequired) => return anonymous(owner),
                Err(error) => return failed(&error),
                Ok(listing) => listing,
            };
            prop_assert!(listing.sessions.len() <= size as usize);
            for summary in &listing.sessions {
                self.agrees(owner, summary)?;
                prop_assert!(listed.insert(summary.locator), "a session is listed once");
            }
            let Some(next) = listing.next else { break };
            page = Page { after: Some(next), size: page_size(size) };
        }
        let live: BTreeSet<Locator> = self.live(owner).into_iter().map(|(locator, _)| locator).collect();
        prop_assert_eq!(&listed, &live, "what is listed is what lives");
        Ok(Answer::Listed(listed))
    }

    /// Each store has an order of its own, so pages are held against the promise alone: what lives from the first page
    /// to the last is listed exactly once.
    async fn page(&mut self, owner: Owner, size: u32) -> Checked {
        let begun = self.lists.remove(&owner);
        let after = begun.as_ref().map(|begun| begun.after.clone());
        let listing = match self.store.list(&owner, Page { after, size: page_size(size) }).await {
            Err(StoreError::OwnerRequired) => return anonymous(owner),
            Err(error) => return failed(&error),
            Ok(listing) => listing,
        };
        let (lived, mut listed) = match begun {
            Some(begun) => (begun.lived, begun.listed),
            None => (self.live(owner), BTreeSet::new()),
        };
        for summary in &listing.sessions {
            let birth = self.agrees(owner, summary)?;
            prop_assert!(listed.insert((summary.locator, birth)), "a session is listed once");
        }
        if let Some(after) = listing.next {
            self.lists.insert(owner, PartlyRead { after, lived, listed });
        } else {
            let live = self.live(owner);
            let missing = lived.intersection(&live).find(|session| !listed.contains(session));
            prop_assert!(missing.is_none(), "what lives all the time is listed");
        }
        Ok(Answer::Own)
    }

    async fn end_all(&mut self, owner: Owner) -> Checked {
        let live = self.live(owner).len() as u64;
        match self.store.end_all(&owner).await {
            Err(StoreError::OwnerRequired) => anonymous(owner),
            Err(error) => failed(&error),
            Ok(ended) => {
                prop_assert_eq!(ended, live, "those that lived have ended");
                let now = self.now();
                let (own, others) = mem::take(&mut self.sessions).into_iter().partition(|(id, _)| id.owner == owner);
                let own: BTreeMap<SessionId, Model> = own;
                self.sessions = others;
                self.reported.extend(own.into_iter().filter(|(_, model)| model.expired(now).is_some()));
                Ok(Answer::Number(ended))
            }
        }
    }

    async fn count(&mut self) -> Checked {
        let now = self.now();
        let live = self.sessions.values().filter(|model| model.expired(now).is_none()).count() as u64;
        match self.store.count(Duration::ZERO).await {
            Err(error) => failed(&error),
            Ok(count) => {
                prop_assert_eq!(count, live, "those that live are counted");
                Ok(Answer::Number(count))
            }
        }
    }

    /// A best effort: what is told has to be true, and nobody has to tell it.
    async fn why_absent(&mut self, key: &SessionKey) -> Checked {
        let expired = match self.store.why_absent(key).await {
            Err(error) => return failed(&error),
            Ok(expired) => expired,
        };
        if let Some(expired) = expired {
            prop_assert!(key.owner() != Owner::Anonymous, "only a principal is told anything");
            let model = self.sessions.get(key.id()).or_else(|| self.reported.get(key.id()));
            let model = model.ok_or_else(|| wrong(&"something is told of what was never there"))?;
            prop_assert!(may_be_told(expired, model, self.now()), "{:?}", expired);
        }
        Ok(Answer::Own)
    }

    /// Holds a summary against the model of its session, and returns which it is of those under its names.
    fn agrees(&self, owner: Owner, summary: &Summary) -> Checked<u64> {
        let model = self.sessions.get(&SessionId { owner, locator: summary.locator });
        let model = model.ok_or_else(|| wrong(&"a session is listed that is not there"))?;
        let (told, known) = (summary.last_used, model.last_used);
        prop_assert!(same_time(told, known) || told < known, "{:?} and not {:?}", told, known);
        prop_assert_eq!(summary, &Summary::new(&model.record, summary.last_used));
        Ok(model.birth)
    }

    fn live(&self, owner: Owner) -> BTreeSet<(Locator, u64)> {
        let now = self.now();
        let own = self.sessions.iter().filter(|(id, model)| id.owner == owner && model.expired(now).is_none());
        own.map(|(id, model)| (id.locator, model.birth)).collect()
    }

    fn last_used(&self, key: &SessionKey) -> Option<Timestamp> {
        self.sessions.get(key.id()).map(|model| model.last_used)
    }

    fn is_live(&self, id: &SessionId) -> bool {
        self.sessions.get(id).is_some_and(|model| model.expired(self.now()).is_none())
    }

    /// Limits of which only this one can be met, if it is one on a single session.
    fn only(&self, quota: Quota) -> Option<Limits> {
        let most = usize::MAX;
        let none =
            Limits { grants: most, state_names: most, value_bytes: most, session_bytes: most, ..self.limits.clone() };
        match quota {
            Quota::Grants { max } => Some(Limits { grants: max, ..none }),
            Quota::StateNames { max } => Some(Limits { state_names: max, ..none }),
            Quota::ValueBytes { max } => Some(Limits { value_bytes: max, ..none }),
            Quota::SessionBytes { max } => Some(Limits { session_bytes: max, ..none }),
            Quota::Edits { .. } => Some(none),
            _ => None,
        }
    }

    fn hear(&mut self, now: Timestamp) {
        self.heard = Some((Instant::now(), now));
    }

    /// About what time it is at the store.
    fn now(&self) -> Timestamp {
        self.heard.map_or(Timestamp::from_millis(0), |(when, now)| now.after(when.elapsed()))
    }
}

impl Model {
    fn expired(&self, now: Timestamp) -> Option<Expired> {
        self.record.expired(self.last_used, now)
    }

    fn right(&self, key: &SessionKey, now: Timestamp) -> Option<Right> {
        self.record.right(key.access(), now).filter(|_| self.expired(now).is_none())
    }
}

/// Whether this may be told of a session that is gone. A store that keeps nothing but the deadline of a session that
/// idled out tells, once that has passed too, that it has passed.
fn may_be_told(expired: Expired, model: &Model, now: Timestamp) -> bool {
    let passed = Expired::Absolute(model.record.ends_at);
    model.expired(now).is_some_and(|truth| expired == truth || (expired == passed && model.record.ends_at <= now))
}

/// Whether a load that found this mode is a use.
fn began_anew(load: Load, mode: Mode) -> bool {
    (load, mode) == (Load::Touch, Mode::ReadWrite)
}

/// The time of the last use may be a millisecond off.
fn same_time(left: Timestamp, right: Timestamp) -> bool {
    left.since(right).max(right.since(left)) <= Duration::from_millis(1)
}

fn named(quota: Quota) -> &'static str {
    match quota {
        Quota::Sessions { .. } => "sessions in all",
        Quota::SessionsPerPrincipal { .. } => "sessions of a principal",
        Quota::CreationRate { .. } => "creation rate",
        _ => "size",
    }
}

fn anonymous(owner: Owner) -> Checked {
    prop_assert_eq!(owner, Owner::Anonymous, "a principal has a list");
    Ok(Answer::Refused("owner required"))
}

/// Everything of a record, whose `Debug` is discreet.
fn all(record: &Record) -> impl Debug {
    let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned());
    let state = record.state.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
    let times = (record.created_at, record.set_at, record.ends_at, record.idle_timeout, record.version);
    let texts = [&record.working_directory, &record.config_path, &record.project_id].map(text);
    (times, texts, state.collect::<Vec<_>>(), record.grants.clone())
}

fn failed(error: &StoreError) -> Checked {
    let source = std::error::Error::source(error).map(ToString::to_string);
    Err(wrong(&format!("{error:?} ({source:?})")))
}

fn wrong(reason: &dyn Display) -> TestCaseError {
    TestCaseError::fail(reason.to_string())
}
