//! Moving a slot, step by step.

use redis::FromRedisValue;

use super::Cluster;
use crate::patience::eventually;
use crate::server::{OPERATOR, Server};

/// A slot on its way from its master to another one. Between the steps, keys of the slot are on both: the old master
/// answers ASK for those that it does not have.
///
/// A migration that is not finished stays as it is.
#[derive(Debug)]
pub struct Migration<'a> {
    cluster: &'a Cluster,
    slot: String,
    from: &'a Server,
    to: &'a Server,
}

impl<'a> Migration<'a> {
    pub(super) async fn begin(cluster: &'a Cluster, slot: u16, to: &Server) -> Self {
        let from = cluster.master_of(slot).await;
        let to = &cluster.nodes[cluster.index(to)];
        let slot = slot.to_string();
        to.cli(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", cluster.id(from)]).await;
        from.cli(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", cluster.id(to)]).await;
        Self { cluster, slot, from, to }
    }

    /// The master that the slot leaves.
    #[must_use]
    pub fn from(&self) -> &Server {
        self.from
    }

    /// The master that the slot goes to.
    #[must_use]
    pub fn to(&self) -> &Server {
        self.to
    }

    /// Moves that many keys at most, and returns how many there were to move.
    ///
    /// # Panics
    ///
    /// If a master refuses.
    pub async fn move_keys(&self, at_most: usize) -> usize {
        let keys = self.from.cli(&["CLUSTER", "GETKEYSINSLOT", &self.slot, &at_most.to_string()]).await;
        let keys = Vec::<Vec<u8>>::from_redis_value(keys).expect("keys are texts");
        self.move_these(&keys).await;
        keys.len()
    }

    /// Moves keys by their names. Those that are not there any more are left out.
    ///
    /// # Panics
    ///
    /// If a master refuses.
    pub async fn move_these<K: AsRef<[u8]>>(&self, keys: &[K]) {
        if keys.is_empty() {
            return;
        }
        let port = self.to.told().port().to_string();
        let command = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "AUTH2", OPERATOR, OPERATOR, "KEYS"];
        let command = command.iter().map(|part| part.as_bytes()).chain(keys.iter().map(AsRef::as_ref));
        self.from.cli(&command.collect::<Vec<_>>()).await;
    }

    /// Moves the keys that are left, gives the slot to its new master, and waits until all nodes know it.
    ///
    /// # Panics
    ///
    /// If a master refuses, or the nodes do not come to agree.
    pub async fn finish(self) {
        while self.move_keys(100).await > 0 {}
        let id = self.cluster.id(self.to);
        self.to.cli(&["CLUSTER", "SETSLOT", &self.slot, "NODE", id]).await;
        self.from.cli(&["CLUSTER", "SETSLOT", &self.slot, "NODE", id]).await;
        let slot = self.slot.parse().expect("it was a slot");
        eventually("agreement on the new master of a slot", async || {
            let master = self.cluster.shard_of(slot).await?.nodes[0];
            (master.port() == self.to.port()).then_some(())
        })
        .await;
    }
}
