//! A master, its replicas, and the sentinels.

use std::path::Path;

use session_test_servers::{Sentinels, Server, eventually};

#[tokio::test]
async fn sentinels_replace_a_master_that_is_killed() {
    let all = Sentinels::builder().password("secret").start().await;
    let old = all.kill_master().await;
    let new = all.new_master(old).await;
    assert_ne!(new.port(), old.port());
    assert!(all.url().starts_with("redis+sentinel://:secret@127.0.0.1:") && all.url().ends_with("/mymaster"));
}

#[tokio::test]
async fn a_failover_moves_the_master_and_can_be_repeated() {
    let all = Sentinels::start().await;
    let first = all.master().await;
    let second = all.failover().await;
    assert_eq!(all.master().await.port(), second.port());
    assert_eq!(all.replicas().await[0].port(), first.port());
    assert_eq!(all.failover().await.port(), first.port());
}

#[tokio::test]
async fn a_master_without_replicas_refuses_to_write_if_so_configured() {
    let all = Sentinels::builder().config("min-replicas-to-write", "1").config("min-replicas-max-lag", "1");
    let all = all.start().await;
    let master = all.master().await;
    master.cli(&["SET", "key", "value"]).await;
    all.replicas().await[0].stop();
    eventually("refusal", async || master.try_cli(&["SET", "key", "value"]).await.err()).await;
}

#[tokio::test]
async fn all_of_them_are_gone_when_dropped() {
    let all = Sentinels::start().await;
    let pids: Vec<_> = all.servers().iter().chain(all.sentinels()).map(Server::pid).collect();
    drop(all);
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
}
