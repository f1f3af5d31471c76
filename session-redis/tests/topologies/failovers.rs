//! A replica takes the place of its master.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use session_redis::RedisConfig;
use session_test_servers::{Cluster, Sentinels, SentinelsBuilder, Server};
use tokio::time::{sleep, timeout};

use crate::bystanders::Bystanders;
use crate::history::{History, Plan};
use crate::shards::{alices_slot, masters, open_in, shard, slot, until_served};
use crate::stores::{alice, draft, open, several};

const STORES: usize = 3;
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// As long as a test can tell on a busy machine.
const A_MOMENT: Duration = Duration::from_secs(1);

/// Sentinel, master killed. What is lost is what it had answered and not yet handed to its replicas.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: sentinels that look for a master"]
async fn a_master_that_sentinels_replace_is_followed_within_seconds_and_loses_a_moment_at_most() {
    // With one replica there would be none left for the new master, which then refuses to write.
    let all = careful().replicas(2).start().await;
    let stores = several(STORES, &all.url()).await;
    let probe = open(&stores[0], alice()).await;
    let mut away = Duration::ZERO;
    let history = History::of(&stores, Plan { lossy: true, ..Plan::default() }, async {
        sleep(Duration::from_millis(500)).await;
        let old = all.kill_master().await;
        let begun = Instant::now();
        all.new_master(old).await;
        until_served(&stores[0], &probe).await;
        away = begun.elapsed();
        sleep(A_MOMENT).await;
    });
    let history = within_patience(history).await;
    history.report("sentinels, master killed", away, |_| true);
    assert!(away < Duration::from_secs(3), "it took {away:?}");
    assert!(only_unavailable_or_lost(&history), "{:?}", history.errors());
    let lost = history.lost(&all.url(), &[all.master().await]).await;
    assert!(lost * 100 < history.acknowledged(), "{lost} of {} are lost", history.acknowledged());
}

/// Sentinel, manual failover, the writes paused before: the way for an operator to lose nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: sentinels that change their mind"]
async fn a_failover_that_an_operator_orders_of_sentinels_loses_nothing_while_writes_are_paused() {
    let all = careful().replicas(2).start().await;
    let stores = several(STORES, &all.url()).await;
    let probe = open(&stores[0], alice()).await;
    let (mut writes, mut away) = (Duration::ZERO, Duration::ZERO);
    let history = History::of(&stores, Plan::default(), async {
        for _ in 0..2 {
            sleep(Duration::from_millis(500)).await;
            let old = all.master().await;
            pause_writes(old).await;
            all.order_failover().await;
            let begun = Instant::now();
            let writing = async {
                until_it_writes(all.new_master(old).await).await;
                begun.elapsed()
            };
            let (now_writes, now_away) = tokio::join!(writing, until_served(&stores[0], &probe));
            assert!(now_away < now_writes + A_MOMENT, "writes after {now_writes:?}, used after {now_away:?}");
            (writes, away) = (writes.max(now_writes), away.max(now_away));
            old.cli(&["CLIENT", "UNPAUSE"]).await;
            sleep(A_MOMENT).await;
        }
    });
    let history = within_patience(history).await;
    history.report(
        &format!("sentinels, failover ordered while writes are paused, over after {writes:?}"),
        away,
        |_| true,
    );
    assert!(only_unavailable(&history), "{:?}", history.errors());
    history.agrees_with_all(&all.url(), &[all.master().await]).await;
}

/// Sentinel, manual failover, with a master that writes only while its one replica listens: what can be lost is what
/// was on its way to the replica at that moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: sentinels that change their mind"]
async fn a_failover_that_an_operator_orders_of_sentinels_loses_a_moment_at_most() {
    let all = careful().start().await;
    let stores = several(STORES, &all.url()).await;
    let probe = open(&stores[0], alice()).await;
    let mut away = Duration::ZERO;
    let history = History::of(&stores, Plan { lossy: true, ..Plan::default() }, async {
        for _ in 0..2 {
            sleep(Duration::from_millis(500)).await;
            all.failover().await;
            away = away.max(until_served(&stores[0], &probe).await);
            sleep(A_MOMENT).await;
        }
    });
    let history = within_patience(history).await;
    history.report("sentinels, failover ordered", away, |_| true);
    assert!(away < Duration::from_secs(3), "it took {away:?}");
    let lost = history.lost(&all.url(), &[all.master().await]).await;
    // Without that, the old master goes on until it is told, and a sixth of all was lost.
    assert!(lost * 50 < history.acknowledged(), "{lost} of {} are lost", history.acknowledged());
    assert!(history.errors_but_for(&["unavailable", "unavailable, unknown", "absent"]).is_empty());
}

