//! A master, its replicas, and the sentinels that watch over them.

use crate::certificates::Certificates;
use crate::flavor::Flavor;
use crate::patience::eventually;
use crate::server::{Server, ServerBuilder};

/// The name under which the sentinels know the master.
const NAME: &str = "mymaster";

const SENTINELS: usize = 3;
const QUORUM: usize = 2;

/// A master and its replicas, watched by three sentinels who all know one another.
#[derive(Debug)]
pub struct Sentinels {
    servers: Vec<Server>,
    sentinels: Vec<Server>,
}

impl Sentinels {
    /// Starts a master with one replica.
    ///
    /// # Panics
    ///
    /// If they do not come to know one another.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts as the builder says.
    #[must_use]
    pub fn builder() -> SentinelsBuilder {
        SentinelsBuilder {
            server: Server::builder(),
            sentinel: Server::sentinel(),
            auth: None,
            replicas: 1,
            down_after: 500,
            failover_timeout: 2_000,
        }
    }

    /// The servers with data, masters and replicas.
    #[must_use]
    pub fn servers(&self) -> &[Server] {
        &self.servers
    }

    /// The sentinels.
    #[must_use]
    pub fn sentinels(&self) -> &[Server] {
        &self.sentinels
    }

    /// `redis+sentinel://`, or `rediss+sentinel://`, the sentinels, and the name of the master.
    #[must_use]
    pub fn url(&self) -> String {
        let addrs: Vec<_> = self.sentinels.iter().map(|sentinel| sentinel.told().to_string()).collect();
        let (s, user) = (self.servers[0].s(), self.servers[0].credentials());
        format!("redis{s}+sentinel://{user}{}/{NAME}", addrs.join(","))
    }

    /// The name under which the sentinels know the master.
    #[must_use]
    pub fn name(&self) -> &str {
        NAME
    }

    /// The server that most sentinels name as the master.
    ///
    /// # Panics
    ///
    /// If most of them do not name the same one in time.
    pub async fn master(&self) -> &Server {
        eventually("master named by a majority", async || self.named_master().await).await
    }

    /// The servers that are not the master.
    ///
    /// # Panics
    ///
    /// As [`master`](Self::master).
    pub async fn replicas(&self) -> Vec<&Server> {
        let master = self.master().await.port();
        self.servers.iter().filter(|server| server.port() != master).collect()
    }

    /// Kills the master, and returns it.
    ///
    /// # Panics
    ///
    /// As [`master`](Self::master).
    pub async fn kill_master(&self) -> &Server {
        let master = self.master().await;
        master.kill();
        master
    }

    /// Lets the sentinels make a replica the master while the master runs, and returns it when it is.
    ///
    /// # Panics
    ///
    /// If that does not come about.
    pub async fn failover(&self) -> &Server {
        let old = self.order_failover().await;
        self.new_master(old).await
    }

    /// The same without waiting for the new master. Returns the old one when the sentinels have begun.
    ///
    /// # Panics
    ///
    /// If they do not.
    pub async fn order_failover(&self) -> &Server {
        let old = self.master().await;
        // A sentinel refuses while the last failover is not long enough ago, or a replica not yet known well enough.
        eventually("sentinel that begins a failover", async || {
            self.sentinels[0].try_cli(&["SENTINEL", "FAILOVER", NAME]).await.ok()
        })
        .await;
        old
    }

    /// Waits for another master than the one that was, and returns it when it is.
    ///
    /// # Panics
    ///
    /// If that does not come about.
    pub async fn new_master(&self, old: &Server) -> &Server {
        eventually("new master", async || {
            let master = self.named_master().await?;
            (master.port() != old.port() && is_master(master).await).then_some(master)
        })
        .await
    }

