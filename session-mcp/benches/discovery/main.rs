//! What finding a project costs, beside the file work that nobody can do without. Prints tables; takes a minute.

#![expect(clippy::print_stdout, reason = "the tables are what it is run for")]
#![expect(clippy::cast_precision_loss, reason = "figures are printed with three digits")]

mod contenders;
mod figures;
mod tree;

use std::path::PathBuf;
use std::thread;
use std::time::Instant;

use self::contenders::{CanonicalCheck, Contender, Found, Raw, RawCheck, Stat};
use self::figures::{median, ratio, time, verdict};
use self::tree::Tree;

/// How many rounds there are. In each, every contender has its turn.
const ROUNDS: usize = 41;

/// How many directories are looked up in a round that keeps nothing.
const COLD: usize = 400;

/// How many directories are looked up over and over, and how often, in a round that keeps everything.
const WARM: (usize, usize) = (50, 40);

fn main() {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run me with `cargo bench`");
        return;
    }
    for depth in [1, 20] {
        let tree = Tree::new(depth, COLD);
        for is_confined in [false, true] {
            for threads in [1, 2] {
                compare(&tree, depth, threads, is_confined);
            }
        }
    }
}

fn compare(tree: &Tree, depth: usize, threads: usize, is_confined: bool) {
    let roots = if is_confined { vec![tree.root().to_owned()] } else { Vec::new() };
    let whether = if is_confined { "beneath an allowed root" } else { "anywhere" };
    println!("\ndepth {depth}, {threads} threads, {whether}: a lookup as each thread sees it");

    let kept = Found::new(&roots);
    let warm = &tree.directories()[..WARM.0];
    let [found, check, canonical, stat] = rounds(|| {
        [
            measure(threads, warm, WARM.1, &kept),
            measure(threads, warm, WARM.1, &RawCheck),
            measure(threads, warm, WARM.1, &CanonicalCheck),
            measure(threads, warm, WARM.1, &Stat),
        ]
    });
    let more: Vec<f64> =
        found.iter().zip(&check).zip(&stat).map(|((found, check), stat)| (found - check) / stat).collect();
    let more = median(&more);
    println!(
        "  hit   {:>10}   raw check {:>10}   with links resolved {:>10}   one stat {:>10}",
        time(&found),
        time(&check),
        time(&canonical),
        time(&stat)
    );
    println!(
        "        target: at most one stat more than the raw check: {more:.2} stats more, {}",
        verdict(more <= 1.0)
    );

    let [found, raw] = rounds(|| {
        let cold = Found::new(&roots);
        [measure(threads, tree.directories(), 1, &cold), measure(threads, tree.directories(), 1, &Raw)]
    });
    let times = ratio(&found, &raw);
    println!("  miss  {:>10}   raw walk  {:>10}", time(&found), time(&raw));
    println!("        target: at most 1.3 times the raw walk: {times:.2} times, {}", verdict(times <= 1.3));
}

/// Gives every contender its turn, so many times over, so that what the machine does meanwhile meets them all.
fn rounds<const CONTENDERS: usize>(mut round: impl FnMut() -> [f64; CONTENDERS]) -> [Vec<f64>; CONTENDERS] {
    let mut figures = [const { Vec::new() }; CONTENDERS];
    for number in 0..=ROUNDS {
        let measured = round();
        // The first round warms up.
        if number > 0 {
            figures.iter_mut().zip(measured).for_each(|(figures, figure)| figures.push(figure));
        }
    }
    figures
}

/// Looks up a share of the directories on each thread, so many times over, and says what one lookup took.
fn measure(threads: usize, directories: &[PathBuf], times: usize, contender: &impl Contender) -> f64 {
    let share = directories.len() / threads;
    let begun = Instant::now();
    thread::scope(|scope| {
        for directories in directories.chunks_exact(share) {
            scope.spawn(move || {
                for directory in (0..times).flat_map(|_| directories) {
                    contender.look(directory);
                }
            });
        }
    });
    begun.elapsed().as_nanos() as f64 / (share * times) as f64
}
