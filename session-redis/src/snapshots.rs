//! Sessions as this process saw them last.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use session_core::{Record, SessionId};

/// Sessions as this process saw them last, so that the server need not send again what nobody has changed.
///
/// None of it is ever an answer by itself: each load asks the server, and says by which [`Mark`] it knows the session.
#[derive(Debug)]
pub(crate) struct Snapshots {
    /// `None` where nothing is to be kept.
    kept: Option<Cache<SessionId, Snapshot>>,
}

/// A session as it was.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) record: Arc<Record>,
    pub(crate) mark: Arc<Mark>,
}

/// What tells one state of a session from every other: by which creation it began, and which writes it remembers.
///
/// A version alone does not: after a failover that lost a write, another one leads to the same version.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) creation: Vec<u8>,
    pub(crate) writes: Vec<u8>,
}

/// The mark of no session.
pub(crate) static UNMARKED: Mark = Mark { creation: Vec::new(), writes: Vec::new() };

impl Snapshot {
    /// How many bytes it takes, roughly: all that it holds, whether or not it counts against a limit.
    fn weight(&self) -> u32 {
        let record = &self.record;
        let state = record.state.iter().map(|(name, value)| name.as_str().len() + value.len());
        let labels = record.grants.iter().filter_map(|grant| grant.label.as_ref());
        let texts = [&record.working_directory, &record.config_path, &record.project_id].into_iter().flatten();
        let texts = texts.chain(labels).map(|text| text.as_str().len());
        let marks = [&self.mark.creation, &self.mark.writes].map(Vec::len);
        let bytes = OVERHEAD + state.sum::<usize>() + texts.sum::<usize>() + marks.iter().sum::<usize>();
        u32::try_from(bytes).unwrap_or(u32::MAX)
    }
}

impl Snapshots {
    /// Room for about so many bytes; for none at 0.
    pub(crate) fn new(bytes: u64) -> Self {
        let weigh = |_: &SessionId, snapshot: &Snapshot| snapshot.weight();
        let kept = || Cache::builder().max_capacity(bytes).weigher(weigh).time_to_idle(UNUSED).build();
        Self { kept: (bytes > 0).then(kept) }
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<Snapshot> {
        self.kept.as_ref()?.get(id)
    }

    /// Keeps a session as it was just seen, if it bears a mark.
    pub(crate) fn keep(&self, id: &SessionId, record: &Arc<Record>, mark: Mark) {
        if let Some(kept) = &self.kept
            && !mark.creation.is_empty()
        {
            kept.insert(*id, Snapshot { record: Arc::clone(record), mark: Arc::new(mark) });
        }
    }

    /// The session is gone.
    pub(crate) fn forget(&self, id: &SessionId) {
        if let Some(kept) = &self.kept {
            kept.invalidate(id);
        }
    }
}

/// What a session takes in memory besides its texts, roughly.
const OVERHEAD: usize = 1024;

/// How long a session is kept here that nobody loads.
const UNUSED: Duration = Duration::from_secs(10 * 60);

impl fmt::Debug for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mark")
    }
}

#[cfg(test)]
mod tests {
    use session_core::{Change, Lifetimes, Limits, NewSession, Owner, SessionName, StateName, Timestamp};

    use super::*;

    #[test]
    fn what_clients_say_of_themselves_counts_too() {
        const BYTES: u64 = 1024 * 1024;
        let snapshots = Snapshots::new(BYTES);
        let greeting = vec![b'x'; 60 * 1024];
        for _ in 0..200 {
            let name = SessionName::mint();
            let said = Change::new().set(StateName::reserved(".initialize"), greeting.as_slice().into());
            let new = NewSession::new(Owner::Anonymous, &name, Lifetimes::default()).with(said);
            let record =
                Record::create(&new, Timestamp::from_millis(0), &Limits::default()).expect("it is no client's");
            let id = SessionId { owner: Owner::Anonymous, locator: name.locator() };
            snapshots.keep(&id, &Arc::new(record), Mark { creation: b"1".to_vec(), writes: Vec::new() });
        }
        let kept = snapshots.kept.expect("some are kept");
        kept.run_pending_tasks();
        assert!((1..=BYTES / 60_000).contains(&kept.entry_count()), "{}", kept.entry_count());
    }
}
