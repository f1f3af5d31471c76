//! How long an operation takes.

use std::hint::black_box;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::contenders::{CONTENDERS, Contender, Key, Planned, plan};
use crate::figures::{median, ratio, time, verdict};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Prints what a load with touch, an update and a creation cost each contender.
pub(crate) fn compare() {
    for count in [1_000, 1_000_000] {
        for threads in [1, 2] {
            compare_at(count, threads);
        }
    }
}

fn compare_at(count: usize, threads: usize) {
    let runtime = Builder::new_multi_thread().worker_threads(threads).enable_time().build().expect("a runtime");
    let (planned, keys) = plan(count, DAY);
    let contenders = CONTENDERS.map(Contender::new);
    runtime.block_on(async {
        for contender in &contenders {
            for session in &planned {
                contender.create(session).await;
            }
        }
    });
    drop(planned);
    println!("\n{count} sessions, {threads} threads: an operation as each thread sees it");
    if threads > 1 {
        let cores = free_cores(threads);
        println!("(the machine had {cores:.1} cores to give them: on much fewer than {threads}, nothing contends)");
    }
    println!(
        "{:14}{:>16}{:>16}{:>16}{:>16}   ours / bare",
        "", CONTENDERS[0], CONTENDERS[1], CONTENDERS[2], CONTENDERS[3]
    );

    let keys = Arc::new(keys);
    let loads = rounds(41, &contenders, |contender, round| {
        each_on(&runtime, threads, 100_000, |part| {
            let (contender, keys) = (contender.clone(), keys.clone());
            async move { contender.touch_all(some_of(&keys, part + round, 100_000)).await }
        })
    });
    print("load + touch", &loads);
    let updates = rounds(15, &contenders, |contender, round| {
        each_on(&runtime, threads, 20_000, |part| {
            let (contender, keys) = (contender.clone(), keys.clone());
            async move { contender.update_all(some_of(&keys, part + round, 20_000)).await }
        })
    });
    print("update", &updates);
    let creations = rounds(11, &contenders, |contender, _| {
        let parts: Vec<Arc<Vec<Planned>>> = (0..threads).map(|_| Arc::new(plan(10_000, DAY).0)).collect();
        each_on(&runtime, threads, 10_000, |part| {
            let (contender, planned) = (contender.clone(), parts[part].clone());
            async move {
                for session in planned.iter() {
                    contender.create(session).await;
                }
            }
        })
    });
    print("create", &creations);

    let to_bare = ratio(&loads[0], &loads[1]);
    println!("target: load + touch at most 1.15 times the bare map's: {to_bare:.2}, {}", verdict(to_bare <= 1.15));
    if (count, threads) == (1_000, 2) {
        let to_tower = ratio(&loads[3], &loads[0]);
        println!("target: at least 7 times as fast as tower-sessions: {to_tower:.1}, {}", verdict(to_tower >= 7.0));
    }
}

/// How many of so many threads really run at a time, while others use the machine too.
fn free_cores(threads: usize) -> f64 {
    let spin = || (0..20_000_000_u64).fold(0, |sum, number| black_box(sum ^ number));
    let timed = |threads: usize| {
        let begin = Instant::now();
        thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(spin))));
        begin.elapsed().as_secs_f64()
    };
    let figures: Vec<f64> = (0..5).map(|_| threads as f64 * timed(1) / timed(threads)).collect();
    median(&figures)
}

/// Measures each contender in turn, so many times over, so that what the machine does meanwhile meets them all.
fn rounds(
    count: usize,
    contenders: &[Contender; 4],
    mut measure: impl FnMut(&Contender, usize) -> f64,
) -> [Vec<f64>; 4] {
    let mut figures = [const { Vec::new() }; 4];
    for round in 0..=count {
        for (contender, figures) in contenders.iter().zip(&mut figures) {
            let figure = measure(contender, round);
            // The first round warms up.
            if round > 0 {
                figures.push(figure);
            }
        }
    }
    figures
}

/// Runs a task of so many operations on each thread, and says what one of them took.
fn each_on<F>(runtime: &Runtime, threads: usize, operations: usize, task: impl Fn(usize) -> F) -> f64
where
    F: Future<Output = ()> + Send + 'static,
{
    let tasks: Vec<F> = (0..threads).map(task).collect();
    let begin = Instant::now();
    let tasks: Vec<_> = tasks.into_iter().map(|task| runtime.spawn(task)).collect();
    for task in tasks {
        runtime.block_on(task).expect("the task ends without a panic");
    }
    begin.elapsed().as_nanos() as f64 / operations as f64
}

/// So many of the keys, from a place that depends on `part`, over and over.
fn some_of(keys: &[Key], part: usize, operations: usize) -> impl Iterator<Item = &Key> {
    let from = part * 7_919 * operations % keys.len();
    keys[from..].iter().chain(keys.iter().cycle()).take(operations)
}

fn print(operation: &str, figures: &[Vec<f64>; 4]) {
    print!("{operation:14}");
    for figures in figures {
        print!("{:>16}", time(median(figures)));
    }
    println!("{:>14.2}", ratio(&figures[0], &figures[1]));
}
