//! What the store costs, beside the commands that it sends sent by themselves and beside another store that people use
//! with Redis. Starts its servers, prints tables, takes about two minutes.
//!
//! `cargo bench -p session-redis` prints all; with one of `reads`, `updates`, `lives` and `bytes` behind `--`, that part.

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
    let is_wanted = |part: &str| parts.is_empty() || parts.iter().any(|wanted| wanted == part);
    // One thread is the client, so that the server has a core of its own and each figure is of one of them.
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        speed::compare(is_wanted).await;
        if is_wanted("bytes") {
            bytes::compare().await;
        }
    });
}
