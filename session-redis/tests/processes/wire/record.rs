//! What a store answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_core::{
    Access, Created, Expired, Gone, Grant, Listing, Locator, Mode, Record, Session, StateName, StateValue, Summary,
    Timestamp, Updated, Version,
};

use super::{WireOwner, WireSecret, read_text, wire_text};
use crate::names::Names;

/// A snapshot, its grants by their counterparts.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireSession {
    locator: [u8; 16],
    owner: WireOwner,
    ends_at: Timestamp,
    idle_timeout: Duration,
    grants: Vec<WireGrant>,
    working_directory: Option<String>,
    set_at: Option<Timestamp>,
    config_path: Option<String>,
    project_id: Option<String>,
    state: BTreeMap<String, Vec<u8>>,
    created_at: Timestamp,
    version: u64,
    last_used: Timestamp,
    loaded_at: Timestamp,
}

impl WireSession {
    pub(crate) fn of(session: &Session) -> Self {
        let state = session.state.iter().map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec()));
        Self {
            locator: *session.locator.as_bytes(),
            owner: WireOwner::of(&session.owner),
            ends_at: session.ends_at,
            idle_timeout: session.idle_timeout,
            grants: session.grants.iter().map(WireGrant::of).collect(),
            working_directory: wire_text(session.working_directory.as_ref()),
            set_at: session.set_at,
            config_path: wire_text(session.config_path.as_ref()),
            project_id: wire_text(session.project_id.as_ref()),
            state: state.collect(),
            created_at: session.created_at,
            version: session.version.get(),
            last_used: session.last_used(),
            loaded_at: session.loaded_at(),
        }
    }

    /// The snapshot as it is for whoever asked by this right.
    pub(crate) fn read(self, access: Access, names: &Names) -> Session {
        let state = self
            .state
            .into_iter()
            .map(|(name, value)| (StateName::from_store(&name).expect("it was a state name"), StateValue::from(value)));
        let record = Record {
            ends_at: self.ends_at,
            idle_timeout: self.idle_timeout,
            grants: self.grants.into_iter().map(|grant| grant.read(names)).collect(),
            locator: Locator::from_bytes(self.locator),
            owner: self.owner.read(),
            working_directory: read_text(self.working_directory),
            set_at: self.set_at,
            config_path: read_text(self.config_path),
            project_id: read_text(self.project_id),
            state: state.collect(),
            created_at: self.created_at,
            version: Version::from_store(self.version),
        };
        let right = record.right(access, self.loaded_at).expect("it was loaded by this right");
        Session::new(Arc::new(record), right, self.last_used, self.loaded_at)
    }
}

#[derive(Serialize, Deserialize)]
struct WireGrant {
    secret: WireSecret,
    read_only: bool,
    ends_at: Timestamp,
    label: Option<String>,
}

impl WireGrant {
    fn of(grant: &Grant) -> Self {
        Self {
            secret: WireSecret::of(grant.secret),
            read_only: grant.mode == Mode::ReadOnly,
            ends_at: grant.ends_at,
            label: wire_text(grant.label.as_ref()),
        }
    }

    fn read(self, names: &Names) -> Grant {
        let mode = if self.read_only { Mode::ReadOnly } else { Mode::ReadWrite };
        let secret = names.here(self.secret.read());
        Grant { secret, mode, ends_at: self.ends_at, label: read_text(self.label) }
    }
}

/// What a creation did.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireCreated {
    session: WireSession,
    gone: Vec<([u8; 16], Option<WireExpired>)>,
}

impl WireCreated {
    pub(crate) fn of(created: &Created) -> Self {
        let gone = created.gone.iter().map(|gone| (*gone.locator.as_bytes(), gone.expired.map(WireExpired::of)));
        Self { session: WireSession::of(&created.session), gone: gone.collect() }
    }

    pub(crate) fn read(self, access: Access, names: &Names) -> Created {
        let gone = self
            .gone
            .into_iter()
            .map(|(locator, expired)| Gone::new(Locator::from_bytes(locator), expired.map(WireExpired::read)));
        Created::new(self.session.read(access, names), gone.collect())
    }
}

/// What an update did.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireUpdated {
    version: u64,
    at: Timestamp,
    expires_at: Timestamp,
}

impl WireUpdated {
    pub(crate) fn of(updated: &Updated) -> Self {
        Self { version: updated.version.get(), at: updated.at, expires_at: updated.expires_at }
    }

    pub(crate) fn read(self) -> Updated {
        Updated::new(Version::from_store(self.version), self.at, self.expires_at)
    }
}

/// By which limit a session ended.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) enum WireExpired {
    Idle,
    Absolute(Timestamp),
}

impl WireExpired {
    pub(crate) fn of(expired: Expired) -> Self {
        match expired {
            Expired::Idle => Self::Idle,
            Expired::Absolute(deadline) => Self::Absolute(deadline),
        }
    }

    pub(crate) fn read(self) -> Expired {
        match self {
            Self::Idle => Expired::Idle,
            Self::Absolute(deadline) => Expired::Absolute(deadline),
        }
    }
}

/// A part of a list.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireListing {
    sessions: Vec<WireSummary>,
    next: Option<String>,
}

impl WireListing {
    pub(crate) fn of(listing: &Listing) -> Self {
        let next = listing.next.as_ref().map(|cursor| cursor.as_str().to_owned());
        Self { sessions: listing.sessions.iter().map(WireSummary::of).collect(), next }
    }

    pub(crate) fn read(self) -> Listing {
        let next = self.next.map(|cursor| cursor.parse().expect("it was a cursor"));
        Listing::new(self.sessions.into_iter().map(WireSummary::read).collect(), next)
    }
}

#[derive(Serialize, Deserialize)]
struct WireSummary {
    locator: [u8; 16],
    working_directory: Option<String>,
    config_path: Option<String>,
    project_id: Option<String>,
    created_at: Timestamp,
    last_used: Timestamp,
    expires_at: Timestamp,
    ends_at: Timestamp,
    version: u64,
}

impl WireSummary {
    fn of(summary: &Summary) -> Self {
        Self {
            locator: *summary.locator.as_bytes(),
            working_directory: wire_text(summary.working_directory.as_ref()),
            config_path: wire_text(summary.config_path.as_ref()),
            project_id: wire_text(summary.project_id.as_ref()),
            created_at: summary.created_at,
            last_used: summary.last_used,
            expires_at: summary.expires_at,
            ends_at: summary.ends_at,
            version: summary.version.get(),
        }
    }

    fn read(self) -> Summary {
        Summary {
            locator: Locator::from_bytes(self.locator),
            working_directory: read_text(self.working_directory),
            config_path: read_text(self.config_path),
            project_id: read_text(self.project_id),
            created_at: self.created_at,
            last_used: self.last_used,
            expires_at: self.expires_at,
            ends_at: self.ends_at,
            version: Version::from_store(self.version),
        }
    }
}
