//! A store as plain as the contract allows: one map under one lock. It can be told to break one promise.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Access, BoxError, Change, Created, Cursor, Edit, Expired, Gone, Grant, Limits, Listing, Load, Locator, Mode,
    NewGrant, NewSession, Owner, Page, PrincipalId, Quota, Record, Right, SecretHash, Session, SessionId, SessionKey,
    SessionStore, StoreError, Summary, Text, Timestamp, Updated, Version,
};
use tokio::task::yield_now;
use tokio::time::Instant;

/// A promise that a store does not keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    ForgetsWhenTheDirectoryWasSet,
    OverwritesUnderAnotherSecret,
    AnswersConflictForTheAbsent,
    ResurrectsInARace,
    SecondHandleTouchesForItself,
    CountsOnce,
    PingFails,
    PeekSlides,
    UpdateDoesNotSlide,
    RoundsLifetimesToSeconds,
    TouchProlongsTheAbsoluteLifetime,
    TellsStrangersWhy,
    LastWriterOfTextsWins,
    EmptyChangesCountNothing,
    AppliesPartOfARefusedChange,
    AcceptsAVersionToCome,
    ComparesBeforeItWaits,
    RevokedNamesStillRead,
    ReadersProlong,
    GrantsOutliveTheirGivers,
    NoLimitInAllForPrincipals,
    ExpiredSessionsKeepTheirPlace,
    EvictsTheOldest,
    RefusedCreationsCost,
    CountsWhatIsWrittenOver,
    ChecksLimitsBeforeItWaits,
    AcceptsAnyCursor,
    TrimsTexts,
    FindsByLocatorAlone,
    GuessesProlong,
    LocatorsServeTheAnonymous,
    AnonymousListIsEmpty,
    PagesByOffset,
    EndAllCountsTheExpired,
    WritesInTwoSteps,
    InheritsFromTheExpired,
    NamesALimitFirst,
    SummariesForgetTheProject,
    PagesAsLargeAsAsked,
}

/// What all handles share.
#[derive(Debug)]
struct Backend {
    origin: Instant,
    limits: Limits,
    sessions: Mutex<Sessions>,
}

#[derive(Debug, Default)]
struct Sessions {
    kept: BTreeMap<SessionId, Kept>,
    spent: BTreeMap<PrincipalId, Timestamp>,
    revoked: Vec<SecretHash>,
    counted: Option<u64>,
    created: u64,
}

impl Sessions {
    fn is_revoked(&self, key: &SessionKey) -> bool {
        matches!(key.access(), Access::Secret(secret) if self.revoked.contains(&secret))
    }
}

#[derive(Clone, Debug)]
struct Kept {
    record: Arc<Record>,
    last_used: Timestamp,
    order: u64,
}

impl Kept {
    fn expired(&self, now: Timestamp) -> Option<Expired> {
        self.record.expired(self.last_used, now)
    }
}

/// One handle on the model.
#[derive(Debug)]
pub(crate) struct ModelStore {
    backend: Arc<Backend>,
    handle: usize,
    fault: Option<Fault>,
}

impl ModelStore {
    /// `count` handles on one new model.
    pub(crate) fn handles(limits: Limits, count: usize, fault: Option<Fault>) -> Vec<Arc<dyn SessionStore>> {
        let backend = Arc::new(Backend { origin: Instant::now(), limits, sessions: Mutex::default() });
        (0..count).map(|handle| Arc::new(Self { backend: backend.clone(), handle, fault }) as _).collect()
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000).after(self.backend.origin.elapsed())
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.backend.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The live session of this key and what the key may do with it.
    fn find(&self, sessions: &Sessions, key: &SessionKey, now: Timestamp) -> Option<(SessionId, Right)> {
        let id = self.locate(sessions, key)?;
        let kept = sessions.kept.get(&id).filter(|kept| kept.expired(now).is_none())?;
        let right = kept.record.right(key.access(), now).or_else(|| self.undue_right(sessions, key, kept, now))?;
        Some((id, right))
    }

    fn locate(&self, sessions: &Sessions, key: &SessionKey) -> Option<SessionId> {
        if self.has(Fault::FindsByLocatorAlone) && key.access() != Access::Owner {
            return sessions.kept.keys().find(|id| id.locator == key.locator()).copied();
        }
        sessions.kept.contains_key(key.id()).then_some(*key.id())
    }

