//! A cluster.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use session_test_servers::{Cluster, Server};

use super::{
    Client, ConnectError, Duration, Failure, Instant, Request, cmd, config, connect, get, send, set, sleep, slot, text,
};

/// A key whose slot this node does not hold, or does.
async fn key_of(cluster: &Cluster, node: &Server, held: bool) -> String {
    for n in 0..1000 {
        let key = format!("k{n}");
        if (cluster.master_of(slot(&key)).await.port() == node.port()) == held {
            return key;
        }
    }
    panic!("each master holds a third of the slots");
}

#[tokio::test]
async fn a_master_that_dies_stalls_its_own_slots_only() {
    // Otherwise the others refuse to work until a replica takes over.
    let cluster = Cluster::builder().config("cluster-require-full-coverage", "no").start().await;
    let client = connect(&cluster.url()).await;
    let victim = &cluster.nodes()[0];
    let (lost, kept) = (key_of(&cluster, victim, true).await, key_of(&cluster, victim, false).await);
    for key in [&lost, &kept] {
        send(&client, &set(key, "v")).await.expect("the cluster runs");
    }
    cluster.settle().await;
    let before = Instant::now();
    cluster.kill_master_of(slot(&lost)).await;
    let waiting = tokio::spawn({
        let (client, request) = (client.clone(), set(&lost, "w"));
        async move {
            let until = Instant::now() + Duration::from_secs(15);
            client.send(&request, until).await.map(|_| Instant::now())
        }
    });
    while !waiting.is_finished() {
        let asked = Instant::now();
        send(&client, &get(&kept)).await.expect("its master lives");
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
        sleep(Duration::from_millis(5)).await;
    }
    let answered = waiting.await.expect("no panic").expect("a replica took over");
    assert!(answered < before + Duration::from_secs(8), "{:?}", answered - before);
    assert_eq!(send(&client, &get(&lost)).await.expect("a replica took over").replies, [text("w")]);
}

/// A master dies while nobody asks for anything, and its address is somebody else's when somebody does. One of the
/// nodes has not heard of it.
#[tokio::test]
async fn a_stranger_at_the_address_of_a_dead_master_is_passed_over() {
    let cluster = Cluster::builder().partitionable().start().await;
    let url = cluster.url();
    let clients = join_all((0..20).map(|_| connect(&url))).await;
    send(&clients[0], &set("k", "v")).await.expect("the cluster runs");
    cluster.settle().await;
    let other = key_of(&cluster, cluster.master_of(slot("k")).await, false).await;
    cluster.part(&[cluster.replicas_of(slot(&other)).await[0]]);
    let old = cluster.kill_master_of(slot("k")).await;
    cluster.new_master_of(slot("k"), old).await;
    let _stranger = Server::builder().config("port", old.port().to_string()).start().await;
    let get = get("k");
    for answer in join_all(clients.iter().map(|client| send(client, &get))).await {
        assert_eq!(answer.expect("there is a new master").replies, [text("v")]);
    }
}

