//! Masters that share the slots.

use std::path::Path;

use session_test_servers::{Cluster, Server, eventually};

#[tokio::test]
async fn a_killed_master_is_replaced_by_its_replica() {
    let cluster = Cluster::builder().password("secret").node_timeout(1_000).start().await;
    let replicas = cluster.replicas_of(0).await;
    let old = cluster.kill_master_of(0).await;
    assert_eq!(cluster.new_master_of(0, old).await.port(), replicas[0].port());
    old.restart().await;
    cluster.settle().await;
    assert_eq!(cluster.replicas_of(0).await[0].port(), old.port());
    assert!(cluster.url().starts_with("redis+cluster://:secret@127.0.0.1:"));
}

#[tokio::test]
async fn a_stopped_master_is_replaced_and_follows_when_resumed() {
    let cluster = Cluster::builder().node_timeout(1_000).start().await;
    let old = cluster.master_of(0).await;
    old.stop();
    let new = cluster.new_master_of(0, old).await;
    old.resume();
    eventually("refusal of the old master", async || old.try_cli(&["SET", "3", "value"]).await.err()).await;
    cluster.settle().await;
    assert_eq!(cluster.replicas_of(0).await[0].port(), old.port());
    assert_eq!(cluster.master_of(0).await.port(), new.port());
}

#[tokio::test]
async fn a_failover_swaps_master_and_replica() {
    let cluster = Cluster::start().await;
    let (old, others) = (cluster.master_of(0).await, cluster.master_of(16_383).await);
    let new = cluster.failover(0).await;
    assert_eq!(cluster.master_of(0).await.port(), new.port());
    assert_eq!(cluster.replicas_of(0).await[0].port(), old.port());
    assert_eq!(cluster.master_of(16_383).await.port(), others.port());
}

#[tokio::test]
async fn a_slot_moves_step_by_step() {
    let cluster = Cluster::builder().replicas(0).password("secret").start().await;
    let slot = cluster.slot_of("{tag}").await;
    let (from, to) = (cluster.master_of(slot).await, cluster.master_of((slot + 8_192) % 16_384).await);
    for key in 0..10 {
        from.cli(&["SET", &format!("{{tag}}:{key}"), "value"]).await;
    }
    let migration = cluster.migrate(slot, to).await;
    migration.move_these(&["{tag}:7"]).await;
    assert_eq!(migration.move_keys(3).await, 3);
    assert_eq!(refusal(from, "{tag}:7").await, "ASK");
    assert_eq!(refusal(to, "{tag}:7").await, "MOVED");
    migration.finish().await;
    assert_eq!(refusal(from, "{tag}:7").await, "MOVED");
    assert_eq!(cluster.master_of(slot).await.port(), to.port());
    for key in 0..10 {
        to.cli(&["STRLEN", &format!("{{tag}}:{key}")]).await;
    }
}

#[tokio::test]
async fn a_parted_master_is_replaced_and_follows_when_healed() {
    let cluster = Cluster::builder().partitionable().node_timeout(1_000).start().await;
    let old = cluster.master_of(0).await;
    cluster.part(&[old]);
    let new = cluster.new_master_of(0, old).await;
    eventually("refusal of the parted master", async || {
        old.try_cli(&["GET", "key"]).await.err().filter(|error| error.code() == Some("CLUSTERDOWN"))
    })
    .await;
    cluster.heal();
    eventually("old master that follows the new one", async || {
        let replicas = cluster.replicas_of(0).await;
        replicas.iter().any(|replica| replica.port() == old.port()).then_some(())
    })
    .await;
    cluster.settle().await;
    assert_eq!(cluster.master_of(0).await.port(), new.port());
    assert_ne!(cluster.addr(new), new.addr());
}

#[tokio::test]
async fn all_of_them_are_gone_when_dropped() {
    let cluster = Cluster::builder().replicas(0).start().await;
    let pids: Vec<_> = cluster.nodes().iter().map(Server::pid).collect();
    drop(cluster);
    assert!(pids.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
}

async fn refusal(node: &Server, key: &str) -> String {
    let error = node.try_cli(&["GET", key]).await.expect_err("it does not have the key");
    error.code().expect("the server says why").to_owned()
}
