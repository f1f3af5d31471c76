//! What a call of a tool costs a server, beside a server of bare rmcp that has no sessions of ours. Starts its servers,
//! prints tables, takes a minute and a half.
//!
//! What is compared is the processor time that the servers had, so it does not matter what the callers need. Both kinds
//! of servers take turns in the same run, and what is printed is the median of their rounds.

#![expect(clippy::print_stdout, reason = "the tables are what it is run for")]
#![expect(clippy::cast_precision_loss, reason = "figures are printed with three digits")]

mod balancer;
mod caller;
mod compare;
mod figures;
mod nowhere;
mod process;
mod processor;
mod relay;
mod server;

use tokio::runtime::Builder;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, kind, store] = &*arguments
        && flag == process::SERVE
    {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        return runtime.block_on(server::serve(kind, store));
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return println!("run me with `cargo bench`");
    }
    Builder::new_current_thread().enable_all().build().expect("a runtime").block_on(compare::all());
}
