//! Masters that share the slots, with their replicas.

mod builder;
mod doors;
mod migration;

use std::net::SocketAddr;

use redis::{FromRedisValue, Value};

use crate::patience::eventually;
use crate::proxy::Proxy;
use crate::server::Server;
pub use builder::ClusterBuilder;
use doors::Doors;
pub use migration::Migration;

/// How many slots there are.
const SLOTS: u16 = 16_384;

/// A cluster whose nodes all know one another and the slots.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<Server>,
    /// The names of the nodes, in their order.
    ids: Vec<String>,
    /// What is in front of the nodes, in their order. Empty unless they can be parted.
    doors: Vec<Doors>,
}

/// The slots from the first to the last one, and the nodes that have them as one node sees it: the master, then its
/// replicas.
struct Shard<'a> {
    slots: (u16, u16),
    nodes: Vec<&'a Server>,
}

impl Cluster {
    /// Starts three masters, each with a replica.
    ///
    /// # Panics
    ///
    /// If they do not become a cluster.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts as the builder says.
    #[must_use]
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// The nodes; at the start, the masters are the first.
    #[must_use]
    pub fn nodes(&self) -> &[Server] {
        &self.nodes
    }

    /// `redis+cluster://`, or `rediss+cluster://`, and the nodes.
    #[must_use]
    pub fn url(&self) -> String {
        let addrs: Vec<_> = self.nodes.iter().map(|node| self.addr(node).to_string()).collect();
        format!("redis{}+cluster://{}{}", self.nodes[0].s(), self.nodes[0].credentials(), addrs.join(","))
    }

    /// Where clients reach a node.
    #[must_use]
    pub fn addr(&self, node: &Server) -> SocketAddr {
        self.doors.get(self.index(node)).map_or(node.told(), |doors| doors.clients().addr())
    }

    /// The slot of a key.
    ///
    /// # Panics
    ///
    /// If the first node does not answer.
    pub async fn slot_of(&self, key: impl AsRef<[u8]>) -> u16 {
        let slot = self.nodes[0].cli(&[b"CLUSTER", b"KEYSLOT", key.as_ref()]).await;
        u16::from_redis_value(slot).expect("a slot is a number")
    }

    /// The master of a slot, as all nodes see it that run and can serve.
    ///
    /// # Panics
    ///
    /// If they do not agree in time.
    pub async fn master_of(&self, slot: u16) -> &Server {
        eventually("agreement on the master of a slot", async || self.shard_of(slot).await).await.nodes[0]
    }

    /// The replicas of the master of a slot.
    ///
    /// # Panics
    ///
    /// As [`master_of`](Self::master_of).
    pub async fn replicas_of(&self, slot: u16) -> Vec<&Server> {
        eventually("agreement on the master of a slot", async || self.shard_of(slot).await).await.nodes.split_off(1)
    }

    /// Waits for another master of a slot than the one that was, and returns it.
    ///
    /// # Panics
    ///
    /// If there is none in time.
    pub async fn new_master_of(&self, slot: u16, old: &Server) -> &Server {
        eventually("new master of a slot", async || {
            let master = self.shard_of(slot).await?.nodes[0];
            (master.port() != old.port()).then_some(master)
        })
        .await
    }

    /// Kills the master of a slot, and returns it.
    ///
    /// # Panics
    ///
    /// As [`master_of`](Self::master_of).
    pub async fn kill_master_of(&self, slot: u16) -> &Server {
        let master = self.master_of(slot).await;
        master.kill();
        master
    }

    /// Lets a replica take the place of the master of a slot while that one runs, and returns it when it has.
    ///
    /// # Panics
    ///
    /// If there is no replica, or it does not take over in time.
    pub async fn failover(&self, slot: u16) -> &Server {
        let old = self.master_of(slot).await;
        let replica = self.replicas_of(slot).await[0];
        eventually("replica that begins a failover", async || replica.try_cli(&["CLUSTER", "FAILOVER"]).await.ok())
            .await;
        self.new_master_of(slot, old).await
    }

