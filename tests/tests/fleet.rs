//! Replicas of the `everything` example on one Redis, behind the balancers of `deploy/`, and the clients that people
//! use.

use session_test_servers::{Server, free_port};
use session_tests::{Balancer, Counter, HttpServer, Sdk, everything};

/// Two replicas that share a Redis.
struct Fleet {
    _redis: Server,
    replicas: [HttpServer; 2],
}

impl Fleet {
    async fn start() -> Self {
        let redis = Server::start().await;
        let arguments = ["--store".to_owned(), redis.url()];
        let replicas = [(); 2].map(|()| HttpServer::start_of_with(&everything(), &arguments));
        Self { _redis: redis, replicas }
    }
}

fn counts_in_every_session(url: &str) {
    let mut counters = [Sdk::Mcp1, Sdk::Mcp2, Sdk::Mcp1, Sdk::Mcp2].map(|sdk| Counter::connect(sdk, url));
    for round in 1..=4 {
        for counter in &mut counters {
            assert_eq!(counter.count(), round);
        }
    }
    for counter in counters {
        counter.close();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_count_through_haproxy() {
    let fleet = Fleet::start().await;
    counts_in_every_session(Balancer::haproxy(free_port(), &fleet.replicas.each_ref()).url());
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_count_through_nginx() {
    let fleet = Fleet::start().await;
    counts_in_every_session(Balancer::nginx(free_port(), &fleet.replicas.each_ref()).url());
}
