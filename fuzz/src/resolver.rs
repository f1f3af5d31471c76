//! What clients can say.

mod caller;
mod stage;

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use self::stage::Stage;

/// Lets four callers say the lines of a script to one server, and holds after each what they were told, and what became
/// of everybody's sessions, against what was promised.
///
/// A line is a digit that says who speaks, and a JSON-RPC request. In it `$meta` stands for what a request of
/// 2026-07-28 says of itself, `$0` to `$9` for the handles that the speaker was given so far, `@0` to `@9` for those
/// that anybody was given, and `~0` to `~9` for the locators in those. `+60` lets a minute pass. What is no line is
/// passed over.
pub fn resolver(script: &str) {
    thread_local!(static RUNTIME: Runtime = runtime());
    RUNTIME.with(|runtime| runtime.block_on(play(script)));
}

async fn play(script: &str) {
    let mut stage = Stage::set().await;
    for line in script.lines().take(MAX_LINES) {
        let Some(who) = line.chars().next() else { continue };
        match (who, who.to_digit(10)) {
            (_, Some(who)) => stage.say(who as usize, &line[1..]).await,
            ('+', _) => stage.wait(Duration::from_secs(line[1..].parse().unwrap_or(0))).await,
            _ => {}
        }
    }
}

/// More tells nothing that fewer do not.
const MAX_LINES: usize = 24;

/// A runtime whose clock moves when it is told to.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().expect("a timer")
}