    /// Begins to move a slot to another master.
    ///
    /// # Panics
    ///
    /// If one of the two refuses.
    pub async fn migrate(&self, slot: u16, to: &Server) -> Migration<'_> {
        Migration::begin(self, slot, to).await
    }

    /// Cuts all connections between these nodes and the others, silently. Clients still reach all of them.
    ///
    /// # Panics
    ///
    /// If the cluster was built without [`partitionable`](ClusterBuilder::partitionable).
    pub fn part(&self, apart: &[&Server]) {
        assert!(!self.doors.is_empty(), "a cluster built with `partitionable` can be parted");
        let is_apart = |index: usize| apart.iter().any(|node| self.index(node) == index);
        for (index, door) in self.doors.iter().enumerate() {
            let across = (0..self.nodes.len()).filter(|&other| is_apart(other) != is_apart(index));
            across.for_each(|other| door.cut_off(other));
        }
    }

    /// Lets all nodes reach one another again.
    pub fn heal(&self) {
        self.doors.iter().for_each(Doors::heal);
    }

    /// The network between clients and a node.
    ///
    /// # Panics
    ///
    /// If the cluster was built without [`partitionable`](ClusterBuilder::partitionable).
    #[must_use]
    pub fn proxy(&self, node: &Server) -> &Proxy {
        self.doors.get(self.index(node)).expect("a cluster built with `partitionable`").clients()
    }

    /// Waits until all nodes that run can serve, see each other as master and replica alike, and replicas are up to
    /// date.
    ///
    /// # Panics
    ///
    /// If that does not come about.
    pub async fn settle(&self) {
        for slot in [0, SLOTS / 2, SLOTS - 1] {
            self.master_of(slot).await;
        }
        for node in &self.nodes {
            eventually("replica that follows its master", async || {
                let info: Option<String> = node.glance(&["INFO", "replication"]).await;
                let waits = info.is_some_and(|info| info.contains("master_link_status:down"));
                (!waits).then_some(())
            })
            .await;
        }
    }

    /// The shard of a slot if all nodes that can serve agree on it.
    async fn shard_of(&self, slot: u16) -> Option<Shard<'_>> {
        let mut agreed: Option<Shard<'_>> = None;
        for node in &self.nodes {
            if !serves(node).await {
                continue;
            }
            let shards = self.seen_by(node).await?;
            let shard = shards.into_iter().find(|shard| (shard.slots.0..=shard.slots.1).contains(&slot))?;
            match &agreed {
                Some(agreed) if agreed.ports() != shard.ports() => return None,
                _ => agreed = Some(shard),
            }
        }
        agreed
    }

    async fn seen_by(&self, node: &Server) -> Option<Vec<Shard<'_>>> {
        let shards: Vec<Value> = node.glance(&["CLUSTER", "SLOTS"]).await?;
        shards.into_iter().map(|shard| self.shard(shard)).collect()
    }

    /// Reads `first slot, last slot, (host, port, id, …)…`.
    fn shard(&self, shard: Value) -> Option<Shard<'_>> {
        let Value::Array(parts) = shard else { return None };
        let [first, last, nodes @ ..] = parts.as_slice() else { return None };
        let slots = (u16::from_redis_value_ref(first).ok()?, u16::from_redis_value_ref(last).ok()?);
        let node = |node: &Value| {
            let (_, id) = node.as_sequence()?.split_at_checked(2)?;
            self.named(&String::from_redis_value_ref(id.first()?).ok()?)
        };
        Some(Shard { slots, nodes: nodes.iter().map(node).collect::<Option<_>>()? })
    }

    fn named(&self, id: &str) -> Option<&Server> {
        self.ids.iter().position(|each| each == id).map(|index| &self.nodes[index])
    }

    fn id(&self, node: &Server) -> &str {
        &self.ids[self.index(node)]
    }

    fn index(&self, node: &Server) -> usize {
        self.nodes.iter().position(|each| each.port() == node.port()).expect("it is a node of this cluster")
    }
}

impl Shard<'_> {
    /// The master and, in any order, its replicas.
    fn ports(&self) -> (u16, Vec<u16>) {
        let (master, replicas) = self.nodes.split_first().expect("a shard has a master");
        let mut replicas: Vec<_> = replicas.iter().map(|node| node.port()).collect();
        replicas.sort_unstable();
        (master.port(), replicas)
    }
}

async fn serves(node: &Server) -> bool {
    let info: Option<String> = node.glance(&["CLUSTER", "INFO"]).await;
    info.is_some_and(|info| info.contains("cluster_state:ok"))
}
