//! The contracts' rules, on servers of every kind. On one server of the usual kind, each rule is a test of its own.

use std::sync::Arc;

use session_core::conformance::{BoxFuture, JOURNAL_RULES, RULES};
use session_redis::TlsFiles;
use session_test_servers::{Certificates, Cluster, Flavor, Sentinels, Server};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::support::harness::Redis;

/// How many rules run beside each other.
const BESIDE: usize = 12;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_rule_holds_on_a_cluster() {
    let cluster = Cluster::start().await;
    every_rule_holds_on(Redis::at(&cluster.url(), cluster)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_a_cluster_of_the_oldest_redis() {
    let cluster = Cluster::builder().flavor(&Flavor::redis_6_2()).start().await;
    every_rule_holds_on(Redis::at(&cluster.url(), cluster)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_a_cluster_of_valkey() {
    let Some(valkey) = Flavor::valkey() else { return };
    let cluster = Cluster::builder().flavor(&valkey).start().await;
    every_rule_holds_on(Redis::at(&cluster.url(), cluster)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_a_cluster_over_tls() {
    let certificates = Certificates::new();
    let cluster = Cluster::builder().tls(&certificates).config("tls-auth-clients", "yes").start().await;
    let (url, files) = (cluster.url(), files(&certificates));
    every_rule_holds_on(Redis::at(&url, (cluster, certificates)).with_tls(files)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_a_master_that_sentinels_name() {
    let sentinels = Sentinels::start().await;
    every_rule_holds_on(Redis::at(&sentinels.url(), sentinels)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_a_master_that_sentinels_of_the_oldest_redis_name() {
    let sentinels = Sentinels::builder().flavor(&Flavor::redis_6_2()).start().await;
    every_rule_holds_on(Redis::at(&sentinels.url(), sentinels)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_a_master_that_sentinels_of_valkey_name() {
    let Some(valkey) = Flavor::valkey() else { return };
    let sentinels = Sentinels::builder().flavor(&valkey).start().await;
    every_rule_holds_on(Redis::at(&sentinels.url(), sentinels)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_a_master_that_sentinels_name_over_tls() {
    let certificates = Certificates::new();
    let sentinels = Sentinels::builder().tls(&certificates).start().await;
    let (url, files) = (sentinels.url(), files(&certificates));
    every_rule_holds_on(Redis::at(&url, (sentinels, certificates)).with_tls(files)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_the_oldest_redis() {
    let server = Server::builder().flavor(&Flavor::redis_6_2()).start().await;
    every_rule_holds_on(Redis::at(&server.url(), server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_on_valkey() {
    let Some(valkey) = Flavor::valkey() else { return };
    let server = Server::builder().flavor(&valkey).start().await;
    every_rule_holds_on(Redis::at(&server.url(), server)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: every rule"]
async fn every_rule_holds_over_tls() {
    let certificates = Certificates::new();
    let server = Server::builder().tls(&certificates).config("tls-auth-clients", "yes").start().await;
    let (url, files) = (server.tls_url(), files(&certificates));
    every_rule_holds_on(Redis::at(&url, (server, certificates)).with_tls(files)).await;
}

/// Those of a client that trusts the authority and shows a certificate of its own.
fn files(certificates: &Certificates) -> TlsFiles {
    TlsFiles {
        ca: Some(certificates.authority()),
        certificate: Some(certificates.client()),
        key: Some(certificates.client_key()),
    }
}

/// Runs all rules, some beside each other, and names those that do not hold.
async fn every_rule_holds_on(servers: Redis) {
    let servers = Arc::new(servers);
    let places = Arc::new(Semaphore::new(BESIDE));
    let mut running = JoinSet::new();
    for &rule in RULES {
        let servers = Arc::clone(&servers);
        running.spawn(holds(rule.name, Box::pin(async move { (rule.run)(&*servers).await }), Arc::clone(&places)));
    }
    for &rule in JOURNAL_RULES {
        let servers = Arc::clone(&servers);
        running.spawn(holds(rule.name, Box::pin(async move { (rule.run)(&*servers).await }), Arc::clone(&places)));
    }
    let rules = running.len();
    let broken: Vec<String> = running.join_all().await.into_iter().flatten().collect();
    assert!(broken.is_empty(), "{} of {rules} rules do not hold:\n{}", broken.len(), broken.join("\n"));
}

/// Nothing, or which rule is broken and how.
async fn holds(name: &str, rule: BoxFuture<'static, ()>, places: Arc<Semaphore>) -> Option<String> {
    let _place = places.acquire().await.expect("it is not closed");
    let panic = tokio::spawn(rule).await.err()?.into_panic();
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    Some(format!("{name}: {}", text.unwrap_or("it panicked")))
}
