//! The official conformance suite on the `everything` example, alone and as a fleet: all scenarios of a protocol
//! version, those that the suite does not score included, and nothing but successes.

mod suite;

use session_test_servers::{Server, free_port};
use session_tests::{Balancer, HttpServer, everything};

use crate::suite::{Requirements, passes_the_official_suite};

#[test]
fn one_server_passes_all_of_2025_11_25() {
    let server = HttpServer::start_of(&everything());
    passes_the_official_suite(server.url(), Requirements::V2025_11_25);
}

#[test]
fn one_server_passes_all_of_2026_07_28() {
    let server = HttpServer::start_of(&everything());
    passes_the_official_suite(server.url(), Requirements::V2026_07_28);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_behind_a_balancer_pass_all_of_2025_11_25() {
    behind_a_balancer(Requirements::V2025_11_25).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_behind_a_balancer_pass_all_of_2026_07_28() {
    behind_a_balancer(Requirements::V2026_07_28).await;
}

/// Two servers that share a Redis, each request sent to the next one.
async fn behind_a_balancer(requirements: Requirements) {
    let redis = Server::start().await;
    let arguments = ["--store".to_owned(), redis.url()];
    let replicas = [(); 2].map(|()| HttpServer::start_of_with(&everything(), &arguments));
    let balancer = Balancer::haproxy(free_port(), &replicas.each_ref());
    passes_the_official_suite(balancer.url(), requirements);
}
