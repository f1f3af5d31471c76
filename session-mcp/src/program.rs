//! A whole server program around a handler.

mod cli;
mod log;
mod notice;
mod settings;
mod shutdown;
mod variables;

use std::io;
use std::iter::successors;
use std::net::SocketAddr;
use std::process::ExitCode;

use rmcp::ServerHandler;
use session_core::BoxError;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::http::serve_http;
use crate::lifespan::StartError;
use crate::serve::ServeError;
use crate::stdio::serve_stdio;
use crate::tools::SessionTools;

use self::cli::Cli;

/// A whole server program around a handler, for its `main`: flags, variables and a file of settings; stdio or HTTP; a
/// log; a graceful end; exit codes. `session-mcp` is one.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use session_mcp::{Program, SessionServer};
///
/// fn main() -> ExitCode {
///     Program::new("sessions").with_version("1.2.0").run(|tools| SessionServer::new(&tools))
/// }
/// ```
///
/// `--help` shows all that can be set, with examples. Each key of [`Config`] is a variable, too: `SESSION_MCP_` and the
/// key in capitals, whatever the program is called.
///
/// Standard output belongs to the protocol. The log goes to standard error: what `RUST_LOG` asks for, by default what
/// the program says under its own name, what this library says, and the warnings of others.
///
/// The program ends with status 0 when its input does, at SIGTERM and at Ctrl-C, after the calls in flight; with 2 if
/// it cannot be served as it is set up; with 1 if something else went wrong. One line on standard error says what.
#[derive(Clone, Debug)]
pub struct Program {
    name: &'static str,
    version: Option<&'static str>,
    about: &'static str,
}

impl Program {
    /// A program of this name, which its help and its messages bear.
    #[must_use]
    pub fn new(name: &'static str) -> Self {
        Self { name, version: None, about: "An MCP server with sessions." }
    }

    /// Answers `--version` with this; `env!("CARGO_PKG_VERSION")` is that of your package.
    #[must_use]
    pub fn with_version(self, version: &'static str) -> Self {
        Self { version: Some(version), ..self }
    }

    /// Begins the help with this: a sentence that says what the program is for.
    #[must_use]
    pub fn with_about(self, about: &'static str) -> Self {
        Self { about, ..self }
    }

    /// Reads the settings, serves until the program is to end, and says how that went. `handler` makes the handler, and
    /// may mount the session tools that it is given; its clones serve, as with [`serve_http`].
    ///
    /// It makes a tokio runtime of its own, in which `handler` is called, and has to be called outside of one. A
    /// command line that cannot be read, `--help` and `--version` end the process right here.
    pub fn run<H: ServerHandler + Clone>(&self, handler: impl FnOnce(SessionTools) -> H) -> ExitCode {
        let cli = Cli::read(self);
        let config = match settings::load(&cli) {
            Ok(config) => config,
            Err(error) => return self.refuse(&error.into(), USAGE),
        };
        log::begin(config.log_format, self.name);
        let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return self.refuse(&error.into(), FAILURE),
        };
        let served = runtime.block_on(serve(&config, handler));
        // A read of standard input can block for ever; nobody waits for it.
        runtime.shutdown_background();
        match served {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failed::Usage(error)) => self.refuse(&error, USAGE),
            Err(Failed::Running(error)) => self.refuse(&error, FAILURE),
        }
    }

    /// Says in one sentence what is wrong, and why as far as that was not said.
    #[expect(clippy::print_stderr, reason = "there may be no log yet, and this is for the person who started it")]
    fn refuse(&self, error: &BoxError, code: u8) -> ExitCode {
        let mut said = error.to_string();
        for cause in successors(error.source(), |cause| cause.source()).map(ToString::to_string) {
            if !said.contains(&cause) {
                said = format!("{said}: {cause}");
            }
        }
        // A parser's message can have several lines.
        eprintln!("{}: {}", self.name, said.lines().collect::<Vec<_>>().join(": "));
        ExitCode::from(code)
    }
}

/// What a shell calls a misuse.
const USAGE: u8 = 2;
const FAILURE: u8 = 1;

enum Failed {
    /// The settings cannot be served.
    Usage(BoxError),
    /// Serving went wrong.
    Running(BoxError),
}

impl From<ServeError> for Failed {
    fn from(error: ServeError) -> Self {
        match error {
            ServeError::Start(error @ (StartError::Connect { .. } | StartError::Manager(_))) => {
                Self::Running(error.into())
            }
            ServeError::Start(error) => Self::Usage(error.into()),
            error => Self::Running(error.into()),
        }
    }
}

async fn serve<H: ServerHandler + Clone>(
    config: &Config,
    handler: impl FnOnce(SessionTools) -> H,
) -> Result<(), Failed> {
    let shutdown = shutdown::requested().map_err(|error| Failed::Running(error.into()))?;
    for notice in notice::notices(config) {
        tracing::warn!("{notice}");
    }
    match config.http {
        None => serve_stdio(config, handler, shutdown).await?,
        Some(address) => serve_http(listen(address).await?, config, handler, shutdown).await?,
    }
    Ok(())
}

async fn listen(address: SocketAddr) -> Result<TcpListener, Failed> {
    TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there; end it or choose another address",
            io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose a higher one",
            _ => "choose an address of this machine",
        };
        Failed::Running(format!("cannot listen on {address}: {advice}").into())
    })
}
