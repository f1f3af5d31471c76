//! A call that asks its client back, and whose client answers at the server that asked, or at another one.

use std::time::Instant;

use session_test_servers::Server;
use tokio::task::JoinSet;

use crate::caller::{Caller, Era};
use crate::figures::median;
use crate::process::Process;
use crate::processor::micros;
use crate::server::OURS;

/// How many rounds there are. In each, both ways have their turn.
const ROUNDS: usize = 9;
/// How many calls a turn has, and how many are under way at once.
const CALLS: usize = 640;
const AT_ONCE: usize = 16;

/// What one call took in one turn, in microseconds: of the servers' processor time, of that of Redis, and in all.
struct Turn {
    servers: f64,
    redis: f64,
    elapsed: f64,
}

/// Who calls at the first server, and who answers what is asked there.
type Pair = (Caller, Caller);

/// Prints what a call costs either way.
pub(crate) async fn all(redis: &Server) {
    let servers = [(); 2].map(|()| Process::start(OURS, &redis.url()));
    println!(
        "\na call that asks its client back, 2025-11-25 with Redis, {AT_ONCE} at once: µs of two servers, of Redis,"
    );
    println!("and from its beginning to its end");
    let (mut here, mut elsewhere) = (pairs(&servers, 0).await, pairs(&servers, 1).await);
    let (mut of_here, mut of_elsewhere) = (Vec::new(), Vec::new());
    for round in 0..=ROUNDS {
        let (first, second);
        (here, first) = turn(here, &servers, redis).await;
        (elsewhere, second) = turn(elsewhere, &servers, redis).await;
        // The first round warms up.
        if round > 0 {
            of_here.push(first);
            of_elsewhere.push(second);
        }
    }
    print("answered where it runs", &of_here);
    print("answered elsewhere", &of_elsewhere);
    let ratio = of_elsewhere.iter().zip(&of_here).map(|(elsewhere, here)| elsewhere.elapsed / here.elapsed);
    println!("{:<24}{:>34.2}", "ratio", median(ratio));
}

async fn pairs(servers: &[Process; 2], answers_at: usize) -> Vec<Pair> {
    let mut pairs = Vec::new();
    for _ in 0..AT_ONCE {
        let asks = Caller::connect(servers[0].address(), Era::Legacy, true).await;
        let answers = asks.beside(servers[answers_at].address()).await;
        pairs.push((asks, answers));
    }
    pairs
}

async fn turn(pairs: Vec<Pair>, servers: &[Process; 2], redis: &Server) -> (Vec<Pair>, Turn) {
    let of_servers = || servers.iter().map(Process::micros).sum::<f64>();
    let (before, of_redis, begun) = (of_servers(), micros(redis.pid()), Instant::now());
    let tasks: JoinSet<_> = pairs
        .into_iter()
        .map(|(mut asks, mut answers)| async move {
            for _ in 0..CALLS / AT_ONCE {
                asks.converse(&mut answers).await;
            }
            (asks, answers)
        })
        .collect();
    let pairs = tasks.join_all().await;
    let elapsed = begun.elapsed().as_micros() as f64 * AT_ONCE as f64;
    let calls = CALLS as f64;
    let (servers, redis) = ((of_servers() - before) / calls, (micros(redis.pid()) - of_redis) / calls);
    (pairs, Turn { servers, redis, elapsed: elapsed / calls })
}

fn print(way: &str, turns: &[Turn]) {
    let of = |figure: fn(&Turn) -> f64| median(turns.iter().map(figure));
    let (servers, redis, elapsed) = (of(|turn| turn.servers), of(|turn| turn.redis), of(|turn| turn.elapsed));
    println!("{way:<24}{servers:>12.1}{redis:>10.1}{elapsed:>12.1}");
}
