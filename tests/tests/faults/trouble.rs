//! What happens to Redis in a minute.

use std::time::Duration;

use session_test_servers::{Sentinels, Server};
use tokio::time::sleep;

/// How long a server may stand still before the sentinels take it to be down, in milliseconds. It is longer than a
/// restart takes.
const DOWN_AFTER: u64 = 4_000;
/// How long it stands still without being taken to be down.
const PAUSE: Duration = Duration::from_millis(2_500);
/// How long all is well between one trouble and the next.
const PEACE: Duration = Duration::from_secs(8);

/// A master with two replicas, watched by sentinels. Each has on disk what it acknowledged, and a master acknowledges
/// nothing while no replica listens.
#[derive(Debug)]
pub(crate) struct Redis(Sentinels);

impl Redis {
    pub(crate) async fn start() -> Self {
        let all = Sentinels::builder().replicas(2).down_after(DOWN_AFTER);
        let all = all.config("appendonly", "yes").config("appendfsync", "always");
        Self(all.config("min-replicas-to-write", "1").config("min-replicas-max-lag", "1").start().await)
    }

    pub(crate) fn url(&self) -> String {
        self.0.url()
    }

    /// Pauses, kills and replaces the master, in a minute, in such ways that nothing is lost which was acknowledged.
    pub(crate) async fn trouble(&self) {
        sleep(PEACE).await;
        self.pause().await;
        sleep(PEACE).await;
        self.kill().await;
        sleep(PEACE).await;
        self.fail_over().await;
        sleep(PEACE).await;
        self.stop_until_it_is_replaced().await;
        sleep(PEACE).await;
        self.pause().await;
        self.kill().await;
        sleep(PEACE).await;
    }

    async fn pause(&self) {
        let master = self.0.master().await;
        master.stop();
        sleep(PAUSE).await;
        master.resume();
        self.is_still_the_master(master).await;
    }

    async fn kill(&self) {
        let master = self.0.kill_master().await;
        master.restart().await;
        self.is_still_the_master(master).await;
    }

    /// As an operator does it who wants to lose nothing.
    async fn fail_over(&self) {
        let old = self.0.master().await;
        old.cli(&["CLIENT", "PAUSE", "10000", "WRITE"]).await;
        // What was written before is on its way.
        old.cli(&["WAIT", "2", "1000"]).await;
        self.0.failover().await;
        old.cli(&["CLIENT", "UNPAUSE"]).await;
    }

    /// It stands still for longer than the sentinels wait, and goes on as if nothing had happened.
    async fn stop_until_it_is_replaced(&self) {
        let old = self.0.master().await;
        old.stop();
        self.0.new_master(old).await;
        old.resume();
    }

    /// Another one might lack what this one acknowledged last.
    async fn is_still_the_master(&self, server: &Server) {
        assert_eq!(self.0.master().await.port(), server.port(), "the sentinels took its short absence for its end");
    }
}
