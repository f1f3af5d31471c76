//! Which master of a cluster a session is at, from the layout that the README states.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use session_core::{Owner, SessionKey, SessionStoreExt as _};
use session_redis::RedisStore;
use session_test_servers::{Cluster, Server};
use sha2::{Digest as _, Sha256};

use crate::stores::{alice, draft, open};

const SLOTS: usize = 16_384;
pub(crate) const MASTERS: usize = 3;

/// The slot of a session: that of its owner, or its own if that is nobody in particular.
pub(crate) fn slot(key: &SessionKey) -> u16 {
    let (kind, domain, bytes) = match key.owner() {
        Owner::Principal(principal) => ("o", "owner", *principal.as_bytes()),
        Owner::Anonymous => ("a", "locator", *key.locator().as_bytes()),
    };
    let hash = Sha256::new().chain_update(domain).chain_update(bytes).finalize();
    let tag = format!("{kind}{}", URL_SAFE_NO_PAD.encode(&hash[..16]));
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16_384
}

/// Which of the three masters has it at the start.
pub(crate) fn shard(key: &SessionKey) -> usize {
    let slot = usize::from(slot(key));
    (1..MASTERS).filter(|master| slot >= master * SLOTS / MASTERS).count()
}

/// The slot in which all that alice has is.
pub(crate) fn alices_slot() -> u16 {
    slot(&draft(alice()).1)
}

/// Opens a session of nobody's in this shard.
pub(crate) async fn open_in(store: &RedisStore, wanted: usize) -> SessionKey {
    loop {
        let key = open(store, Owner::Anonymous).await;
        if shard(&key) == wanted {
            return key;
        }
    }
}

/// The masters of now.
pub(crate) async fn masters(cluster: &Cluster) -> Vec<&Server> {
    let mut masters = Vec::new();
    for shard in 0..MASTERS {
        let slot = u16::try_from(shard * SLOTS / MASTERS + 1).expect("a slot");
        masters.push(cluster.master_of(slot).await);
    }
    masters
}

/// How long it takes from now on until this session can be used.
pub(crate) async fn until_served(store: &RedisStore, key: &SessionKey) -> Duration {
    let begun = Instant::now();
    while !matches!(store.touch(key).await, Ok(Some(_))) {}
    begun.elapsed()
}
