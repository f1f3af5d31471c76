//! Ours beside bare rmcp, turn by turn.

use session_test_servers::Server;
use tokio::task::JoinSet;

use crate::balancer;
use crate::caller::{Caller, Era};
use crate::figures::{median, verdict};
use crate::process::Process;
use crate::processor::micros;
use crate::relay;
use crate::server::{BARE, KEPT, MEMORY, OURS, UNKEPT};

/// How many servers of each kind there are: where one happens to have its memory makes some percent.
const SERVERS: usize = 3;
/// How many rounds each has. In a round, a server of each kind has its turn.
const ROUNDS: usize = 3;
/// How many calls a turn has.
const CALLS: usize = 1_280;
/// How many calls are under way at once, and whether that decides.
const CONCURRENCIES: [(usize, bool); 3] = [(1, false), (16, true), (64, true)];

/// How much more processor time a call may take than with bare rmcp.
const WITH_MEMORY: f64 = 1.10;
const WITH_REDIS: f64 = 1.5;

/// Prints what calls cost, by era, store, tool and how many there are at once; then what the journal costs, and what
/// there is behind a balancer.
pub(crate) async fn all() {
    let redis = Server::start().await;
    heading();
    for (store, url, target) in [("memory", MEMORY, WITH_MEMORY), ("redis", &*redis.url(), WITH_REDIS)] {
        let pairs = Pair::start(OURS, url);
        for era in Era::ALL {
            for tool in ["take", "read"] {
                for (concurrency, is_gated) in CONCURRENCIES {
                    let row =
                        Row { era, store, tool, concurrency, journal: "lasting", target: is_gated.then_some(target) };
                    row.measure(pairs.each_ref().map(Pair::fields), &redis).await;
                }
            }
        }
    }
    println!("\nwith a journal of every call, and with one that keeps nothing; calls of 2026-07-28 are never kept");
    for (kind, journal) in [(KEPT, "all"), (UNKEPT, "none")] {
        for (store, url) in [("memory", MEMORY), ("redis", &*redis.url())] {
            let pairs = Pair::start(kind, url);
            for concurrency in [16, 64] {
                let row = Row { era: Era::Legacy, store, tool: "take", concurrency, journal, target: None };
                row.measure(pairs.each_ref().map(Pair::fields), &redis).await;
            }
        }
    }
    behind_a_balancer(&redis).await;
    relay::all(&redis).await;
}

async fn behind_a_balancer(redis: &Server) {
    let pairs = [(); SERVERS].map(|()| {
        let ours = [(); 2].map(|()| Process::start(OURS, &redis.url()));
        let bare = [(); 2].map(|()| Process::start(BARE, MEMORY));
        let balancers = (balancer::start(&ours)?, balancer::start(&bare)?);
        Some((balancers, ours, bare))
    });
    let [Some(first), Some(second), Some(third)] = &pairs else {
        return println!("\nHAProxy is not installed, so nothing is measured behind it");
    };
    println!("\nbehind HAProxy, two servers each");
    for tool in ["take", "read"] {
        for concurrency in [16, 64] {
            let row = Row { era: Era::Modern, store: "redis", tool, concurrency, journal: "lasting", target: None };
            let fields = [first, second, third].map(|((to_ours, to_bare), ours, bare)| {
                (Field::balanced(to_ours, ours, true), Field::balanced(to_bare, bare, false))
            });
            row.measure(fields, redis).await;
        }
    }
}

/// A server of each kind.
struct Pair {
    ours: Process,
    bare: Process,
}

impl Pair {
    /// Starts them. Ours are of this kind, and keep their sessions in this store.
    fn start(kind: &str, store: &str) -> [Self; SERVERS] {
        [(); SERVERS].map(|()| Self { ours: Process::start(kind, store), bare: Process::start(BARE, MEMORY) })
    }

    fn fields(&self) -> (Field<'_>, Field<'_>) {
        (Field::one(&self.ours, true), Field::one(&self.bare, false))
    }
}

/// Servers of one kind, and where they are called.
struct Field<'a> {
    address: &'a str,
    servers: Vec<&'a Process>,
    balancer: Option<&'a Process>,
    has_sessions: bool,
}

impl<'a> Field<'a> {
    fn one(server: &'a Process, has_sessions: bool) -> Self {
        Self { address: server.address(), servers: vec![server], balancer: None, has_sessions }
    }

