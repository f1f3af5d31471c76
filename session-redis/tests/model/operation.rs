//! What callers do, with numbers in place of names, so that it is the same on every store and can be read.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::collection::vec;
use proptest::option::{of, weighted};
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::strategy::{Just, Strategy};
use session_core::{
    Change, Edit, Lifetimes, Load, Locator, Mode, NewGrant, NewSession, Owner, SecretHash, SessionId, SessionKey,
    SessionName, StateName, StateValue, Text, Version,
};

/// What short lives are measured in.
pub(crate) const TICK: Duration = Duration::from_millis(100);

/// Of each owner there are so many sessions at most, of each session so many names.
const SESSIONS: u8 = 4;
const NAMES: u8 = 4;

const OWNERS: u8 = 3;
const TEXTS: [&str; 6] = ["/a", "/srv/shop", "名前/🦀", "a:b:c", "\r\n$4\r\nPING\r\n", "null"];
const STATE_NAMES: [&str; 5] = ["a", "b", "c", "cart/items", "d:x"];
const RESERVED: &str = ".reserved";

/// Whether sessions expire while they are tested.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Lives {
    Long,
    Short,
}

/// What callers do.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Create {
        session: Place,
        name: u8,
        lifetimes: Lifetimes,
        initial: Edits,
    },
    Load {
        caller: Caller,
        load: Load,
    },
    Update {
        caller: Caller,
        edits: Edits,
    },
    Delete(Caller),
    /// All pages at once.
    List {
        owner: u8,
        size: u32,
    },
    /// One page more of a list that others may change meanwhile.
    Page {
        owner: u8,
        size: u32,
    },
    EndAll {
        owner: u8,
    },
    Count,
    WhyAbsent(Caller),
}

impl Operation {
    /// Whether it can begin an idle timeout.
    pub(crate) fn is_use(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::Update { .. } | Self::Load { load: Load::Touch, .. })
    }
}

/// A session: its owner's how-manieth it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    owner: u8,
    session: u8,
}

impl Place {
    pub(crate) fn id(self) -> SessionId {
        SessionId { owner: owner_of(self.owner), locator: Locator::from_bytes([self.session; 16]) }
    }

    fn name(self, number: u8) -> SessionName {
        // A secret is written like a locator.
        let secret = Locator::from_bytes([number; 16]);
        format!("ses_{}{secret}", self.id().locator).parse().expect("two parts of a name")
    }

    fn secret(self, number: u8) -> SecretHash {
        self.name(number).secret_hash()
    }
}

/// Somebody who asks for a session, by one of its names or as its owner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Caller {
    place: Place,
    name: Option<u8>,
}

impl Caller {
    pub(crate) fn place(self) -> Place {
        self.place
    }

    pub(crate) fn key(self) -> SessionKey {
        let SessionId { owner, locator } = self.place.id();
        match self.name {
            Some(number) => SessionKey::by_name(owner, &self.place.name(number)),
            None => SessionKey::by_locator(owner, locator),
        }
    }
}

