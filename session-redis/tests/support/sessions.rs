//! Sessions of two principals and of nobody.

use session_core::{Change, Lifetimes, Mode, NewGrant, NewSession, Owner, SessionKey, SessionName, SessionStore as _};
use session_redis::{RedisConfig, RedisStore};

pub(crate) const ISSUER: &str = "https://issuer.example";

pub(crate) fn alice() -> Owner {
    Owner::principal(ISSUER, "alice")
}

pub(crate) fn bob() -> Owner {
    Owner::principal(ISSUER, "bob")
}

/// The store at a URL, as it is by default.
pub(crate) async fn store_at(url: &str) -> RedisStore {
    connect(config(url)).await
}

pub(crate) fn config(url: &str) -> RedisConfig {
    url.parse().expect("the tests' URLs are some")
}

pub(crate) async fn connect(config: RedisConfig) -> RedisStore {
    RedisStore::connect(config).await.expect("the server is there")
}

/// A session to be created, with a name of its own.
pub(crate) fn session(owner: Owner) -> (SessionName, SessionKey, NewSession) {
    let name = SessionName::mint();
    let new = NewSession::new(owner, &name, Lifetimes::default());
    (name.clone(), SessionKey::by_name(owner, &name), new)
}

/// Creates a session.
pub(crate) async fn open(store: &RedisStore, owner: Owner) -> (SessionName, SessionKey) {
    let (name, key, new) = session(owner);
    store.create(new).await.expect("there is room");
    (name, key)
}

/// Gives a session one more name.
pub(crate) async fn give(store: &RedisStore, key: &SessionKey, mode: Mode) -> (SessionName, SessionKey) {
    let name = SessionName::mint_for(key.locator());
    store.update(key, Change::new().grant(&name, NewGrant::new(mode))).await.expect("the session is live");
    (name.clone(), SessionKey::by_name(key.owner(), &name))
}
