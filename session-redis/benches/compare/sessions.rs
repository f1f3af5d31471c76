//! Sessions that every contender is to keep.

use std::time::Duration;

use session_core::{Change, Lifetimes, Locator, NewSession, Owner, SessionKey, SessionName, StateName, StateValue};
use time::OffsetDateTime;
use tower_sessions_core::session::{Id, Record};

pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Of what kind sessions are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) values: usize,
    pub(crate) bytes: usize,
    /// Each of a principal of its own, or else anonymous.
    pub(crate) owned: bool,
}

/// A session as our store is told of it, and as tower-sessions is.
#[derive(Debug)]
pub(crate) struct Planned {
    /// Its place among those that were planned with it.
    pub(crate) number: usize,
    pub(crate) key: SessionKey,
    pub(crate) new: NewSession,
    pub(crate) towers: Record,
    /// Sets the first of its values.
    pub(crate) change: Change,
    /// What that sets it to.
    pub(crate) next_value: String,
}

impl Planned {
    fn new(number: usize, shape: Shape) -> Self {
        let owner = if shape.owned {
            Owner::principal("https://issuer.example", &number.to_string())
        } else {
            Owner::Anonymous
        };
        let name = SessionName::mint_for(Locator::from_bytes((number as u128).to_be_bytes()));
        let (value, next_value) = ("x".repeat(shape.bytes), "y".repeat(shape.bytes));
        let names = (0..shape.values).map(state_name);
        let initial = names.clone().fold(Change::new(), |all, name| all.set(name, StateValue::from(value.as_bytes())));
        let lifetimes = Lifetimes::new(DAY, DAY * 7).expect("valid lifetimes");
        Self {
            number,
            key: SessionKey::by_name(owner, &name),
            new: NewSession::new(owner, &name, lifetimes).with(initial),
            towers: Record {
                id: Id(number as i128),
                data: names.map(|name| (name.as_str().to_owned(), value.clone().into())).collect(),
                expiry_date: OffsetDateTime::now_utc() + DAY,
            },
            change: Change::new().set(state_name(0), StateValue::from(next_value.as_bytes())),
            next_value,
        }
    }

    /// So many sessions of a kind.
    pub(crate) fn some(count: usize, shape: Shape) -> Vec<Self> {
        (0..count).map(|number| Self::new(number, shape)).collect()
    }
}

/// What a session's values are called.
pub(crate) fn state_name(at: usize) -> StateName {
    format!("value-{at}").parse().expect("a valid name")
}