    /// The right of a key that should have none: that of the session's first grant.
    fn undue_right(&self, sessions: &Sessions, key: &SessionKey, kept: &Kept, now: Timestamp) -> Option<Right> {
        let undue = match key.access() {
            Access::Owner => self.has(Fault::LocatorsServeTheAnonymous),
            Access::Secret(_) => self.has(Fault::RevokedNamesStillRead) && sessions.is_revoked(key),
        };
        let first = kept.record.grants.iter().next().filter(|_| undue)?;
        kept.record.right(Access::Secret(first.secret), now)
    }

    /// Makes room for one more session of `owner`, or refuses it.
    fn admit(&self, sessions: &mut Sessions, owner: Owner, now: Timestamp) -> Result<Vec<Gone>, StoreError> {
        let limits = &self.backend.limits;
        let mut gone = Vec::new();
        let keeps_place = |id: &SessionId| self.has(Fault::ExpiredSessionsKeepTheirPlace) && id.owner == owner;
        let live = sessions.kept.values().filter(|kept| kept.expired(now).is_none()).count() as u64;
        let unlimited = self.has(Fault::NoLimitInAllForPrincipals) && owner != Owner::Anonymous;
        if live >= limits.sessions && !unlimited {
            return Err(Quota::Sessions { max: limits.sessions }.into());
        }
        let Owner::Principal(principal) = owner else { return Ok(gone) };
        let spent = sessions.spent.get(&principal).copied();
        let admitted = limits.creation_rate.map(|rate| rate.admit(spent, now)).transpose();
        if let (Err(_), Some(rate)) = (&admitted, limits.creation_rate)
            && self.has(Fault::RefusedCreationsCost)
        {
            sessions.spent.insert(principal, spent.unwrap_or(now).after(rate.per));
        }
        let admitted = admitted?;
        let mine = sessions.kept.iter().filter(|(id, _)| id.owner == owner);
        let mine: Vec<_> = mine.filter(|(id, kept)| keeps_place(id) || kept.expired(now).is_none()).collect();
        if mine.len() as u64 >= limits.sessions_per_principal {
            let first = mine.into_iter().min_by_key(|(_, kept)| {
                if self.has(Fault::EvictsTheOldest) {
                    (Timestamp::from_millis(0), kept.order)
                } else {
                    (kept.last_used, kept.order)
                }
            });
            let (&id, _) = first
                .filter(|(_, kept)| now.since(kept.last_used) >= limits.evict_after)
                .ok_or(Quota::SessionsPerPrincipal { max: limits.sessions_per_principal })?;
            sessions.kept.remove(&id);
            gone.push(Gone::new(id.locator, None));
        }
        if let Some(admitted) = admitted {
            sessions.spent.insert(principal, admitted);
        }
        Ok(gone)
    }

    fn created_record(&self, new: &NewSession, now: Timestamp) -> Result<Record, StoreError> {
        let mut record = Record::create(new, now, &self.backend.limits)?;
        if self.has(Fault::RoundsLifetimesToSeconds) {
            let seconds = |duration: Duration| Duration::from_secs(duration.as_secs().max(1));
            record.idle_timeout = seconds(new.lifetimes().idle());
            record.ends_at = now.after(seconds(new.lifetimes().absolute()));
        }
        if self.has(Fault::ForgetsWhenTheDirectoryWasSet) {
            record.set_at = None;
        }
        Ok(record)
    }

