//! How much memory a session takes: what a process of its own grows by.

use std::fs;
use std::process::Command;
use std::time::Duration;

use session_core::Owner;
use tokio::runtime::Builder;

use crate::contenders::{CONTENDERS, Contender, Planned};
use crate::figures::verdict;

const COUNT: usize = 200_000;
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What kinds of sessions are weighed: values, bytes of each, whether each has an owner, and whether there is a target.
const SHAPES: [(&str, usize, usize, bool, bool); 4] = [
    ("five values of 200 bytes, anonymous", 5, 200, false, true),
    ("five values of 200 bytes, one principal each", 5, 200, true, true),
    ("no values, anonymous", 0, 0, false, true),
    ("no values, one principal each", 0, 0, true, false),
];

/// Prints how many bytes a session takes with each contender.
pub(crate) fn compare() {
    println!("\nbytes a session, of {COUNT}");
    println!("{:46}{:>16}{:>16}{:>16}{:>16}", "", CONTENDERS[0], CONTENDERS[1], CONTENDERS[2], CONTENDERS[3]);
    for (shape, _, _, _, has_target) in SHAPES {
        let bytes = CONTENDERS.map(|contender| weigh(contender, shape));
        print!("{shape:46}");
        for bytes in bytes {
            print!("{bytes:>16.0}");
        }
        println!();
        if has_target {
            let most = bytes[1] * 1.15 + 48.0;
            println!("  target: at most 1.15 times the bare map's and 48, {most:.0}: {}", verdict(bytes[0] <= most));
        }
    }
}

/// Asks a process of its own.
fn weigh(contender: &str, shape: &str) -> f64 {
    let own = std::env::current_exe().expect("this program has a path");
    let output = Command::new(own).args(["bytes", contender, shape]).output().expect("it runs again");
    let answer = String::from_utf8_lossy(&output.stdout).trim().parse();
    answer.unwrap_or_else(|_| panic!("it said {}", String::from_utf8_lossy(&output.stderr)))
}

/// Is that process.
pub(crate) fn measure(contender: &str, shape: &str) {
    let (_, values, bytes, has_owner, _) = SHAPES.into_iter().find(|known| known.0 == shape).expect("a known shape");
    let runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
    let contender = Contender::new(contender);
    let before = resident();
    runtime.block_on(async {
        for number in 0..COUNT {
            let owner = if has_owner {
                Owner::principal("https://issuer.example", &number.to_string())
            } else {
                Owner::Anonymous
            };
            contender.create(&Planned::new(owner, values, bytes, DAY)).await;
        }
    });
    println!("{}", (resident() - before) / COUNT as f64);
}

/// How many bytes of memory this process has.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("the system says how much memory a process has");
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("the system says so in one line");
    let kib: f64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a number");
    kib * 1024.0
}
