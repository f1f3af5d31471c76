//! An MCP server that keeps a working directory and small values for each of its clients.

mod cli;
mod log;
mod settings;
mod shutdown;
mod variables;

use std::iter::successors;
use std::process::ExitCode;

use clap::Parser as _;
use session_core::BoxError;
use session_mcp::{Config, ServeError, SessionServer, StartError, serve_http, serve_stdio};
use tokio::net::TcpListener;

use self::cli::Cli;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let config = match settings::load(&cli) {
        Ok(config) => config,
        Err(error) => return refuse(&error.into(), USAGE),
    };
    log::begin(config.log_format);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return refuse(&error.into(), FAILURE),
    };
    let served = runtime.block_on(serve(&config));
    // A read of standard input can block for ever; nobody waits for it.
    runtime.shutdown_background();
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed::Usage(error)) => refuse(&error, USAGE),
        Err(Failed::Running(error)) => refuse(&error, FAILURE),
    }
}

/// What a shell calls a misuse.
const USAGE: u8 = 2;
const FAILURE: u8 = 1;

/// Says in one sentence what is wrong, and why as far as that was not said.
#[expect(clippy::print_stderr, reason = "there may be no log yet, and this is for the person who started it")]
fn refuse(error: &BoxError, code: u8) -> ExitCode {
    let mut said = error.to_string();
    for cause in successors(error.source(), |cause| cause.source()).map(ToString::to_string) {
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    eprintln!("session-mcp: {said}");
    ExitCode::from(code)
}

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

async fn serve(config: &Config) -> Result<(), Failed> {
    let shutdown = shutdown::requested().map_err(|error| Failed::Running(error.into()))?;
    let server = |tools: session_mcp::SessionTools| SessionServer::new(&tools);
    let Some(address) = config.http else { return Ok(serve_stdio(config, server, shutdown).await?) };
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let advice = match error.kind() {
            std::io::ErrorKind::AddrInUse => "another program listens there; end it or choose another address",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose a higher one",
            _ => "choose an address of this machine",
        };
        Failed::Running(format!("cannot listen on {address}: {advice}").into())
    })?;
    if !address.ip().is_loopback() && config.allowed_hosts == Config::default().allowed_hosts {
        tracing::warn!("others can connect, but only requests for localhost are served; see --allowed-host");
    }
    Ok(serve_http(listener, config, server, shutdown).await?)
}
