//! A rolling deploy, and the clients that people use.

use std::thread;
use std::time::Duration;

use session_test_servers::free_port;
use session_tests::Balancer;

use crate::counting::Counters;
use crate::fleet::Fleet;

/// Within which time a balancer has noticed that a replica is back.
const NOTICED: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: three replicas are restarted one after the other"]
async fn clients_of_each_era_see_nothing_of_a_rolling_deploy() {
    let mut fleet = Fleet::<3>::start().await;
    let balancer = Balancer::haproxy(free_port(), &fleet.replicas.each_ref());
    Counters::connect(balancer.url()).count_while(|| {
        for replica in &mut fleet.replicas {
            replica.terminate();
            assert_eq!(replica.wait().code(), Some(0));
            replica.start_again();
            thread::sleep(NOTICED);
        }
    });
}