    fn balanced(balancer: &'a Process, servers: &'a [Process], has_sessions: bool) -> Self {
        let address = balancer.address();
        Self { address, servers: servers.iter().collect(), balancer: Some(balancer), has_sessions }
    }

    async fn callers(&self, row: &Row) -> Vec<(Caller, Vec<u8>)> {
        let mut callers = Vec::new();
        for _ in 0..row.concurrency {
            let caller = Caller::connect(self.address, row.era, self.has_sessions).await;
            let request = caller.request(row.tool);
            callers.push((caller, request));
        }
        callers
    }

    /// What the servers had of the processor so far, and what the balancer had.
    fn micros(&self) -> (f64, f64) {
        (self.servers.iter().map(|server| server.micros()).sum(), self.balancer.map_or(0.0, Process::micros))
    }
}

/// What is measured.
struct Row {
    era: Era,
    store: &'static str,
    tool: &'static str,
    concurrency: usize,
    journal: &'static str,
    target: Option<f64>,
}

/// What a call took of whose processor time in one turn, in microseconds.
#[derive(Clone, Copy)]
struct Turn {
    servers: f64,
    balancer: f64,
    redis: f64,
}

impl Row {
    async fn measure(&self, pairs: [(Field<'_>, Field<'_>); SERVERS], redis: &Server) {
        let mut rounds = Vec::new();
        for (ours, bare) in pairs {
            let (mut our_callers, mut bare_callers) = (ours.callers(self).await, bare.callers(self).await);
            for round in 0..=ROUNDS {
                let (of_ours, of_bare);
                (our_callers, of_ours) = turn(&ours, our_callers, redis).await;
                (bare_callers, of_bare) = turn(&bare, bare_callers, redis).await;
                // The first round warms up.
                if round > 0 {
                    rounds.push((of_ours, of_bare));
                }
            }
        }
        self.print(&rounds);
    }

    fn print(&self, rounds: &[(Turn, Turn)]) {
        let of = |figure: fn(&(Turn, Turn)) -> f64| median(rounds.iter().map(figure));
        let ratio = of(|(ours, bare)| ours.servers / bare.servers);
        let balancers = (of(|(ours, _)| ours.balancer), of(|(_, bare)| bare.balancer));
        let balancers = if balancers.0 > 0.0 {
            format!("HAProxy {:.0} / {:.0} µs", balancers.0, balancers.1)
        } else {
            String::new()
        };
        println!(
            "{:<12}{:<8}{:<6}{:>3}{:>9}{:>10.1}{:>10.1}{:>8.2}{:>10}  {}{balancers}",
            self.era.version(),
            self.store,
            self.tool,
            self.concurrency,
            self.journal,
            of(|(ours, _)| ours.servers),
            of(|(_, bare)| bare.servers),
            ratio,
            if self.store == "redis" { format!("{:.1}", of(|(ours, _)| ours.redis)) } else { String::new() },
            verdict(ratio, self.target),
        );
    }
}

fn heading() {
    println!("processor time of a call in µs");
    println!(
        "{:<12}{:<8}{:<6}{:>3}{:>9}{:>10}{:>10}{:>8}{:>10}",
        "protocol", "store", "tool", "at", "journal", "ours", "bare", "ratio", "redis"
    );
}

/// Lets the callers share the calls, and says what one took.
async fn turn(field: &Field<'_>, callers: Vec<(Caller, Vec<u8>)>, redis: &Server) -> (Vec<(Caller, Vec<u8>)>, Turn) {
    let each = CALLS / callers.len();
    let calls = (each * callers.len()) as f64;
    let (before, of_redis) = (field.micros(), micros(redis.pid()));
    let tasks: JoinSet<_> = callers
        .into_iter()
        .map(|(mut caller, request)| async move {
            for _ in 0..each {
                caller.call(&request).await;
            }
            (caller, request)
        })
        .collect();
    let callers = tasks.join_all().await;
    let (after, of_redis) = (field.micros(), micros(redis.pid()) - of_redis);
    let (servers, balancer) = (after.0 - before.0, after.1 - before.1);
    (callers, Turn { servers: servers / calls, balancer: balancer / calls, redis: of_redis / calls })
}
