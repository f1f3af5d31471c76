//! What a store is asked with.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_core::{
    Access, Change, Edit, Lifetimes, Locator, Mode, NewGrant, NewSession, Page, SessionKey, SessionName, StateName,
    StateValue, Text, Version,
};

use super::{WireOwner, WireSecret, read_text, wire_text};
use crate::names::Names;

/// Which session, by which right.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireKey {
    owner: WireOwner,
    right: WireRight,
}

#[derive(Serialize, Deserialize)]
enum WireRight {
    Name(String),
    Owner { locator: [u8; 16] },
}

impl WireKey {
    pub(crate) fn of(key: &SessionKey, names: &Names) -> Self {
        let right = match key.access() {
            Access::Secret(secret) => WireRight::Name(names.there(key.locator(), secret).expose()),
            Access::Owner => WireRight::Owner { locator: *key.locator().as_bytes() },
        };
        Self { owner: WireOwner::of(&key.owner()), right }
    }

    pub(crate) fn read(self) -> SessionKey {
        let owner = self.owner.read();
        match self.right {
            WireRight::Name(name) => SessionKey::by_name(owner, &read_name(&name)),
            WireRight::Owner { locator } => SessionKey::by_locator(owner, Locator::from_bytes(locator)),
        }
    }
}

/// A session to be created.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireNew {
    owner: WireOwner,
    name: String,
    idle: Duration,
    absolute: Duration,
    initial: WireChange,
}

impl WireNew {
    pub(crate) fn of(new: &NewSession, names: &Names) -> Self {
        let (id, lifetimes) = (new.id(), new.lifetimes());
        Self {
            owner: WireOwner::of(&id.owner),
            name: names.there(id.locator, new.secret()).expose(),
            idle: lifetimes.idle(),
            absolute: lifetimes.absolute(),
            initial: WireChange::of(new.initial(), id.locator, names),
        }
    }

    pub(crate) fn read(self) -> NewSession {
        let lifetimes = Lifetimes::new(self.idle, self.absolute).expect("they were lifetimes");
        NewSession::new(self.owner.read(), &read_name(&self.name), lifetimes).with(self.initial.read())
    }
}

/// A change, its grants by their counterparts.
#[derive(Serialize, Deserialize)]
pub(crate) struct WireChange {
    working_directory: WireEdit,
    config_path: WireEdit,
    project_id: WireEdit,
    state: BTreeMap<String, Option<Vec<u8>>>,
    grants: Vec<(WireSecret, Option<WireNewGrant>)>,
    expected: Option<u64>,
}

impl WireChange {
    pub(crate) fn of(change: &Change, locator: Locator, names: &Names) -> Self {
        let value = |value: &StateValue| value.as_bytes().to_vec();
        let state = change.state.iter().map(|(name, edit)| (name.as_str().to_owned(), edit.as_ref().map(value)));
        let grants = change.grants.iter().map(|(&secret, edit)| {
            let there = names.there(locator, secret).secret_hash();
            (WireSecret::of(there), edit.as_ref().map(WireNewGrant::of))
        });
        Self {
            working_directory: WireEdit::of(&change.working_directory),
            config_path: WireEdit::of(&change.config_path),
            project_id: WireEdit::of(&change.project_id),
            state: state.collect(),
            grants: grants.collect(),
            expected: change.expected.map(Version::get),
        }
    }

    pub(crate) fn read(self) -> Change {
        let name = |name: &str| StateName::from_store(name).expect("it was a state name");
        Change {
            working_directory: self.working_directory.read(),
            config_path: self.config_path.read(),
            project_id: self.project_id.read(),
            state: self.state.into_iter().map(|(key, value)| (name(&key), value.map(StateValue::from))).collect(),
            grants: self.grants.into_iter().map(|(key, grant)| (key.read(), grant.map(WireNewGrant::read))).collect(),
            expected: self.expected.map(Version::from_store),
        }
    }
}

#[derive(Serialize, Deserialize)]
enum WireEdit {
    Keep,
    Set(String),
    Remove,
}

impl WireEdit {
    fn of(edit: &Edit<Text>) -> Self {
        match edit {
            Edit::Keep => Self::Keep,
            Edit::Set(text) => Self::Set(text.as_str().to_owned()),
            Edit::Remove => Self::Remove,
        }
    }

    fn read(self) -> Edit<Text> {
        match self {
            Self::Keep => Edit::Keep,
            Self::Set(text) => Edit::Set(Text::new(&text).expect("it was a text")),
            Self::Remove => Edit::Remove,
        }
    }
}

#[derive(Serialize, Deserialize)]
struct WireNewGrant {
    read_only: bool,
    lifetime: Option<Duration>,
    label: Option<String>,
}

impl WireNewGrant {
    fn of(grant: &NewGrant) -> Self {
        let label = wire_text(grant.label.as_ref());
        Self { read_only: grant.mode == Mode::ReadOnly, lifetime: grant.lifetime, label }
    }

    fn read(self) -> NewGrant {
        let mode = if self.read_only { Mode::ReadOnly } else { Mode::ReadWrite };
        NewGrant { mode, lifetime: self.lifetime, label: read_text(self.label) }
    }
}

/// Which part of a list.
#[derive(Serialize, Deserialize)]
pub(crate) struct WirePage {
    after: Option<String>,
    size: NonZeroU32,
}

impl WirePage {
    pub(crate) fn of(page: &Page) -> Self {
        Self { after: page.after.as_ref().map(|cursor| cursor.as_str().to_owned()), size: page.size }
    }

    pub(crate) fn read(self) -> Page {
        Page { after: self.after.map(|cursor| cursor.parse().expect("it was a cursor")), size: self.size }
    }
}

fn read_name(name: &str) -> SessionName {
    name.parse().expect("it was a name")
}
