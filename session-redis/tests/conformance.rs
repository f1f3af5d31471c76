//! The contracts' rules, on a real server. `topologies` runs them on servers of other kinds.

mod support;

use support::harness::Redis;

session_core::conformance_tests! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    Redis::standalone().await
}

session_core::journal_conformance_tests! {
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    Redis::standalone().await
}
