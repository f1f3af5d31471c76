//! The log: on standard error, because standard output belongs to the protocol.

use std::io::{IsTerminal as _, stderr};

use tracing_subscriber::filter::{EnvFilter, FilterExt as _, filter_fn};
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::config::LogFormat;

/// Begins to log what `RUST_LOG` asks for, by default what the program of this name and its sessions say, and the
/// warnings of others. What rmcp says is never logged.
pub(super) fn begin(format: LogFormat, program: &str) {
    let asked = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let understood = asked.as_deref().map(EnvFilter::try_new).transpose();
    let misunderstood = understood.is_err();
    let wanted = understood.ok().flatten().unwrap_or_else(|| by_default(program));
    // rmcp writes request ids, arguments and session names into its log as they come; a client could write lines of
    // its own there.
    let safe = filter_fn(|metadata| !metadata.target().starts_with("rmcp"));
    let lines = match format {
        LogFormat::Text => layer().with_writer(stderr).with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => layer().json().flatten_event(true).with_writer(stderr).boxed(),
    };
    tracing_subscriber::registry().with(lines.with_filter(wanted.and(safe))).init();
    if misunderstood {
        tracing::warn!("RUST_LOG is not understood and ignored; it looks like `warn,session_mcp=debug`");
    }
    std::panic::set_hook(Box::new(|panic| {
        // Where, and not what: a message can hold anything a client sent.
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a call failed by a panic");
    }));
}

fn by_default(program: &str) -> EnvFilter {
    let sessions = EnvFilter::new("warn,session_mcp=info,session_redis=info");
    match format!("{}=info", program.replace('-', "_")).parse() {
        Ok(own) => sessions.add_directive(own),
        Err(_) => sessions,
    }
}
