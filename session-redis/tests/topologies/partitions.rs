//! The nodes of a cluster do not reach one another.

use std::time::Duration;

use session_test_servers::Cluster;
use tokio::time::sleep;

use crate::history::{History, Plan};
use crate::shards::{masters, open_in, shard, slot, until_served};
use crate::stores::{set, several, unavailable};
use session_core::SessionStore as _;

const STORES: usize = 3;

/// Cluster partition: a master and its replica are cut off from the others. Nobody can be elected in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that is parted and healed"]
async fn a_shard_in_the_minority_is_unavailable_and_comes_back_as_it_was() {
    let cluster = Cluster::builder().partitionable().config("cluster-require-full-coverage", "no").start().await;
    let stores = several(STORES, &cluster.url()).await;
    let probe = open_in(&stores[0], 0).await;
    let mut back = Duration::ZERO;
    let history = History::of(&stores, Plan { writers: 30, sessions: 12, place: shard }, async {
        sleep(Duration::from_millis(500)).await;
        let mut minority = cluster.replicas_of(slot(&probe)).await;
        minority.push(cluster.master_of(slot(&probe)).await);
        cluster.part(&minority);
        // Its own nodes see it last: after the timeout of the nodes.
        while unavailable(&stores[0].update(&probe, set("round", 1)).await).is_none() {}
        sleep(Duration::from_secs(2)).await;
        let refused = stores[1].update(&probe, set("round", 2)).await;
        assert_eq!(unavailable(&refused), Some(false), "a node in the minority does nothing: {refused:?}");
        cluster.heal();
        back = until_served(&stores[0], &probe).await;
        sleep(Duration::from_secs(1)).await;
    });
    let history = history.await;
    history.report("cluster parted: the minority", back, |place| place == 0);
    history.report("cluster parted: the majority", back, |place| place != 0);
    assert!(history.errors_but_for(&["unavailable", "unavailable, unknown"]).is_empty(), "{:?}", history.errors());
    assert!(history.errors_where(|place| place == 0).contains_key("unavailable"), "{:?}", history.errors());
    assert!(history.errors_where(|place| place != 0).is_empty(), "the majority works on: {:?}", history.errors());
    cluster.settle().await;
    history.agrees_with_all(&cluster.url(), &masters(&cluster).await).await;
}