    /// Applies a change at once, as a sound store does.
    fn apply(&self, key: &SessionKey, change: &Change, limits: &Limits) -> Result<Updated, StoreError> {
        let now = self.now();
        let sessions = &mut *self.sessions();
        let Some((id, _)) = self.find(sessions, key, now) else { return Err(self.absent(sessions, key, change)) };
        if sessions.is_revoked(key) {
            return Err(StoreError::NotFound);
        }
        let kept = sessions.kept.get_mut(&id).expect("it was found above");
        let before = kept.record.clone();
        if self.has(Fault::CountsWhatIsWrittenOver) && before.bytes() + written(change) > limits.session_bytes {
            return Err(Quota::SessionBytes { max: limits.session_bytes }.into());
        }
        // Another right stands in where the fault let in a key that has none.
        let access = if before.right(key.access(), now).is_some() {
            key.access()
        } else {
            Access::Secret(before.grants.iter().next().ok_or(StoreError::NotFound)?.secret)
        };
        if self.has(Fault::NamesALimitFirst) {
            let unconditional = Change { expected: None, ..change.clone() };
            Record::apply(&mut before.clone(), access, &unconditional, now, limits)?;
        }
        if let Err(error) = Record::apply(&mut kept.record, access, change, now, limits) {
            if self.has(Fault::AppliesPartOfARefusedChange)
                && let (StoreError::Quota(_), Edit::Set(directory)) = (&error, &change.working_directory)
            {
                Arc::make_mut(&mut kept.record).working_directory = Some(directory.clone());
            }
            return Err(error);
        }
        if self.has(Fault::EmptyChangesCountNothing) && *change == Change::new() {
            Arc::make_mut(&mut kept.record).version = before.version;
        }
        if self.has(Fault::TrimsTexts) {
            let record = Arc::make_mut(&mut kept.record);
            record.working_directory = record.working_directory.as_ref().map(trimmed);
        }
        if self.has(Fault::GrantsOutliveTheirGivers) {
            let unbounded = |given: &Option<NewGrant>| given.as_ref().is_some_and(|given| given.lifetime.is_none());
            let chosen = |grant: &Grant| change.grants.get(&grant.secret).is_some_and(unbounded);
            prolong_grants(Arc::make_mut(&mut kept.record), chosen);
        }
        if !self.has(Fault::UpdateDoesNotSlide) {
            kept.last_used = now;
        }
        let updated = Updated::new(kept.record.version, now, kept.record.expires_at(kept.last_used));
        sessions.revoked.extend(change.grants.iter().filter(|(_, grant)| grant.is_none()).map(|(secret, _)| *secret));
        Ok(updated)
    }

    fn absent(&self, sessions: &Sessions, key: &SessionKey, change: &Change) -> StoreError {
        let unheld = !sessions.kept.contains_key(key.id());
        if self.has(Fault::AnswersConflictForTheAbsent) && unheld && change.expected == Some(Version::FIRST) {
            return StoreError::Conflict;
        }
        StoreError::NotFound
    }

    /// The record as it is now, for faults that act on what they saw before they waited.
    fn seen(&self, key: &SessionKey) -> Option<Kept> {
        let sessions = self.sessions();
        let (id, _) = self.find(&sessions, key, self.now())?;
        sessions.kept.get(&id).cloned()
    }

    fn summary(&self, kept: &Kept) -> Summary {
        let mut summary = Summary::new(&kept.record, kept.last_used);
        if self.has(Fault::SummariesForgetTheProject) {
            summary.project_id = None;
        }
        summary
    }

    fn mine(&self, owner: &Owner) -> Result<Vec<(Locator, Kept)>, StoreError> {
        owner.as_principal().ok_or(StoreError::OwnerRequired)?;
        let sessions = self.sessions();
        let mine = sessions.kept.iter().filter(|(id, _)| id.owner == *owner);
        Ok(mine.map(|(id, kept)| (id.locator, kept.clone())).collect())
    }
}