/// Cluster, master killed, 90 tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that replaces a master"]
async fn a_killed_master_of_a_cluster_stalls_its_own_slots_alone() {
    a_master_is_killed(Plan { writers: 90, sessions: 30, place: shard, ..Plan::default() }).await;
}

/// Cluster, master killed, 400 tasks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that replaces a master"]
async fn a_killed_master_of_a_cluster_stalls_its_own_slots_alone_under_a_heavy_load() {
    a_master_is_killed(Plan { writers: 400, sessions: 130, place: shard, ..Plan::default() }).await;
}

async fn a_master_is_killed(plan: Plan) {
    // With full coverage, which is the default, all masters refuse to work until the new one is elected.
    let cluster = Cluster::builder().config("cluster-require-full-coverage", "no").start().await;
    let stores = several(STORES, &cluster.url()).await;
    let hit = alices_shard();
    let probe = open_in(&stores[0], hit).await;
    let bystanders = Bystanders::beside(hit, &stores).await;
    let (mut elected, mut away) = (Duration::ZERO, Duration::ZERO);
    let history = History::of(&stores, Plan { lossy: true, ..plan }, async {
        sleep(Duration::from_millis(500)).await;
        let old = cluster.kill_master_of(slot(&probe)).await;
        let begun = Instant::now();
        let election = async {
            cluster.new_master_of(slot(&probe), old).await;
            begun.elapsed()
        };
        (elected, away) = tokio::join!(election, until_served(&stores[0], &probe));
        sleep(A_MOMENT).await;
    });
    let history = within_patience(history).await;
    history.report(&format!("cluster, new master after {elected:?}: its slots"), away, |place| place == hit);
    let stall = bystanders.slowest().await;
    history.report("cluster, new master: the others", stall, |place| place != hit);
    assert!(away < elected + A_MOMENT / 2, "the new master was there after {elected:?} and used after {away:?}");
    assert!(only_unavailable_or_lost(&history), "{:?}", history.errors());
    let others = history.errors_where(|place| place != hit);
    assert!(others.is_empty(), "the others work on: {others:?}");
    assert!(stall < A_MOMENT / 2, "the others work on: {stall:?}");
    let lost = history.lost(&cluster.url(), &masters(&cluster).await).await;
    assert!(lost * 100 < history.acknowledged(), "{lost} of {} are lost", history.acknowledged());
}

/// CLUSTER FAILOVER.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that replaces a master"]
async fn a_failover_that_an_operator_orders_of_a_cluster_is_not_noticed() {
    let cluster = Cluster::start().await;
    let stores = several(STORES, &cluster.url()).await;
    let history = History::of(&stores, Plan { writers: 90, sessions: 30, place: shard, ..Plan::default() }, async {
        for _ in 0..2 {
            sleep(Duration::from_millis(500)).await;
            cluster.failover(alices_slot()).await;
        }
        sleep(A_MOMENT).await;
    });
    let history = within_patience(history).await;
    history.report("cluster, failover ordered", Duration::ZERO, |_| true);
    assert!(history.errors().is_empty(), "{:?}", history.errors());
    assert!(history.slowest() < Duration::from_millis(1_500), "{:?}", history.slowest());
    history.agrees_with_all(&cluster.url(), &masters(&cluster).await).await;
}

