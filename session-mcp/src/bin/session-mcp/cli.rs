//! What the command line says. Its documentation is the help, where Markdown would only disturb.
#![expect(clippy::doc_markdown, reason = "the help is no Markdown")]

use std::path::PathBuf;

use clap::Parser;
use serde::Serialize;
use session_mcp::LogFormat;

/// An MCP server that keeps a working directory and small values for each of its clients, apart from everyone else's.
///
/// Without arguments it serves over standard input and output, which is how MCP clients launch it; with --http, many
/// clients share one process.
#[derive(Debug, Parser, Serialize)]
#[command(version, after_long_help = EXAMPLES, after_help = "See --help for examples.")]
pub(crate) struct Cli {
    /// Serve Streamable HTTP at http://ADDR/mcp instead, and /healthz beside it.
    #[arg(long, value_name = "ADDR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    http: Option<String>,

    /// Where sessions are kept: memory, or a Redis at redis://… redis+unix://… redis+cluster://… redis+sentinel://…, or
    /// rediss for TLS. What is in a flag, others on the machine can read: pass a password in a variable or the file.
    /// [default: memory]
    #[arg(long, value_name = "STORE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<String>,

    /// Read settings from a TOML file. Flags and variables win over it.
    #[arg(long, value_name = "FILE", env = "SESSION_MCP_CONFIG")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,

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

    /// The longest request body over HTTP. [default: 4194304]
    #[arg(long, value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    body_limit: Option<usize>,

    /// How the log on standard error is written. RUST_LOG says what is written. [default: text]
    #[arg(long, value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<LogFormat>,
}

const EXAMPLES: &str = "\
Every setting has a key in the file, a variable (SESSION_MCP_ and the key in capitals, with two
underscores after a section) and mostly a flag. Flags win over variables, variables over the file.

Examples:

  In an MCP client that launches its servers, the command is
      session-mcp

  Many clients share one server, each with its own sessions:
      session-mcp --http 127.0.0.1:8787 --idle-timeout 30m

  In a container, where others connect by name:
      export SESSION_MCP_HTTP=0.0.0.0:8787 SESSION_MCP_ALLOWED_HOSTS=sessions.internal
      session-mcp --log-format json

  Several servers share the sessions of one Redis:
      export SESSION_MCP_STORE=rediss://sessions:password@redis.internal
      session-mcp --http 0.0.0.0:8787 --allowed-host sessions.internal

  With settings in a file, session-mcp --config sessions.toml:
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
      deadline = \"1s\"";