    async fn named_master(&self) -> Option<&Server> {
        let mut ports = Vec::new();
        for sentinel in &self.sentinels {
            let addr: Option<(String, u16)> = sentinel.glance(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await;
            ports.extend(addr.map(|(_, port)| port));
        }
        let votes = |server: &&Server| ports.iter().filter(|&&port| port == server.told().port()).count() >= QUORUM;
        self.servers.iter().find(votes)
    }

    /// Lets the sentinels, from 7.0 on, look and tell each other more often than they do.
    async fn hurry(&self) {
        for sentinel in &self.sentinels {
            if sentinel.flavor().version() >= (7, 0, 0) {
                sentinel.cli(&["SENTINEL", "DEBUG", "INFO-PERIOD", "1000", "PUBLISH-PERIOD", "500"]).await;
            }
        }
    }

    async fn settle(&self) {
        let replicas = self.servers.len() - 1;
        eventually("master that all replicas follow", async || {
            let info = self.servers[0].info("replication").await;
            (info.iter().filter(|(_, value)| value.contains("state=online")).count() == replicas).then_some(())
        })
        .await;
        for sentinel in &self.sentinels {
            let known = format!("status=ok,address={},slaves={replicas},sentinels={SENTINELS}", self.servers[0].told());
            eventually("sentinel that knows all the others", async || {
                let info = sentinel.info("sentinel").await;
                info.iter().any(|(_, value)| value.ends_with(&known)).then_some(())
            })
            .await;
        }
    }
}

/// What [`Sentinels`] are started with.
#[derive(Clone, Debug)]
pub struct SentinelsBuilder {
    server: ServerBuilder,
    sentinel: ServerBuilder,
    auth: Option<String>,
    replicas: usize,
    down_after: u64,
    failover_timeout: u64,
}

impl SentinelsBuilder {
    /// Sets the program; without it, [`Flavor::usual`].
    #[must_use]
    pub fn flavor(mut self, flavor: &Flavor) -> Self {
        self.server = self.server.flavor(flavor);
        self.sentinel = self.sentinel.flavor(flavor);
        self
    }

    /// Adds a line to the configuration of the servers with data, such as `min-replicas-to-write` with `1`.
    #[must_use]
    pub fn config(mut self, key: &str, value: impl AsRef<str>) -> Self {
        self.server = self.server.config(key, value);
        self
    }

    /// Sets the password of the servers with data.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.server = self.server.password(password);
        self.auth = Some(password.to_owned());
        self
    }

    /// Sets the password of the sentinels, for their clients and for each other. The URL does not hold it.
    #[must_use]
    pub fn sentinel_password(mut self, password: &str) -> Self {
        self.sentinel = self.sentinel.password(password);
        self
    }

    /// Lets clients, servers and sentinels speak TLS with each other, as [`ServerBuilder::tls`] does. The URL is
    /// `rediss+sentinel://`.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        let tls = |server: ServerBuilder| server.tls(certificates).config("tls-replication", "yes");
        self.server = tls(self.server);
        self.sentinel = tls(self.sentinel);
        self
    }

    /// Sets the number of replicas; without it, one.
    #[must_use]
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// Sets after how many milliseconds a sentinel takes a server that does not answer to be down; without it, 500.
    #[must_use]
    pub fn down_after(mut self, milliseconds: u64) -> Self {
        self.down_after = milliseconds;
        self
    }

    /// Starts all, and waits until each sentinel knows the servers and the other sentinels.
    ///
    /// # Panics
    ///
    /// If they do not come to know one another.
    pub async fn start(self) -> Sentinels {
        let mut servers = vec![self.server.clone().start().await];
        let port = servers[0].told().port();
        for _ in 0..self.replicas {
            servers.push(self.server.clone().config("replicaof", format!("127.0.0.1 {port}")).start().await);
        }
        let mut sentinels = Vec::new();
        for _ in 0..SENTINELS {
            sentinels.push(self.watching(port).start().await);
        }
        let all = Sentinels { servers, sentinels };
        all.hurry().await;
        all.settle().await;
        all
    }

    /// A sentinel that watches over the master at this port.
    fn watching(&self, port: u16) -> ServerBuilder {
        let Self { down_after, failover_timeout, .. } = self;
        let sentinel = self.sentinel.clone().config("sentinel", format!("monitor {NAME} 127.0.0.1 {port} {QUORUM}"));
        let sentinel = sentinel.config("sentinel", format!("down-after-milliseconds {NAME} {down_after}"));
        let sentinel = sentinel.config("sentinel", format!("failover-timeout {NAME} {failover_timeout}"));
        let sentinel = sentinel.config("sentinel", format!("parallel-syncs {NAME} 1"));
        match &self.auth {
            Some(password) => sentinel.config("sentinel", format!("auth-pass {NAME} {password}")),
            None => sentinel,
        }
    }
}

async fn is_master(server: &Server) -> bool {
    let info: Option<String> = server.glance(&["INFO", "replication"]).await;
    info.is_some_and(|info| info.contains("role:master"))
}