/// Split master: it is stopped for longer than it takes to be replaced, and goes on as if nothing had happened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: a cluster that replaces a master"]
async fn a_master_of_a_cluster_that_was_replaced_while_it_stood_still_is_left() {
    let cluster = Cluster::builder().config("cluster-require-full-coverage", "no").start().await;
    let stores = several(STORES, &cluster.url()).await;
    let hit = alices_shard();
    let probe = open_in(&stores[0], hit).await;
    let history = History::of(&stores, Plan { place: shard, ..Plan::default() }, async {
        sleep(Duration::from_millis(500)).await;
        let old = cluster.master_of(slot(&probe)).await;
        old.stop();
        until_served(&stores[0], &probe).await;
        old.resume();
        sleep(A_MOMENT).await;
    });
    let history = within_patience(history).await;
    history.report("cluster, master stopped", Duration::ZERO, |_| true);
    assert!(only_unavailable(&history), "{:?}", history.errors());
    assert!(history.errors_where(|place| place != hit).is_empty(), "{:?}", history.errors());
    history.agrees_with_all(&cluster.url(), &masters(&cluster).await).await;
}

/// The same with sentinels.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "long: sentinels that look for a master"]
async fn a_master_that_sentinels_replaced_while_it_stood_still_is_left() {
    let all = careful().replicas(2).start().await;
    let stores = several(STORES, &all.url()).await;
    let probe = open(&stores[0], alice()).await;
    let history = History::of(&stores, Plan::default(), async {
        sleep(Duration::from_millis(500)).await;
        let old = all.master().await;
        old.stop();
        all.new_master(old).await;
        until_served(&stores[0], &probe).await;
        old.resume();
        sleep(A_MOMENT).await;
    });
    let history = within_patience(history).await;
    history.report("sentinels, master stopped", Duration::ZERO, |_| true);
    assert!(only_unavailable(&history), "{:?}", history.errors());
    history.agrees_with_all(&all.url(), &[all.master().await]).await;
}

/// Nothing but a store that does not answer, for a while.
fn only_unavailable(history: &History) -> bool {
    history.errors_but_for(&["unavailable", "unavailable, unknown"]).is_empty()
        && history.slowest() < RedisConfig::DEFAULT_DEADLINE + A_MOMENT / 2
}

/// The same where a session can be lost that was opened at the last moment.
fn only_unavailable_or_lost(history: &History) -> bool {
    history.errors_but_for(&["unavailable", "unavailable, unknown", "absent"]).is_empty()
        && history.slowest() < RedisConfig::DEFAULT_DEADLINE + A_MOMENT / 2
}

async fn within_patience(history: impl Future<Output = History>) -> History {
    timeout(PATIENCE, history).await.expect("nobody waits for ever")
}

fn alices_shard() -> usize {
    shard(&draft(alice()).1)
}

/// Servers that write only while a replica listens.
/// Lets a master of two replicas take no writes until it is told to, or for some seconds; both have what was written
/// before.
async fn pause_writes(master: &Server) {
    loop {
        master.cli(&["CLIENT", "PAUSE", "10000", "WRITE"]).await;
        for _ in 0..100 {
            if is_replicated(master).await {
                return;
            }
            sleep(Duration::from_millis(20)).await;
        }
        // A server that was the master before has to hear first that it is a replica now.
        master.cli(&["CLIENT", "UNPAUSE"]).await;
        sleep(A_MOMENT).await;
    }
}

/// Whether both replicas have all that was written.
async fn is_replicated(master: &Server) -> bool {
    let info: HashMap<String, String> = master.info("replication").await.into_iter().collect();
    let written = format!(",offset={},", info["master_repl_offset"]);
    ["slave0", "slave1"].iter().all(|replica| info.get(*replica).is_some_and(|replica| replica.contains(&written)))
}

/// Waits until a new master takes writes: not before a replica follows it.
async fn until_it_writes(master: &Server) {
    while master.try_cli(&["PEXPIRE", "nothing", "1"]).await.is_err() {
        sleep(Duration::from_millis(10)).await;
    }
}

fn careful() -> SentinelsBuilder {
    Sentinels::builder().config("min-replicas-to-write", "1").config("min-replicas-max-lag", "1")
}