#[async_trait]
impl SessionStore for ModelStore {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        let now = self.now();
        let mut record = self.created_record(&new, now)?;
        let sessions = &mut *self.sessions();
        let id = *new.id();
        if let Some(before) = sessions.kept.get(&id).filter(|_| self.has(Fault::InheritsFromTheExpired)) {
            let inherited = before.record.state.iter().chain(record.state.iter());
            record.state = inherited.map(|(name, value)| (name.clone(), value.clone())).collect();
        }
        let record = Arc::new(record);
        if let Some(kept) = sessions.kept.get(&id).filter(|kept| kept.expired(now).is_none()) {
            let other_secret = kept.record.grants.get(new.secret()).is_none();
            if !(self.has(Fault::OverwritesUnderAnotherSecret) && other_secret) {
                return Err(StoreError::AlreadyExists);
            }
        }
        let gone = self.admit(sessions, id.owner, now)?;
        sessions.created += 1;
        let kept = Kept { record: record.clone(), last_used: now, order: sessions.created };
        sessions.kept.insert(id, kept);
        let right = record.right(Access::Secret(new.secret()), now).ok_or(StoreError::NotFound)?;
        Ok(Created::new(Session::new(record, right, now, now), gone))
    }

    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        let now = self.now();
        let sessions = &mut *self.sessions();
        let Some((id, right)) = self.find(sessions, key, now) else {
            if self.has(Fault::GuessesProlong)
                && !sessions.is_revoked(key)
                && let Some(kept) = sessions.kept.get_mut(key.id()).filter(|kept| kept.expired(now).is_none())
            {
                kept.last_used = now;
            }
            return Ok(None);
        };
        let kept = sessions.kept.get_mut(&id).expect("it was found above");
        let may_prolong = right.mode() == Mode::ReadWrite || self.has(Fault::ReadersProlong);
        let for_itself = self.has(Fault::SecondHandleTouchesForItself) && self.handle == 1;
        if load == Load::Touch && may_prolong && !for_itself {
            kept.last_used = now;
            if self.has(Fault::TouchProlongsTheAbsoluteLifetime) {
                let record = Arc::make_mut(&mut kept.record);
                let before = record.ends_at;
                record.ends_at = before.max(now.after(record.idle_timeout * 2));
                prolong_grants(record, |grant| grant.ends_at == before);
            }
        }
        let session = Session::new(kept.record.clone(), right, kept.last_used, now);
        if load == Load::Peek && self.has(Fault::PeekSlides) {
            kept.last_used = now;
        }
        Ok(Some(session))
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        let limits = &self.backend.limits;
        let Some(fault) = self.fault else { return self.apply(key, &change, limits) };
        match fault {
            Fault::ResurrectsInARace => {
                let Some(seen) = self.seen(key) else { return Err(StoreError::NotFound) };
                yield_now().await;
                self.sessions().kept.entry(*key.id()).or_insert(seen);
                self.apply(key, &change, limits)
            }
            Fault::LastWriterOfTextsWins => {
                let seen = self.seen(key);
                yield_now().await;
                let updated = self.apply(key, &change, limits)?;
                if let (Some(seen), Some(kept)) = (seen, self.sessions().kept.get_mut(key.id())) {
                    put_back_texts(Arc::make_mut(&mut kept.record), &seen.record, &change);
                }
                Ok(updated)
            }
            Fault::AcceptsAVersionToCome => {
                let current = self.seen(key).map(|seen| seen.record.version);
                let mut change = change;
                if change.expected > current {
                    change.expected = None;
                }
                self.apply(key, &change, limits)
            }
            Fault::ComparesBeforeItWaits if change.expected.is_some() => {
                if let Some(mut seen) = self.seen(key) {
                    Record::apply(&mut seen.record, key.access(), &change, self.now(), limits)?;
                }
                yield_now().await;
                let mut change = change;
                change.expected = None;
                self.apply(key, &change, limits)
            }
            Fault::ChecksLimitsBeforeItWaits => {
                if let Some(mut seen) = self.seen(key) {
                    Record::apply(&mut seen.record, key.access(), &change, self.now(), limits)?;
                }
                yield_now().await;
                let none = Limits { state_names: usize::MAX, session_bytes: usize::MAX, ..limits.clone() };
                self.apply(key, &change, &none)
            }
            Fault::WritesInTwoSteps => {
                if let Some(mut seen) = self.seen(key) {
                    Record::apply(&mut seen.record, key.access(), &change, self.now(), limits)?;
                }
                let project = change.project_id.clone();
                let mut first = change;
                first.project_id = Edit::Keep;
                let updated = self.apply(key, &first, limits)?;
                yield_now().await;
                if let Some(kept) = self.sessions().kept.get_mut(key.id()) {
                    let record = Arc::make_mut(&mut kept.record);
                    match project {
                        Edit::Keep => {}
                        Edit::Set(project) => record.project_id = Some(project),
                        Edit::Remove => record.project_id = None,
                    }
                }
                Ok(updated)
            }
            _ => self.apply(key, &change, limits),
        }
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let now = self.now();
        let sessions = &mut *self.sessions();
        match self.find(sessions, key, now) {
            None => Ok(false),
            Some(_) if sessions.is_revoked(key) => Ok(false),
            Some((_, right)) if right.mode() == Mode::ReadOnly => Err(StoreError::ReadOnly),
            Some((id, _)) => Ok(sessions.kept.remove(&id).is_some()),
        }
    }

    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
        if *owner == Owner::Anonymous && self.has(Fault::AnonymousListIsEmpty) {
            return Ok(Listing::default());
        }
        let now = self.now();
        let mut mine = self.mine(owner)?;
        mine.retain(|(_, kept)| kept.expired(now).is_none());
        let as_listed = |(_, kept): &(Locator, Kept)| self.summary(kept);
        if self.has(Fault::PagesByOffset) {
            mine.sort_by_key(|(_, kept)| std::cmp::Reverse(kept.order));
            let skipped: usize = match &page.after {
                Some(cursor) => cursor.as_str().parse().map_err(|_| StoreError::InvalidCursor)?,
                None => 0,
            };
            let sessions: Vec<_> = mine.iter().skip(skipped).take(page.capacity()).map(as_listed).collect();
            let reached = skipped + sessions.len();
            let next = (reached < mine.len()).then(|| reached.to_string().parse()).transpose()?;
            return Ok(Listing::new(sessions, next));
        }
        let after: Option<Locator> = match &page.after {
            Some(cursor) => match cursor.as_str().parse() {
                Ok(locator) => Some(locator),
                Err(_) if self.has(Fault::AcceptsAnyCursor) => None,
                Err(_) => return Err(StoreError::InvalidCursor),
            },
            None => None,
        };
        mine.retain(|(locator, _)| Some(*locator) > after);
        let size = if self.has(Fault::PagesAsLargeAsAsked) { page.size.get() as usize } else { page.capacity() };
        let sessions: Vec<_> = mine.iter().take(size).map(as_listed).collect();
        let next = (sessions.len() < mine.len()).then(|| sessions.last().map(|last| Cursor::from(last.locator)));
        Ok(Listing::new(sessions, next.flatten()))
    }

    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        let now = self.now();
        let mine = self.mine(owner)?;
        self.sessions().kept.retain(|id, _| id.owner != *owner);
        let counts = |kept: &Kept| kept.expired(now).is_none() || self.has(Fault::EndAllCountsTheExpired);
        Ok(mine.iter().filter(|(_, kept)| counts(kept)).count() as u64)
    }

    async fn count(&self, _: Duration) -> Result<u64, StoreError> {
        let now = self.now();
        let sessions = &mut *self.sessions();
        let live = sessions.kept.values().filter(|kept| kept.expired(now).is_none()).count() as u64;
        let counted = *sessions.counted.get_or_insert(live);
        Ok(if self.has(Fault::CountsOnce) { counted } else { live })
    }

    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        let now = self.now();
        let sessions = self.sessions();
        if self.has(Fault::TellsStrangersWhy) {
            let any = sessions.kept.iter().find(|(id, _)| id.locator == key.locator());
            return Ok(any.and_then(|(_, kept)| kept.expired(now)));
        }
        let mine = key.owner().as_principal().and_then(|_| sessions.kept.get(key.id()));
        Ok(mine.and_then(|kept| kept.expired(now)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        if self.has(Fault::PingFails) {
            let source: BoxError = "told to".into();
            return Err(StoreError::Unavailable { store: "model", maybe_applied: false, source: Some(source) });
        }
        Ok(())
    }

    fn is_local(&self) -> bool {
        true
    }
}

/// How many bytes of state a change writes.
fn written(change: &Change) -> usize {
    change.state.values().flatten().map(session_core::StateValue::len).sum()
}

fn trimmed(text: &Text) -> Text {
    Text::new(text.as_str().trim()).unwrap_or_else(|_| text.clone())
}

/// Lets the chosen grants end with their session.
fn prolong_grants(record: &mut Record, chosen: impl Fn(&Grant) -> bool) {
    let ends_at = record.ends_at;
    let prolong = |grant: Grant| if chosen(&grant) { Grant { ends_at, ..grant } } else { grant };
    record.grants = record.grants.iter().cloned().map(prolong).collect();
}

/// Puts back the texts that a change did not mean, as a store does that writes whole records.
fn put_back_texts(record: &mut Record, seen: &Record, change: &Change) {
    let put_back = |field: &mut Option<Text>, seen: &Option<Text>, edit: &Edit<Text>| {
        if *edit == Edit::Keep {
            field.clone_from(seen);
        }
    };
    put_back(&mut record.working_directory, &seen.working_directory, &change.working_directory);
    put_back(&mut record.config_path, &seen.config_path, &change.config_path);
    put_back(&mut record.project_id, &seen.project_id, &change.project_id);
}
