//! A replica that is asked to end while clients call through a balancer.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use session_test_servers::free_port;
use session_tests::{Balancer, Client, HttpServer, Sdk};
use tokio::time::{sleep, timeout};

use crate::counting::Counters;
use crate::fleet::{DRAIN_DELAY, Fleet};
use crate::peer::Peer;
use crate::stream::Stream;

/// After which a request has reached a replica.
const ARRIVED: Duration = Duration::from_millis(300);
/// How long after `DRAIN_DELAY` calls are still in flight.
const LONGER: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_behind_haproxy_ends_and_no_client_sees_an_error() {
    ends_unseen(|replicas| Balancer::haproxy(free_port(), replicas)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_behind_nginx_ends_and_no_client_sees_an_error() {
    ends_unseen(|replicas| Balancer::nginx(free_port(), replicas)).await;
}

/// Each replica has a stream and calls of both eras when one of them is asked to end.
async fn ends_unseen(balance: impl FnOnce(&[&HttpServer]) -> Balancer) {
    let mut fleet = Fleet::<2>::start().await;
    let balancer = balance(&fleet.replicas.each_ref());
    let url = balancer.url();
    let counters = Counters::connect(url);
    let earlier = [Peer::connect(url).await, Peer::connect(url).await];
    let mut later = [(); 2].map(|()| Client::connect(Sdk::Mcp2, url));
    let mut listeners = [Listener::connect(url).await, Listener::connect(url).await];
    // Requests go to the replicas in turn as long as they come one after the other.
    sleep(ARRIVED).await;
    for listener in &mut listeners {
        listener.listen(None).await;
    }
    let slow = json!({ "ms": (DRAIN_DELAY + 3 * LONGER).as_millis() });
    let mut calls = Vec::new();
    for mut peer in earlier {
        let slow = slow.clone();
        calls.push(tokio::spawn(async move { (peer.call("slow", slow).await, peer.resumed) }));
        sleep(ARRIVED).await;
    }
    for client in &mut later {
        client.begin("slow", slow.clone());
        sleep(ARRIVED).await;
    }

    let [ending, _staying] = &mut fleet.replicas;
    counters.count_while(|| {
        let begun = Instant::now();
        ending.terminate();
        thread::sleep(ARRIVED);
        for _ in 0..2 {
            assert!(ending.request("GET /readyz HTTP/1.1", "").starts_with("HTTP/1.1 503 "), "it is about to end");
            assert!(ending.request("GET /healthz HTTP/1.1", "").starts_with("HTTP/1.1 200 "), "and has not ended");
            thread::sleep(DRAIN_DELAY / 2);
        }
        assert_eq!(ending.wait().code(), Some(0));
        assert!(begun.elapsed() > DRAIN_DELAY + LONGER / 2, "calls were in flight, but not for longer than the delay");
    });

    for call in calls {
        let (answer, resumed) = call.await.expect("the peer goes by the protocol");
        assert_eq!(answer.expect("an answer")["content"][0]["text"], "slow done");
        assert_eq!(resumed, 0, "it was answered where it began");
    }
    for mut client in later {
        assert_eq!(client.finish().text(), "slow done");
        client.close();
    }
    let mut ended = 0;
    for listener in listeners {
        ended += usize::from(listener.goes_on().await);
    }
    assert_eq!(ended, 1, "one stream was at each replica");
}

/// A client with a stream of what concerns no call, which has counted to one.
struct Listener {
    peer: Peer,
    stream: Option<Stream>,
}

impl Listener {
    async fn connect(url: &str) -> Self {
        let mut peer = Peer::connect(url).await;
        assert_eq!(peer.count().await, Some(1));
        Self { peer, stream: None }
    }

    async fn listen(&mut self, after: Option<&str>) {
        self.stream = Some(self.peer.listen(after).await);
    }

    /// Hears what is said in its session, also while its stream has ended and it is not back, and counts on. Returns
    /// whether the stream has ended.
    async fn goes_on(mut self) -> bool {
        let mut stream = self.stream.take().expect("it listens");
        let has_ended = timeout(ARRIVED, stream.message()).await.map(|message| assert_eq!(message, None)).is_ok();
        self.peer.call("notify", json!({})).await.expect("an answer");
        if has_ended {
            let retry = stream.retry.expect("a hint when to come back");
            assert!(retry <= Duration::from_secs(1), "{retry:?} is not soon");
            sleep(retry).await;
            stream = self.peer.listen(stream.last.as_deref()).await;
        }
        let told = stream.message().await.expect("it is told");
        assert_eq!(told["method"], "notifications/tools/list_changed");
        assert_eq!(self.peer.count().await, Some(2));
        has_ended
    }
}
