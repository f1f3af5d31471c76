//! Replicas that are killed while clients call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use session_test_servers::free_port;
use session_tests::Balancer;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::fleet::Fleet;
use crate::peer::Peer;

/// So many that some of them call whichever replica is killed.
const CLIENTS: usize = 12;
/// Each replica is killed in two of them, and asked to end in two.
const ROUNDS: usize = 6;
/// How often a replica is killed in each round.
const KILLS: usize = 2;
/// How long a killed replica is away.
const AWAY: Duration = Duration::from_millis(300);

/// In each round one replica is killed and another one is asked to end, and both start again where they were.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: replicas are killed and restarted for 20 seconds"]
async fn no_number_is_lost_or_repeated_while_replicas_are_killed() {
    let mut fleet = Fleet::<3>::keeping_every_call().await;
    let balancer = Balancer::haproxy(free_port(), &fleet.replicas.each_ref());
    let is_over = Arc::new(AtomicBool::new(false));
    let mut counting = JoinSet::new();
    for _ in 0..CLIENTS {
        counting.spawn(count_on(Peer::connect(balancer.url()).await, Arc::clone(&is_over)));
    }

    for round in 0..ROUNDS {
        fleet.replicas.rotate_left(1);
        let [killed, ended, _] = &mut fleet.replicas;
        ended.terminate();
        for _ in 0..KILLS {
            sleep(Duration::from_millis(500)).await;
            killed.kill();
            sleep(AWAY).await;
            killed.start_again();
        }
        assert_eq!(ended.wait().code(), Some(0), "in round {round}");
        ended.start_again();
    }
    is_over.store(true, Ordering::Relaxed);

    let mut all = Counted::default();
    while let Some(counted) = counting.join_next().await {
        let counted = counted.expect("each counts rightly");
        assert!(counted.answered > ROUNDS, "{counted:?} is not all the while");
        assert!(counted.unanswered <= ROUNDS * KILLS, "a kill cuts off one call of each client at most: {counted:?}");
        all.answered += counted.answered;
        all.unanswered += counted.unanswered;
        all.skipped += counted.skipped;
        all.resumed += counted.resumed;
    }
    assert!(all.unanswered > 0 && all.resumed > 0, "calls were in flight at those that were killed: {all:?}");
}

/// What became of calls.
#[derive(Debug, Default)]
struct Counted {
    answered: usize,
    /// Nobody knows whether they were done.
    unanswered: usize,
    /// Numbers that nobody was told, since they were those of calls without an answer.
    skipped: u64,
    resumed: usize,
}

/// Counts until all is over, and checks each number: it is the one after the last, but for what calls without an answer
/// may have counted in between.
async fn count_on(mut peer: Peer, is_over: Arc<AtomicBool>) -> Counted {
    let mut counted = Counted::default();
    let (mut last, mut in_doubt) = (0, 0);
    loop {
        let is_last = is_over.load(Ordering::Relaxed);
        match peer.count().await {
            None => {
                counted.unanswered += 1;
                in_doubt += 1;
            }
            Some(number) => {
                assert!(number > last, "{number} was told twice: the last one was {last}");
                let skipped = number - last - 1;
                assert!(skipped <= in_doubt, "{number} comes after {last}, and {in_doubt} calls are in doubt");
                counted.answered += 1;
                counted.skipped += skipped;
                (last, in_doubt) = (number, 0);
                if is_last {
                    counted.resumed = peer.resumed;
                    return counted;
                }
            }
        }
    }
}
