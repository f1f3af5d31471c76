//! What the processes tell each other: a line of JSON for each question and for each answer.

mod asked;
mod record;
mod refusal;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use session_core::{Limits, Owner, PrincipalId, Rate, SecretHash, Text};
use session_redis::RedisConfig;

pub(crate) use asked::{WireChange, WireKey, WireNew, WirePage};
pub(crate) use record::{WireCreated, WireExpired, WireListing, WireSession, WireUpdated};
pub(crate) use refusal::Refusal;

/// What is said first: which store the other process is to be.
#[derive(Serialize, Deserialize)]
pub(crate) struct Beginning {
    url: String,
    key_prefix: String,
    sessions: u64,
    sessions_per_principal: u64,
    evict_after: Duration,
    creation_rate: Option<(u32, Duration)>,
    grants: usize,
    state_names: usize,
    value_bytes: usize,
    session_bytes: usize,
}

impl Beginning {
    pub(crate) fn of(url: &str, config: &RedisConfig) -> Self {
        let limits = &config.limits;
        Self {
            url: url.to_owned(),
            key_prefix: config.key_prefix.to_string(),
            sessions: limits.sessions,
            sessions_per_principal: limits.sessions_per_principal,
            evict_after: limits.evict_after,
            creation_rate: limits.creation_rate.map(|rate| (rate.count, rate.per)),
            grants: limits.grants,
            state_names: limits.state_names,
            value_bytes: limits.value_bytes,
            session_bytes: limits.session_bytes,
        }
    }

    pub(crate) fn read(self) -> RedisConfig {
        let mut config: RedisConfig = self.url.parse().expect("a URL of servers");
        config.key_prefix = self.key_prefix.parse().expect("it was a prefix");
        config.limits = Limits {
            sessions: self.sessions,
            sessions_per_principal: self.sessions_per_principal,
            evict_after: self.evict_after,
            creation_rate: self.creation_rate.map(|(count, per)| Rate { count, per }),
            grants: self.grants,
            state_names: self.state_names,
            value_bytes: self.value_bytes,
            session_bytes: self.session_bytes,
        };
        config
    }
}

/// One operation of a store, and a number that its answer bears too.
#[derive(Serialize, Deserialize)]
pub(crate) struct Asked {
    pub(crate) number: u64,
    pub(crate) question: Question,
}

/// What came of it.
#[derive(Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) number: u64,
    pub(crate) answer: Result<Answer, Refusal>,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Question {
    Create(WireNew),
    Load { key: WireKey, touch: bool },
    Update(WireKey, WireChange),
    Delete(WireKey),
    List(WireOwner, WirePage),
    EndAll(WireOwner),
    Count { max_staleness: Duration },
    WhyAbsent(WireKey),
    Ping,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    Created(WireCreated),
    Loaded(Option<WireSession>),
    Updated(WireUpdated),
    Deleted(bool),
    Listed(WireListing),
    Number(u64),
    WhyAbsent(Option<WireExpired>),
    Pong(()),
}

/// A principal's hash, or nothing for the anonymous owner.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct WireOwner(Option<[u8; 16]>);

impl WireOwner {
    pub(crate) fn of(owner: &Owner) -> Self {
        Self(owner.as_principal().map(|principal| *principal.as_bytes()))
    }

    pub(crate) fn read(self) -> Owner {
        self.0.map_or(Owner::Anonymous, |bytes| Owner::Principal(PrincipalId::from_bytes(bytes)))
    }
}

/// The hash of a secret.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct WireSecret([u8; 16]);

impl WireSecret {
    fn of(secret: SecretHash) -> Self {
        Self(*secret.as_bytes())
    }

    fn read(self) -> SecretHash {
        SecretHash::from_bytes(self.0)
    }
}

fn wire_text(text: Option<&Text>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

fn read_text(text: Option<String>) -> Option<Text> {
    text.map(|text| Text::new(&text).expect("it was a text"))
}
