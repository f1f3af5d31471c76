//! Making a cluster of servers.

use redis::FromRedisValue;

use super::{Cluster, Doors, SLOTS, serves};
use crate::certificates::Certificates;
use crate::flavor::Flavor;
use crate::patience::eventually;
use crate::port::BUS_OFFSET;
use crate::server::{Server, ServerBuilder};

/// What a [`Cluster`] is started with.
#[derive(Clone, Debug)]
pub struct ClusterBuilder {
    server: ServerBuilder,
    flavor: Option<Flavor>,
    masters: usize,
    replicas: usize,
    node_timeout: u64,
    partitionable: bool,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        let server = Server::builder();
        Self { server, flavor: None, masters: 3, replicas: 1, node_timeout: 2_000, partitionable: false }
    }
}

impl ClusterBuilder {
    /// Sets the program; without it, [`Flavor::usual`].
    #[must_use]
    pub fn flavor(mut self, flavor: &Flavor) -> Self {
        self.flavor = Some(flavor.clone());
        self
    }

    /// Adds a line to the configuration of all nodes, such as `cluster-require-full-coverage` with `no`.
    #[must_use]
    pub fn config(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.server = self.server.config(key, value);
        self
    }

    /// Sets the password of all nodes.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.server = self.server.password(password);
        self
    }

    /// Lets clients and nodes speak TLS with the nodes, as [`ServerBuilder::tls`] does. The URL is `rediss+cluster://`.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.server = self.server.tls(certificates).config("tls-replication", "yes").config("tls-cluster", "yes");
        self
    }

    /// Sets the number of masters, three or more; without it, three.
    #[must_use]
    pub fn masters(mut self, masters: usize) -> Self {
        self.masters = masters;
        self
    }

    /// Sets the number of replicas of each master; without it, one.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets after how many milliseconds a node that does not answer is taken to have failed; without it, 2,000.
    #[must_use]
    pub fn node_timeout(mut self, milliseconds: u64) -> Self {
        self.node_timeout = milliseconds;
        self
    }

    /// Lets clients and nodes reach each node only through a proxy, so that [`Cluster::part`] and [`Cluster::proxy`]
    /// work.
    #[must_use]
    pub fn partitionable(mut self) -> Self {
        self.partitionable = true;
        self
    }

    /// Starts the nodes, joins them, and waits until all can serve.
    ///
    /// # Panics
    ///
    /// If they do not become a cluster.
    pub async fn start(self) -> Cluster {
        let flavor = self.flavor.clone().unwrap_or_default();
        let (mut nodes, mut ids, mut doors) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..self.masters * (1 + self.replicas) {
            let node = self.node(index, &flavor).start().await;
            ids.push(String::from_redis_value(node.cli(&["CLUSTER", "MYID"]).await).expect("a name is a text"));
            if self.partitionable {
                doors.push(Doors::before(&node).await);
            }
            nodes.push(node);
        }
        let cluster = Cluster { nodes, ids, doors };
        self.share_slots(&cluster).await;
        introduce(&cluster).await;
        self.replicate(&cluster).await;
        cluster.settle().await;
        cluster
    }

    fn node(&self, index: usize, flavor: &Flavor) -> ServerBuilder {
        let node = self.server.clone().flavor(flavor);
        let node = node.config("cluster-enabled", "yes").config("cluster-announce-ip", "127.0.0.1");
        let node = node.config("cluster-node-timeout", self.node_timeout.to_string());
        // Replicas stay with their master, so that a test knows whose they are.
        let node = node.config("cluster-migration-barrier", "100");
        // A replica is listed once it has heard something, be it a ping, of which there is one in ten seconds
        // otherwise.
        let node = node.config("repl-ping-replica-period", "1");
        if self.partitionable {
            let (key, address) = Doors::source_of(index, flavor);
            return node.config(key, address);
        }
        node
    }

    async fn share_slots(&self, cluster: &Cluster) {
        let bound = |index: usize| index * usize::from(SLOTS) / self.masters;
        for (index, master) in cluster.nodes[..self.masters].iter().enumerate() {
            master.cli(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()]).await;
            let mut command = vec!["CLUSTER".to_owned(), "ADDSLOTS".to_owned()];
            command.extend((bound(index)..bound(index + 1)).map(|slot| slot.to_string()));
            master.cli(&command).await;
        }
    }

    async fn replicate(&self, cluster: &Cluster) {
        for (index, replica) in cluster.nodes[self.masters..].iter().enumerate() {
            let command = ["CLUSTER", "REPLICATE", &cluster.ids[index % self.masters]];
            eventually("replica that knows its master", async || replica.try_cli(&command).await.ok()).await;
        }
        for (index, master) in cluster.nodes[..self.masters].iter().enumerate() {
            let slot = u16::try_from(index * usize::from(SLOTS) / self.masters).expect("a slot");
            eventually("master that all its replicas follow", async || {
                let known = cluster.shard_of(slot).await?.nodes.len() == 1 + self.replicas;
                let info = master.info("replication").await;
                let following = info.iter().filter(|(_, value)| value.contains("state=online")).count();
                (known && following == self.replicas).then_some(())
            })
            .await;
        }
    }
}

/// Lets each node meet each other, and waits until all know all.
async fn introduce(cluster: &Cluster) {
    for (index, node) in cluster.nodes.iter().enumerate() {
        for (other, server) in cluster.nodes.iter().enumerate().skip(index + 1) {
            let doors = cluster.doors.get(other);
            let port = doors.map_or(server.told().port(), |doors| doors.clients().addr().port());
            let bus = doors.map_or(server.told().port() + BUS_OFFSET, |doors| doors.bus().addr().port());
            node.cli(&["CLUSTER", "MEET", "127.0.0.1", &port.to_string(), &bus.to_string()]).await;
        }
    }
    for node in &cluster.nodes {
        eventually("node that knows all the others", async || {
            let nodes = String::from_redis_value(node.cli(&["CLUSTER", "NODES"]).await).expect("a text");
            let known = cluster.ids.iter().all(|id| nodes.contains(id.as_str())) && !nodes.contains("handshake");
            (known && serves(node).await).then_some(())
        })
        .await;
    }
}
