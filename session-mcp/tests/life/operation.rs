//! What callers do.

use std::time::Duration;

use proptest::option::weighted;
use proptest::prop_oneof;
use proptest::sample::{Index, select};
use proptest::strategy::{Just, Strategy};
use session_core::Owner;

/// Who calls. Two clients of one principal are one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    Anybody,
    Alice,
    Bob,
}

impl Who {
    pub(crate) const ALL: [Self; 3] = [Self::Anybody, Self::Alice, Self::Bob];
    pub(crate) const ISSUER: &str = "https://issuer.example";

    /// What the application calls them, if it knows them.
    pub(crate) fn subject(self) -> Option<&'static str> {
        match self {
            Self::Anybody => None,
            Self::Alice => Some("alice"),
            Self::Bob => Some("bob"),
        }
    }

    pub(crate) fn owner(self) -> Owner {
        self.subject().map_or(Owner::Anonymous, |subject| Owner::principal(Self::ISSUER, subject))
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Operation {
    /// Opens a session on 2026-07-28.
    Open { who: Who, directory: Option<usize> },
    /// Opens one by shaking hands on 2025-11-25.
    Connect { who: Who },
    /// Does something with a session, by one of its names.
    Use { by: By, what: What },
    /// Ends a session over HTTP, by one of its names.
    Delete(By),
    /// Lists the caller's own sessions.
    List { who: Who },
    /// Takes up a session by its locator.
    Resume { session: Index, other: Option<Who> },
    /// Ends all of the caller's own sessions.
    EndAll { who: Who },
    /// Lets time pass.
    Wait(Duration),
}

/// By which name of those ever given, and by whom it is used: by whose session it is, unless by another.
#[derive(Clone, Debug)]
pub(crate) struct By {
    pub(crate) name: Index,
    pub(crate) other: Option<Who>,
    /// Whether an `Mcp-Session-Id` is passed as a handle, or a handle as an `Mcp-Session-Id`.
    pub(crate) swapped: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Promote(Option<usize>),
    Place(usize),
    Where,
    Info,
    Set { name: usize, bytes: usize },
    Get { name: usize },
    Remove { name: usize },
    End,
}

/// Directories that exist everywhere, by their canonical paths.
pub(crate) const DIRECTORIES: [&str; 3] = ["/", "/usr", "/usr/share"];

pub(crate) const NAMES: [&str; 5] = ["a", "b", "cart/items", "d", "e.1:x"];

/// How long values are: around the limit of one, and such that several are around the limit of a session.
const BYTES: [usize; 5] = [2, 8, 15, 16, 17];

pub(crate) fn operation() -> impl Strategy<Value = Operation> {
    let directory = || weighted(0.4, 0..DIRECTORIES.len());
    prop_oneof![
        5 => (who(), directory()).prop_map(|(who, directory)| Operation::Open { who, directory }),
        3 => who().prop_map(|who| Operation::Connect { who }),
        26 => (by(), what()).prop_map(|(by, what)| Operation::Use { by, what }),
        2 => by().prop_map(Operation::Delete),
        2 => who().prop_map(|who| Operation::List { who }),
        3 => (index(), weighted(0.3, who())).prop_map(|(session, other)| Operation::Resume { session, other }),
        1 => who().prop_map(|who| Operation::EndAll { who }),
        6 => time().prop_map(Operation::Wait),
    ]
}

fn who() -> impl Strategy<Value = Who> {
    select(&Who::ALL[..])
}

fn index() -> impl Strategy<Value = Index> {
    proptest::arbitrary::any::<Index>()
}

fn by() -> impl Strategy<Value = By> {
    (index(), weighted(0.2, who()), proptest::bool::weighted(0.1)).prop_map(|(name, other, swapped)| By {
        name,
        other,
        swapped,
    })
}

fn what() -> impl Strategy<Value = What> {
    let name = || 0..NAMES.len();
    prop_oneof![
        3 => weighted(0.3, 0..DIRECTORIES.len()).prop_map(What::Promote),
        2 => (0..DIRECTORIES.len()).prop_map(What::Place),
        1 => Just(What::Where),
        2 => Just(What::Info),
        7 => (name(), select(&BYTES[..])).prop_map(|(name, bytes)| What::Set { name, bytes }),
        4 => name().prop_map(|name| What::Get { name }),
        2 => name().prop_map(|name| What::Remove { name }),
        1 => Just(What::End),
    ]
}

/// Around each time that something ends after, and short ones in between.
fn time() -> impl Strategy<Value = Duration> {
    let around = |millis: u64| millis - 2..millis + 3;
    let millis = prop_oneof![
        3 => 1..12_000_u64,
        2 => 30_000..31_000_u64,
        1 => 100_000..400_000_u64,
        1 => around(600_000),
        1 => around(1_800_000),
    ];
    millis.prop_map(Duration::from_millis)
}
