//! Stores, their sessions, and what is in them.

use std::fmt::Display;
use std::time::Duration;

use session_core::{
    Change, Lifetimes, Limits, NewSession, Owner, Session, SessionKey, SessionName, SessionStore as _, StateName,
    StateValue, StoreError,
};
use session_redis::{RedisConfig, RedisStore};

/// A store with the default deadline and limits that nobody meets.
pub(crate) async fn connect(url: &str) -> RedisStore {
    connect_within(RedisConfig::DEFAULT_DEADLINE, url).await
}

/// The same with another deadline.
pub(crate) async fn connect_within(deadline: Duration, url: &str) -> RedisStore {
    RedisStore::connect(config_within(deadline, url)).await.expect("the server is there")
}

/// A store with the default deadline over a connection of its own, whose commands may take so long.
pub(crate) async fn over_a_connection(url: &str, response_timeout: Option<Duration>) -> RedisStore {
    let client = redis::Client::open(url).expect("the server's URL is one");
    let patience = redis::AsyncConnectionConfig::new().set_response_timeout(response_timeout);
    let connection = client.get_multiplexed_async_connection_with_config(&patience).await;
    RedisStore::from_connection(
        connection.expect("the server is there"),
        config_within(RedisConfig::DEFAULT_DEADLINE, url),
    )
}

/// This deadline, and limits that nobody meets.
pub(crate) fn config_within(deadline: Duration, url: &str) -> RedisConfig {
    let limits = Limits {
        sessions_per_principal: 100_000,
        creation_rate: None,
        state_names: 10_000,
        session_bytes: 1 << 20,
        ..Limits::default()
    };
    RedisConfig { deadline, limits, ..url.parse().expect("the server's URL is one") }
}

/// Several stores on one server, as if each were in a process of its own.
pub(crate) async fn several(count: usize, url: &str) -> Vec<RedisStore> {
    several_within(RedisConfig::DEFAULT_DEADLINE, count, url).await
}

/// The same with another deadline.
pub(crate) async fn several_within(deadline: Duration, count: usize, url: &str) -> Vec<RedisStore> {
    let mut stores = Vec::new();
    for _ in 0..count {
        stores.push(connect_within(deadline, url).await);
    }
    stores
}

pub(crate) fn alice() -> Owner {
    Owner::principal("https://issuer.example", "alice")
}

/// Longer than any test, so that nothing expires in one.
pub(crate) fn lasting() -> Lifetimes {
    Lifetimes::new(Duration::from_secs(3_600), Duration::from_secs(86_400)).expect("both are valid")
}

/// A session that is not there yet, and its key.
pub(crate) fn draft(owner: Owner) -> (NewSession, SessionKey) {
    let name = SessionName::mint();
    (NewSession::new(owner, &name, lasting()), SessionKey::by_name(owner, &name))
}

/// Creates a session and returns its key.
pub(crate) async fn open(store: &RedisStore, owner: Owner) -> SessionKey {
    let (new, key) = draft(owner);
    store.create(new).await.expect("the store works");
    key
}

pub(crate) fn name(name: &str) -> StateName {
    name.parse().expect("a state name")
}

/// A change of one value.
pub(crate) fn set(field: &str, value: impl Display) -> Change {
    Change::new().set(name(field), StateValue::from(value.to_string().into_bytes()))
}

/// The number in a session's state, 0 if there is none.
pub(crate) fn number(session: &Session, field: &str) -> u64 {
    let value = session.state.get(&name(field));
    value.map_or(0, |value| {
        std::str::from_utf8(value.as_bytes())
            .ok()
            .and_then(|text| text.parse().ok())
            .expect("it was written as a number")
    })
}

/// Whether the store is away, and whether what was asked may have been done.
pub(crate) fn unavailable<T>(answer: &Result<T, StoreError>) -> Option<bool> {
    match answer {
        Err(StoreError::Unavailable { maybe_applied, .. }) => Some(*maybe_applied),
        _ => None,
    }
}
