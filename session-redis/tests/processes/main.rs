//! The rules that are about two handles, with each handle in a process of its own.

mod child;
mod names;
mod remote;
#[path = "../support/mod.rs"]
mod support;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::conformance::{
    BoxFuture, Harness, concurrent_writers_of_different_fields_all_survive, racing_compare_and_sets_lose_nothing,
    two_handles_are_one_store, writers_who_reach_a_limit_together_stay_within_it,
};
use session_core::{Limits, SessionStore};
use session_test_servers::{Cluster, Flavor, Sentinels, Server};

use names::Names;
use remote::Remote;
use support::harness::Redis;
use wire::Beginning;

/// Makes stores on some servers, each in a process of its own.
struct Processes(Redis);

#[async_trait]
impl Harness for Processes {
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
        let beginning = Beginning::of(self.0.url(), &self.0.deployment(limits));
        let names = Arc::<Names>::default();
        let mut handles: Vec<Arc<dyn SessionStore>> = Vec::new();
        for _ in 0..count {
            handles.push(Arc::new(Remote::start(&beginning, Arc::clone(&names))));
        }
        handles
    }

    async fn elapse(&self, duration: Duration) {
        self.0.elapse(duration).await;
    }

    fn tick(&self) -> Duration {
        self.0.tick()
    }

    fn clock_error(&self) -> Duration {
        self.0.clock_error()
    }

    fn overshoot(&self) -> u64 {
        self.0.overshoot()
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.0.spawn(task)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_are_one_store() {
    two_handles_are_one_store(&Processes(Redis::standalone().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writers_of_two_processes_all_survive() {
    concurrent_writers_of_different_fields_all_survive(&Processes(Redis::standalone().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_processes_lose_nothing() {
    racing_compare_and_sets_lose_nothing(&Processes(Redis::standalone().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_that_reach_a_limit_together_stay_within_it() {
    writers_who_reach_a_limit_together_stay_within_it(&Processes(Redis::standalone().await)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: sentinels to start"]
async fn all_that_holds_on_a_master_that_sentinels_name() {
    let sentinels = Sentinels::start().await;
    all_hold(&Processes(Redis::at(&sentinels.url(), sentinels))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster to start"]
async fn all_that_holds_on_a_cluster() {
    let cluster = Cluster::start().await;
    all_hold(&Processes(Redis::at(&cluster.url(), cluster))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: servers of other versions"]
async fn all_that_holds_on_the_oldest_redis_and_on_valkey() {
    for flavor in [Some(Flavor::redis_6_2()), Flavor::valkey()].into_iter().flatten() {
        let server = Server::builder().flavor(&flavor).start().await;
        all_hold(&Processes(Redis::at(&server.url(), server))).await;
    }
}

async fn all_hold(processes: &Processes) {
    two_handles_are_one_store(processes).await;
    concurrent_writers_of_different_fields_all_survive(processes).await;
    racing_compare_and_sets_lose_nothing(processes).await;
    writers_who_reach_a_limit_together_stay_within_it(processes).await;
}
