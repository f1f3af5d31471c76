//! How much memory of the server a session takes.

use std::sync::Arc;

use redis::from_redis_value;
use session_test_servers::Server;

use crate::contenders::{Contender, Operation};
use crate::sessions::{Planned, Shape};

const COUNT: usize = 10_000;
const AT_ONCE: usize = 64;

const SHAPES: [(&str, Shape); 4] = [
    ("no values, anonymous", Shape { values: 0, bytes: 0, owned: false }),
    ("no values, one principal each", Shape { values: 0, bytes: 0, owned: true }),
    ("five values of 200 bytes, anonymous", Shape { values: 5, bytes: 200, owned: false }),
    ("five values of 200 bytes, one principal each", Shape { values: 5, bytes: 200, owned: true }),
];

/// Prints how many bytes a session takes with our store and with tower-sessions': the key that holds it, and all that
/// the server grows by.
pub(crate) async fn compare() {
    println!("\nbytes a session, of {COUNT}");
    println!("{:46}{:>16}{:>16}{:>16}{:>16}", "", "session-redis", "", "tower-sessions", "");
    println!("{:46}{:>16}{:>16}{:>16}{:>16}", "", "its key", "in all", "its key", "in all");
    for (title, shape) in SHAPES {
        let planned: Arc<[Planned]> = Planned::some(COUNT, shape).into();
        let server = Server::start().await;
        let ours = weigh(&server, Contender::ours(&server).await, &planned).await;
        let server = Server::start().await;
        let towers = weigh(&server, Contender::towers(&server).await, &planned).await;
        println!("{title:46}{:>16}{:>16.0}{:>16}{:>16.0}", ours.key, ours.in_all, towers.key, towers.in_all);
    }
}

struct Weight {
    key: u64,
    in_all: f64,
}

async fn weigh(server: &Server, contender: Contender, planned: &Arc<[Planned]>) -> Weight {
    let contender = Arc::new(contender);
    let before = used_memory(server).await;
    let tasks: Vec<_> = (0..AT_ONCE)
        .map(|task| {
            let (contender, planned) = (contender.clone(), planned.clone());
            tokio::spawn(async move {
                for session in planned.iter().skip(task).step_by(AT_ONCE) {
                    contender.perform(Operation::Create, session).await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task ends without a panic");
    }
    let in_all = (used_memory(server).await - before) / COUNT as f64;
    Weight { key: key_bytes(server, &contender).await, in_all }
}

async fn used_memory(server: &Server) -> f64 {
    let memory = server.info("memory").await;
    let used = memory.iter().find(|(name, _)| name == "used_memory").expect("the server keeps account");
    used.1.parse().expect("a number")
}

/// How much the key of a session takes: the first that is met, since all are alike.
async fn key_bytes(server: &Server, contender: &Contender) -> u64 {
    let kind = if let Contender::Towers(_) = contender { "string" } else { "hash" };
    let found = server.cli(&["SCAN", "0", "COUNT", "1000", "TYPE", kind]).await;
    let (_, keys): (String, Vec<String>) = from_redis_value(found).expect("a cursor and keys");
    let usage = server.cli(&["MEMORY", "USAGE", &keys[0], "SAMPLES", "0"]).await;
    from_redis_value(usage).expect("a number")
}
