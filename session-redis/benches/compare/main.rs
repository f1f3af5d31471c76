//! What the store costs, beside the commands that it sends sent by themselves and beside another store that people use
//! with Redis. Starts its servers, prints tables, takes about three minutes.
//!
//! `cargo bench -p session-redis` prints all; with one of `reads`, `updates`, `lives` and `bytes` behind `--`, that
//! part.

#![expect(clippy::print_stdout, reason = "the tables are what it is run for")]
#![expect(clippy::cast_precision_loss, reason = "figures are printed with three digits")]

mod bytes;
mod contenders;
mod figures;
mod processor;
mod recording;
mod sessions;
mod speed;

use tokio::runtime::Builder;

fn main() {
    let (options, parts): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|argument| argument.starts_with("--"));
    if !options.iter().any(|option| option == "--bench") {
        return println!("run me with `cargo bench`");
    }
    for threads in [1, 2] {
        // With one thread the server has a core of its own; with two it is as in a server of the usual runtime.
        println!("\n== a client of {threads} thread(s)");
        let runtime = Builder::new_multi_thread().worker_threads(threads).enable_all().build().expect("a runtime");
        let compared = runtime.spawn({
            let parts = parts.clone();
            async move { speed::compare(|part| is_wanted(&parts, part)).await }
        });
        runtime.block_on(compared).expect("the comparison ends without a panic");
    }
    if is_wanted(&parts, "bytes") {
        Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(bytes::compare());
    }
}

fn is_wanted(parts: &[String], part: &str) -> bool {
    parts.is_empty() || parts.iter().any(|wanted| wanted == part)
}
