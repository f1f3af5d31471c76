//! What the command line says. Its documentation is the help, where Markdown would only disturb.
#![expect(clippy::doc_markdown, reason = "the help is no Markdown")]

use std::path::PathBuf;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};
use serde::Serialize;

use crate::config::LogFormat;

use super::Program;

#[derive(Debug, Parser, Serialize)]
#[command(after_help = "See --help for examples.")]
pub(super) struct Cli {
    /// Serve Streamable HTTP at http://ADDR/mcp instead, and /readyz and /healthz beside it.
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,

    /// Where sessions are kept: memory, or a Redis at redis://… redis+unix://… redis+cluster://… redis+sentinel://…, or
    /// rediss for TLS. What is in a flag, others on the machine can read: pass a password in a variable or the file.
    /// [default: memory]
    #[arg(long, value_name = "STORE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,

    /// Serve over HTTP only who has one of the bearer tokens in this TOML file.
    #[arg(long, value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tokens: Option<PathBuf>,

    /// Read settings from a TOML file. Flags and variables win over it.
    #[arg(long, value_name = "FILE", env = "SESSION_MCP_CONFIG")]
    #[serde(skip)]
    pub(super) config: Option<PathBuf>,

    /// How long a session lives without being used, such as 30m. [default: 24h]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    idle_timeout: Option<String>,

    /// How long a session lives at all, such as 7days. [default: 7days]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    absolute_lifetime: Option<String>,

    /// How often the memory of expired sessions is freed. [default: 1h]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    sweep_interval: Option<String>,

    /// How long to go on serving at the end, when /readyz says that no more should come. [default: 0s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_delay: Option<String>,

    /// How long calls in flight are waited for at the end. [default: 10s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    drain_timeout: Option<String>,

    /// Serve requests with this Host, a name or name:port; * for any. Can be repeated. [default: localhost, 127.0.0.1,
    /// ::1]
    #[arg(long = "allowed-host", value_name = "HOST")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_hosts: Vec<String>,

    /// Serve requests with this Origin, :* for any port; * for any. Can be repeated. [default: localhost over http]
    #[arg(long = "allowed-origin", value_name = "ORIGIN")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_origins: Vec<String>,

    /// Let sessions work in this directory, and in what is beneath it; can be repeated. [default: any directory]
    #[arg(long = "allowed-root", value_name = "DIR")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    allowed_roots: Vec<PathBuf>,

    /// The longest request body over HTTP. [default: 4194304]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    body_limit: Option<usize>,

    /// Ask clients to repeat the handle of a session in a header, on which a balancer can route. Needs --tokens.
    #[arg(long)]
    #[serde(skip_serializing_if = "is_off")]
    handle_header: bool,

    /// How the log on standard error is written. RUST_LOG says what is written. [default: text]
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<LogFormat>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_off(flag: &bool) -> bool {
    !flag
}

impl Cli {
    /// Reads the command line of a program. One that cannot be read ends the process, as `--help` does.
    pub(super) fn read(program: &Program) -> Self {
        let mut command = Self::command()
            .name(program.name)
            .about(program.about)
            .long_about(format!("{}\n\n{LAUNCH}", program.about))
            .after_long_help(examples(program.name));
        if let Some(version) = program.version {
            command = command.version(version);
        }
        Self::from_arg_matches(&command.get_matches()).unwrap_or_else(|error| error.exit())
    }
}

const LAUNCH: &str = "Without arguments it serves over standard input and output, which is how MCP clients launch it; \
                      with --http, many clients share one process.";

fn examples(name: &str) -> String {
    format!(
        "\
Every setting has a key in the file, a variable (SESSION_MCP_ and the key in capitals, with two
underscores after a section) and mostly a flag. Flags win over variables, variables over the file.

Examples:

  In an MCP client that launches its servers, the command is
      {name}

  Many clients share one server, each with its own sessions:
      {name} --http 127.0.0.1:8787 --idle-timeout 30m

  Only who has a token is served, and their sessions are theirs alone:
      token=$(openssl rand -base64 32)  # for alice's client, as Authorization: Bearer
      printf %s \"$token\" | sha256sum    # for the file tokens.toml:
          [[token]]
          sha256 = \"the 64 digits\"
          issuer = \"https://sessions.internal\"
          subject = \"alice\"
      {name} --http 127.0.0.1:8787 --tokens tokens.toml

  Sessions work in projects beneath these directories, and nowhere else:
      {name} --http 127.0.0.1:8787 --allowed-root /srv/checkouts --allowed-root \"$HOME/src\"

  In a container, where others connect by name:
      export SESSION_MCP_HTTP=0.0.0.0:8787 SESSION_MCP_ALLOWED_HOSTS=sessions.internal
      {name} --tokens tokens.toml --log-format json

  Several servers share the sessions of one Redis:
      export SESSION_MCP_STORE=rediss://sessions:password@redis.internal
      {name} --http 0.0.0.0:8787 --allowed-host sessions.internal --tokens tokens.toml

  With settings in a file, {name} --config sessions.toml:
      http = \"127.0.0.1:8787\"
      store = \"redis://127.0.0.1:6379\"
      idle_timeout = \"30m\"
      absolute_lifetime = \"7days\"
      allowed_origins = [\"http://localhost:*\", \"https://inspector.example.com:443\"]

      [limits]
      sessions = 10000
      value_bytes = 65536

      [redis]
      key_prefix = \"shop\"
      deadline = \"1s\"

  Over stdio, one person's sessions, which they can list and take up again:
      export SESSION_MCP_LOCAL_PRINCIPAL__ISSUER=https://sessions.internal
      export SESSION_MCP_LOCAL_PRINCIPAL__SUBJECT=alice
      {name} --store redis://127.0.0.1:6379"
    )
}