/// A change, to be made to any session.
#[derive(Clone, Debug)]
pub(crate) struct Edits {
    texts: [Edit<&'static str>; 3],
    /// Names by their numbers; the one after the last is the library's own.
    state: Vec<(usize, Option<Vec<u8>>)>,
    grants: Vec<(u8, Option<Given>)>,
    expected: Option<u64>,
    /// Whether it is more than one change may be.
    floods: bool,
}

/// A right that is given.
#[derive(Clone, Copy, Debug)]
struct Given {
    mode: Mode,
    lifetime: Option<Duration>,
    label: Option<&'static str>,
}

impl Edits {
    /// The change, made to this session.
    pub(crate) fn change(&self, place: Place) -> Change {
        let text = |text: &str| Text::new(text).expect("a text");
        let edit = |edit: &Edit<&str>| match edit {
            Edit::Keep => Edit::Keep,
            Edit::Set(set) => Edit::Set(text(set)),
            Edit::Remove => Edit::Remove,
        };
        let [working_directory, config_path, project_id] = &self.texts;
        let mut change = Change {
            working_directory: edit(working_directory),
            config_path: edit(config_path),
            project_id: edit(project_id),
            expected: self.expected.map(Version::from_store),
            ..Change::new()
        };
        for (number, value) in &self.state {
            let name = STATE_NAMES.get(*number).map(|name| name.parse().expect("a state name"));
            let name = name.unwrap_or_else(|| StateName::reserved(RESERVED));
            change.state.insert(name, value.clone().map(StateValue::from));
        }
        for (number, given) in &self.grants {
            let grant =
                given.map(|Given { mode, lifetime, label }| NewGrant { mode, lifetime, label: label.map(text) });
            change.grants.insert(place.secret(*number), grant);
        }
        if self.floods {
            for number in 0..=Change::MAX_EDITS {
                change = change.remove(format!("flood-{number}").parse().expect("a state name"));
            }
        }
        change
    }
}

pub(crate) fn owner_of(number: u8) -> Owner {
    match number {
        0 => Owner::Anonymous,
        number => Owner::principal("https://issuer.example", &format!("subject-{number}")),
    }
}

/// A session to be created.
pub(crate) fn new_session(place: Place, name: u8, lifetimes: Lifetimes, initial: &Edits) -> NewSession {
    NewSession::new(place.id().owner, &place.name(name), lifetimes).with(initial.change(place))
}

pub(crate) fn page_size(size: u32) -> NonZeroU32 {
    NonZeroU32::new(size).expect("more than nothing")
}

/// A few creations, and then operations of all kinds, those on one session more often.
pub(crate) fn operations(lives: Lives, most: usize) -> impl Strategy<Value = Vec<Operation>> {
    let sequence = (vec(creation(lives), 2..10), vec(operation(lives), most / 2..=most));
    sequence.prop_map(|(creations, operations)| [creations, operations].concat())
}

fn creation(lives: Lives) -> impl Strategy<Value = Operation> {
    let initial = prop_oneof![2 => Just(nothing()), 1 => edits(lives)];
    (place(), name(), lifetimes(lives), initial).prop_map(|(session, name, lifetimes, initial)| Operation::Create {
        session,
        name,
        lifetimes,
        initial,
    })
}

pub(crate) fn operation(lives: Lives) -> impl Strategy<Value = Operation> {
    let page = || (0..OWNERS, prop_oneof![1_u32..4, Just(100)]);
    let load = (caller(), select(vec![Load::Touch, Load::Peek]));
    prop_oneof![
        7 => creation(lives),
        8 => load.prop_map(|(caller, load)| Operation::Load { caller, load }),
        14 => (caller(), edits(lives)).prop_map(|(caller, edits)| Operation::Update { caller, edits }),
        2 => caller().prop_map(Operation::Delete),
        1 => page().prop_map(|(owner, size)| Operation::List { owner, size }),
        2 => page().prop_map(|(owner, size)| Operation::Page { owner, size }),
        1 => prop_oneof![3 => Just(0), 1 => 1..OWNERS].prop_map(|owner| Operation::EndAll { owner }),
        1 => Just(Operation::Count),
        1 => caller().prop_map(Operation::WhyAbsent),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    (0..OWNERS, prop_oneof![3 => 0..2_u8, 2 => 0..SESSIONS]).prop_map(|(owner, session)| Place { owner, session })
}

/// Mostly the first one, so that most callers hold one that opens something.
fn name() -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => 0..NAMES]
}

fn caller() -> impl Strategy<Value = Caller> {
    (place(), weighted(0.85, name())).prop_map(|(place, name)| Caller { place, name })
}

fn lifetimes(lives: Lives) -> impl Strategy<Value = Lifetimes> {
    let (idle, absolute): (&[u64], &[u64]) = match lives {
        Lives::Long => (&[3_600_000, 5_400_001], &[1_800_000, 86_400_000]),
        Lives::Short => (&[150, 250, 450], &[250, 550, 5_050]),
    };
    (select(idle), select(absolute)).prop_map(|(idle, absolute)| {
        let millis = Duration::from_millis;
        Lifetimes::new(millis(idle), millis(absolute)).expect("longer than nothing")
    })
}

fn nothing() -> Edits {
    let texts = [Edit::Keep, Edit::Keep, Edit::Keep];
    Edits { texts, state: Vec::new(), grants: Vec::new(), expected: None, floods: false }
}

fn edits(lives: Lives) -> impl Strategy<Value = Edits> {
    let text =
        || prop_oneof![4 => Just(Edit::Keep), 2 => select(&TEXTS[..]).prop_map(Edit::Set), 1 => Just(Edit::Remove)];
    let value = || weighted(0.7, prop_oneof![4 => vec(0_u8.., 0..12), 1 => vec(0_u8.., 12..20)]);
    let state = vec((0..=STATE_NAMES.len(), value()), 0..4);
    let grants = prop_oneof![2 => Just(Vec::new()), 1 => vec((0..NAMES, weighted(0.6, given(lives))), 1..4)];
    let expected = weighted(0.2, 1_u64..5);
    ([text(), text(), text()], state, grants, expected, weighted(0.02, Just(()))).prop_map(
        |(texts, state, grants, expected, floods)| Edits { texts, state, grants, expected, floods: floods.is_some() },
    )
}

fn given(lives: Lives) -> impl Strategy<Value = Given> {
    let lifetimes: &[u64] = match lives {
        Lives::Long => &[600_000, 2_592_000_000],
        Lives::Short => &[150, 350],
    };
    let lifetime = of(select(lifetimes).prop_map(Duration::from_millis));
    (select(vec![Mode::ReadWrite, Mode::ReadOnly]), lifetime, of(select(&TEXTS[..])))
        .prop_map(|(mode, lifetime, label)| Given { mode, lifetime, label })
}
