//! The nodes of a cluster do not reach one another.

use std::time::Duration;

use session_core::{SessionStore as _, SessionStoreExt as _};
use session_test_servers::Cluster;
use tokio::time::sleep;

use crate::bystanders::Bystanders;
use crate::history::{History, Plan};
use crate::shards::{masters, open_in, shard, slot, until_served};
use crate::stores::{number, set, several, unavailable};

const STORES: usize = 3;
/// As long as a test can tell on a busy machine.
const A_MOMENT: Duration = Duration::from_millis(500);

/// Cluster partition: a master and its replica are cut off from the others. Nobody can be elected in its place.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that is parted and healed"]
async fn a_shard_in_the_minority_is_unavailable_and_comes_back_as_it_was() {
    let cluster = Cluster::builder().partitionable().config("cluster-require-full-coverage", "no").start().await;
    let stores = several(STORES, &cluster.url()).await;
    let probe = open_in(&stores[0], 0).await;
    let bystanders = Bystanders::beside(0, &stores).await;
    let mut back = Duration::ZERO;
    let history = History::of(&stores, Plan { writers: 30, sessions: 12, place: shard, ..Plan::default() }, async {
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
    let stall = bystanders.slowest().await;
    history.report("cluster parted: the majority", stall, |place| place != 0);
    assert!(stall < A_MOMENT, "the majority works on: {stall:?}");
    assert!(history.errors_but_for(&["unavailable", "unavailable, unknown"]).is_empty(), "{:?}", history.errors());
    assert!(history.errors_where(|place| place == 0).contains_key("unavailable"), "{:?}", history.errors());
    assert!(history.errors_where(|place| place != 0).is_empty(), "the majority works on: {:?}", history.errors());
    cluster.settle().await;
    history.agrees_with_all(&cluster.url(), &masters(&cluster).await).await;
}

/// Cluster partition: a master alone is cut off from its replica and the others. It takes writes until it sees that, as
/// long as the timeout of the nodes; they are lost when its replica is elected. Nobody else loses anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that is parted and healed"]
async fn a_master_that_is_cut_off_is_left_and_loses_what_it_took_meanwhile() {
    let cluster = Cluster::builder().partitionable().config("cluster-require-full-coverage", "no").start().await;
    let stores = several(STORES, &cluster.url()).await;
    let probe = open_in(&stores[0], 0).await;
    let before = open_in(&stores[0], 0).await;
    stores[0].update(&before, set("round", 1)).await.expect("the cluster is well");
    let ended = open_in(&stores[0], 0).await;
    assert!(stores[0].delete(&ended).await.expect("the cluster is well"));
    sleep(Duration::from_millis(300)).await;
    let bystanders = Bystanders::beside(0, &stores).await;
    let mut back = Duration::ZERO;
    let history = History::of(&stores, Plan { writers: 30, sessions: 12, place: shard, lossy: true }, async {
        sleep(Duration::from_millis(500)).await;
        let old = cluster.master_of(slot(&probe)).await;
        cluster.part(&[old]);
        cluster.new_master_of(slot(&probe), old).await;
        back = until_served(&stores[0], &probe).await;
        cluster.heal();
        sleep(Duration::from_secs(2)).await;
    });
    let history = history.await;
    history.report("cluster, master cut off: its slots", back, |place| place == 0);
    let stall = bystanders.slowest().await;
    history.report("cluster, master cut off: the others", stall, |place| place != 0);
    assert!(stall < A_MOMENT, "the others work on: {stall:?}");
    assert!(back < Duration::from_secs(1), "the new master is used after {back:?}");
    let expected = ["unavailable", "unavailable, unknown", "absent", "not found"];
    assert!(history.errors_but_for(&expected).is_empty(), "{:?}", history.errors());
    assert!(history.errors_where(|place| place != 0).is_empty(), "the others work on: {:?}", history.errors());
    cluster.settle().await;
    let lost = history.lost_where(&cluster.url(), &masters(&cluster).await, |place| place != 0).await;
    assert_eq!(lost, 0, "the others lose nothing");
    let session = stores[0].peek(&before).await.expect("the cluster is well").expect("it was opened before");
    assert_eq!(number(&session, "round"), 1, "what was written before is there");
    assert!(stores[0].peek(&ended).await.expect("the cluster is well").is_none(), "what was ended before is not");
}
