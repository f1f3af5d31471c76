//! How many operations there are in a second, and whose work they are.

use std::sync::Arc;
use std::time::Instant;

use redis::from_redis_value;
use session_test_servers::Server;

use crate::contenders::{Contender, Operation};
use crate::figures::{median, ratio, verdict};
use crate::processor::micros;
use crate::recording::Recording;
use crate::sessions::{Planned, Shape};

const SESSIONS: usize = 1_024;
const SHAPE: Shape = Shape { values: 5, bytes: 200, owned: true };
const ROUNDS: usize = 21;

/// What is measured: operations that follow one another, whether each round needs new sessions, and how much of the
/// commands' own throughput is to be reached.
const PARTS: [(&str, &[Operation], f64); 3] = [
    ("reads", &[Operation::Touch, Operation::Peek], 0.9),
    ("updates", &[Operation::Update], 0.8),
    ("lives", &[Operation::Create, Operation::End], 0.8),
];

/// Prints what each operation costs each contender, one at a time and many at once.
pub(crate) async fn compare(is_wanted: impl Fn(&str) -> bool) {
    let parts = PARTS.into_iter().filter(|(part, ..)| is_wanted(part));
    for (part, operations, target) in parts {
        let field = Field::new(part).await;
        for concurrency in [1, 64] {
            let samples = field.rounds(operations, concurrency).await;
            for (operation, samples) in operations.iter().zip(samples) {
                println!("\n{}, {concurrency} at a time", title(*operation));
                field.print(&samples, target);
            }
        }
    }
}

fn title(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "create",
        Operation::Touch => "load with touch",
        Operation::Peek => "load without touch",
        Operation::Update => "update of one value",
        Operation::End => "end",
    }
}

/// A server, and who uses it.
struct Field {
    server: Server,
    contenders: Vec<Arc<Contender>>,
    sessions: Arc<[Planned]>,
}

/// How long an operation took in one round, in microseconds: by the clock, of the server's processor time and of the
/// client's.
#[derive(Clone, Copy)]
struct Sample {
    elapsed: f64,
    server: f64,
    client: f64,
}

impl Field {
    async fn new(part: &str) -> Self {
        let server = Server::start().await;
        let sessions = Planned::some(SESSIONS, SHAPE);
        let recording = Arc::new(Recording::of(&server, &sessions).await);
        let mut contenders = vec![Contender::ours(&server).await, Contender::commands(&server, &recording).await];
        if part == "reads" {
            contenders.push(Contender::unchecked(&server, &recording).await);
            contenders.push(Contender::known(&server).await);
        }
        contenders.push(Contender::towers(&server).await);
        let contenders = contenders.into_iter().map(Arc::new).collect();
        Self { server, contenders, sessions: sessions.into() }
    }

    /// Measures each contender in turn, so many times over, so that what the machine does meanwhile meets them all.
    /// Returns the samples of each operation and contender.
    async fn rounds(&self, operations: &[Operation], concurrency: usize) -> Vec<Vec<Vec<Sample>>> {
        let creates = operations.contains(&Operation::Create);
        let mut all = vec![vec![Vec::new(); self.contenders.len()]; operations.len()];
        if !creates {
            self.empty().await;
            for contender in &self.contenders {
                self.sample(contender, Operation::Create, concurrency).await;
            }
        }
        for round in 0..=ROUNDS {
            for (at, contender) in self.contenders.iter().enumerate() {
                if creates {
                    self.empty().await;
                }
                for (&operation, samples) in operations.iter().zip(&mut all) {
                    let sample = self.sample(contender, operation, concurrency).await;
                    // The first round warms up.
                    if round > 0 {
                        samples[at].push(sample);
                    }
                }
            }
        }
        all
    }

    async fn sample(&self, contender: &Arc<Contender>, operation: Operation, concurrency: usize) -> Sample {
        let repeatable = !matches!(operation, Operation::Create | Operation::End);
        let passes = if repeatable && concurrency > 1 { 4 } else { 1 };
        let (server, client) = (self.server.pid(), std::process::id());
        let before = (micros(server), micros(client));
        let begin = Instant::now();
        let tasks: Vec<_> = (0..concurrency)
            .map(|task| {
                let (contender, sessions) = (contender.clone(), self.sessions.clone());
                tokio::spawn(async move {
                    for _ in 0..passes {
                        for session in sessions.iter().skip(task).step_by(concurrency) {
                            contender.perform(operation, session).await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("the task ends without a panic");
        }
        let elapsed = begin.elapsed().as_nanos() as f64 / 1e3;
        let (server, client) = (micros(server) - before.0, micros(client) - before.1);
        self.check(contender, operation).await;
        let each = (passes * SESSIONS) as f64;
        Sample { elapsed: elapsed / each, server: server / each, client: client / each }
    }

    /// Makes sure that commands that were sent again did what they did at first.
    async fn check(&self, contender: &Contender, operation: Operation) {
        let Contender::Commands(_, recording) = contender else { return };
        let session = &self.sessions[0];
        let name = recording.name(session);
        if let Operation::End = operation {
            let marker: String = from_redis_value(self.server.cli(&[b"GET", name]).await).expect("a text");
            assert!(marker.starts_with("ended"), "it has ended");
        } else {
            let version = from_redis_value(self.server.cli(&[b"HGET", name, b"v"]).await);
            assert_eq!(version.ok(), Some(recording.version(session)), "each write was applied");
        }
    }

    async fn empty(&self) {
        self.server.cli(&["FLUSHDB", "SYNC"]).await;
    }

    fn print(&self, samples: &[Vec<Sample>], target: f64) {
        let of = |figure: fn(&Sample) -> f64| -> Vec<Vec<f64>> {
            samples.iter().map(|samples| samples.iter().map(figure).collect()).collect()
        };
        let (rates, elapsed) = (of(|sample| 1e6 / sample.elapsed), of(|sample| sample.elapsed));
        let (server, client) = (of(|sample| sample.server), of(|sample| sample.client));
        println!(
            "{:22}{:>10}{:>12}{:>12}{:>14}{:>14}",
            "", "each/s", "ours / it", "µs each", "server's CPU", "client's CPU"
        );
        for (at, contender) in self.contenders.iter().enumerate() {
            let name = contender.name();
            let (rate, to_it) = (median(&rates[at]), ratio(&rates[0], &rates[at]));
            let [elapsed, server, client] = [&elapsed, &server, &client].map(|figures| median(&figures[at]));
            println!("{name:22}{rate:>10.0}{to_it:>12.2}{elapsed:>12.1}{server:>14.1}{client:>14.1}");
        }
        let reached = ratio(&rates[0], &rates[1]);
        println!("  target: at least {target:.2} of its commands': {reached:.2}, {}", verdict(reached >= target));
    }
}