/// As long as nobody knows a better one, the answer is what is wrong with the address.
#[tokio::test]
async fn a_password_that_no_node_takes_any_more_is_said_at_once() {
    let cluster = Cluster::builder().password("secret").start().await;
    let client = connect(&cluster.url()).await;
    send(&client, &set("k", "v")).await.expect("the cluster runs");
    for node in cluster.nodes() {
        node.cli(&["CONFIG", "SET", "requirepass", "another"]).await;
        node.cli(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    }
    let before = Instant::now();
    let failure = send(&client, &get("k")).await.expect_err("the password is another");
    assert!(matches!(failure, Failure::Refused { .. }), "{failure:?}");
    assert!(before.elapsed() < Duration::from_secs(1), "{:?}", before.elapsed());
}

#[tokio::test]
async fn a_master_that_steps_down_is_left_without_an_error() {
    let cluster = Cluster::start().await;
    let client = connect(&cluster.url()).await;
    send(&client, &set("k", "0")).await.expect("the cluster runs");
    let failing_over = Arc::new(AtomicBool::new(true));
    let writer = tokio::spawn({
        let (client, failing_over) = (client.clone(), Arc::clone(&failing_over));
        async move {
            let (mut longest, mut n) = (Duration::ZERO, 0);
            while failing_over.load(Ordering::Relaxed) {
                let asked = Instant::now();
                n += 1;
                send(&client, &set("k", &n.to_string())).await.expect("somebody is master");
                longest = longest.max(asked.elapsed());
            }
            (longest, n)
        }
    });
    cluster.failover(slot("k")).await;
    failing_over.store(false, Ordering::Relaxed);
    let (longest, n) = writer.await.expect("no panic");
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert_eq!(send(&client, &get("k")).await.expect("somebody is master").replies, [text(&n.to_string())]);
}

#[tokio::test]
async fn a_slot_that_moves_is_followed_step_by_step() {
    let cluster = Cluster::start().await;
    let client = connect(&cluster.url()).await;
    // Of a key with braces, only what is between them counts.
    let from = cluster.master_of(slot("s")).await.port();
    let to = cluster.nodes().iter().take(3).find(|node| node.port() != from).expect("there are three masters");
    let (moved, stays) = ("{s}moved", "{s}stays");
    let request = |request: Request, name: &str, key: &str| {
        let mut command = cmd(name);
        command.arg(key);
        request.command(command)
    };
    for key in [moved, stays] {
        let mut set = cmd("SET");
        set.arg(key).arg(key);
        send(&client, &Request::new(slot("s")).command(set)).await.expect("the cluster runs");
    }
    let migration = cluster.migrate(slot("s"), to).await;
    migration.move_these(&[moved]).await;
    let both = request(request(Request::new(slot("s")), "GET", moved), "GET", stays);
    let answer = send(&client, &both).await.expect("each is asked where it is");
    assert_eq!(answer.replies, [text(moved), text(stays)]);
    migration.finish().await;
    assert_eq!(send(&client, &both).await.expect("they are there").replies, [text(moved), text(stays)]);
}

#[tokio::test]
async fn every_master_can_be_asked_by_itself() {
    let cluster = Cluster::start().await;
    let client = connect(&cluster.url()).await;
    for n in 0..60 {
        send(&client, &set(&format!("k{n}"), "v")).await.expect("the cluster runs");
    }
    let masters = client.masters(client.deadline()).await.expect("the cluster runs");
    assert_eq!(masters.len(), 3);
    let mut keys = 0;
    for master in &masters {
        let request = Request::new(0).command(cmd("DBSIZE"));
        let answer = client.send_to(master, &request, client.deadline()).await.expect("the master runs");
        keys += redis::from_redis_value::<u32>(answer.replies[0].clone()).expect("a number");
    }
    assert_eq!(keys, 60);
}

#[tokio::test]
async fn who_wants_all_masters_waits_for_the_answer_alone() {
    let cluster = Cluster::start().await;
    let client = connect(&cluster.url()).await;
    assert_eq!(client.shards(), 3);
    let mut took = Vec::new();
    for _ in 0..9 {
        let asked = Instant::now();
        assert_eq!(client.masters(client.deadline()).await.expect("the cluster runs").len(), 3);
        took.push(asked.elapsed());
        sleep(Duration::from_millis(60)).await;
    }
    took.sort();
    assert!(took[4] < Duration::from_millis(30), "{took:?}");
}

#[tokio::test]
async fn what_is_no_cluster_wants_another_url() {
    let server = Server::start().await;
    let error = Client::connect(&config(&format!("redis+cluster://{}", server.addr()))).await.expect_err("one server");
    assert!(matches!(error, ConnectError::IsNoCluster), "{error:?}");
}

#[tokio::test]
async fn a_cluster_that_is_gone_is_unavailable_at_the_deadline() {
    let cluster = Cluster::start().await;
    let client = connect(&cluster.url()).await;
    cluster.nodes().iter().for_each(Server::kill);
    sleep(Duration::from_millis(50)).await;
    let before = Instant::now();
    let failure = send(&client, &set("k", "v")).await.expect_err("nobody is there");
    assert!(matches!(failure, Failure::Unavailable { maybe_applied: false, .. }), "{failure:?}");
    assert!(before.elapsed() < Duration::from_millis(2050), "{:?}", before.elapsed());
}
