//! Who may come in, and who goes for it.

use std::sync::Arc;

use session_core::{
    Access, Created, Gone, NewSession, Owner, PrincipalId, Quota, Record, Session, SessionId, StoreError, Timestamp,
};

use crate::accounts::Account;
use crate::entry::Entry;
use crate::sessions::Sessions;
use crate::sweeper::{Expiring as _, SLICE};
use crate::table::Place;

impl Sessions {
    pub(crate) fn create(&self, new: &NewSession) -> Result<Created, StoreError> {
        let mut nothing_due = false;
        loop {
            match self.try_create(new) {
                // Where nothing was due, somebody else may have freed the last of it: one more try tells.
                Err(StoreError::Quota(Quota::Sessions { .. })) if !nothing_due => {
                    nothing_due = self.sweep(SLICE) == 0;
                }
                answer => return answer,
            }
        }
    }

    fn try_create(&self, new: &NewSession) -> Result<Created, StoreError> {
        let now = self.clock.now();
        let record = Arc::new(Record::create(new, now, &self.limits)?);
        let leavers = match new.id().owner {
            Owner::Anonymous => {
                if let Some(expired) = self.table.insert(*new.id(), record.clone(), now, None)? {
                    self.report(&expired, now);
                }
                Leavers::default()
            }
            Owner::Principal(principal) => self.accounts.with(principal, now, |account| {
                Admission { sessions: self, account, principal, now }.admit(*new.id(), &record)
            })?,
        };
        let right = record.right(Access::Secret(new.secret()), now).expect("its first name was granted just now");
        Ok(Created::new(Session::new(record, right, now, now), leavers.gone))
    }
}

/// A principal's wish for one more session, while nobody else works on their account.
struct Admission<'a> {
    sessions: &'a Sessions,
    account: &'a mut Account,
    principal: PrincipalId,
    now: Timestamp,
}

/// Sessions that went so that another could come.
#[derive(Default)]
struct Leavers {
    gone: Vec<Gone>,
    /// The place of the first, which the newcomer takes. The others' are free.
    place: Option<Place>,
    /// What is left of them, to be dropped where no lock is held.
    entries: Vec<Entry>,
}

impl Admission<'_> {
    /// Everything that can refuse comes before anybody leaves.
    fn admit(mut self, id: SessionId, record: &Arc<Record>) -> Result<Leavers, StoreError> {
        let limits = &self.sessions.limits;
        if self.sessions.table.read(&id).is_some_and(|entry| entry.look(self.now).is_ok()) {
            return Err(StoreError::AlreadyExists);
        }
        let spent = limits.creation_rate.map(|rate| rate.admit(self.account.spent, self.now)).transpose()?;
        let mut leavers = Leavers::default();
        if self.account.sessions.len() as u64 >= limits.sessions_per_principal {
            self.make_room(&mut leavers)?;
        }
        // An expired one of the same id, if it has not just made room.
        self.dismiss(id, &mut leavers, |_| true);
        let place = leavers.place.take();
        self.sessions.table.insert(id, record.clone(), self.now, place)?;
        self.account.gain(id.locator);
        self.account.spent = spent;
        Ok(leavers)
    }

    /// Dismisses the principal's own expired sessions, or else the one that was idle longest, if it is idle enough.
    fn make_room(&mut self, leavers: &mut Leavers) -> Result<(), Quota> {
        let limits = &self.sessions.limits;
        while leavers.gone.is_empty() {
            let mut expired = Vec::new();
            let mut longest_idle: Option<(Timestamp, SessionId)> = None;
            for locator in self.account.sessions.after(None) {
                let id = SessionId { owner: Owner::Principal(self.principal), locator };
                match self.sessions.table.read(&id).map(|entry| entry.look(self.now)) {
                    Some(Ok(last_used)) => longest_idle = longest_idle.into_iter().chain([(last_used, id)]).min(),
                    Some(Err(_)) => expired.push(id),
                    None => {}
                }
            }
            for id in &expired {
                self.dismiss(*id, leavers, |_| true);
            }
            if !expired.is_empty() {
                break;
            }
            let idle_enough = |&(last_used, _): &_| self.now.since(last_used) >= limits.evict_after;
            let Some((last_used, id)) = longest_idle.filter(idle_enough) else {
                return Err(Quota::SessionsPerPrincipal { max: limits.sessions_per_principal });
            };
            // If it was used meanwhile, another one is idle longest.
            let now = self.now;
            self.dismiss(id, leavers, |entry| entry.look(now) == Ok(last_used));
        }
        Ok(())
    }

    fn dismiss(&mut self, id: SessionId, leavers: &mut Leavers, decide: impl FnOnce(&Entry) -> bool) {
        let table = &self.sessions.table;
        let entry = if leavers.place.is_some() {
            table.remove(&id, decide)
        } else {
            table.take(&id, decide).map(|(entry, place)| {
                leavers.place = Some(place);
                entry
            })
        };
        if let Some(entry) = entry {
            leavers.gone.push(self.account.lose(&entry, self.now));
            leavers.entries.push(entry);
        }
    }
}
