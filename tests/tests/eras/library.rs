//! The libraries that clients are made with.

use std::path::PathBuf;
use std::process::Command;

/// A library, used as its documentation begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    /// Python `mcp` 1.30.
    Mcp1,
    /// `@modelcontextprotocol/sdk` 1.32.
    Sdk1,
    /// `@modelcontextprotocol/client` 2.4.
    Client2,
    /// Python `mcp` 2.3.
    Mcp2,
    /// `fastmcp` 4.1.2.
    FastMcp4,
    /// `@modelcontextprotocol/client` 2.4, told to negotiate.
    Client2Negotiating,
}

impl Library {
    pub(crate) const ALL: [Self; 6] =
        [Self::Mcp1, Self::Sdk1, Self::Client2, Self::Mcp2, Self::FastMcp4, Self::Client2Negotiating];

    /// The protocol version it has to agree on with a server that speaks all of them.
    pub(crate) fn protocol(self) -> &'static str {
        match self {
            Self::Mcp1 | Self::Sdk1 | Self::Client2 => "2025-11-25",
            Self::Mcp2 | Self::FastMcp4 | Self::Client2Negotiating => "2026-07-28",
        }
    }

    /// Whether a connection of it has a session of its own, without a handle.
    pub(crate) fn has_sessions(self) -> bool {
        self.protocol() < "2026-07-28"
    }

    /// Its driver, which connects to what the arguments name.
    ///
    /// # Panics
    ///
    /// If it is not installed.
    pub(crate) fn driver(self) -> Command {
        // Asked when running: a build directory may be shared by several checkouts.
        let package = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests"));
        let (name, environment) = match self {
            Self::Mcp1 => ("mcp_1.py", "mcp_1"),
            Self::Mcp2 => ("mcp_2.py", "mcp_2"),
            Self::FastMcp4 => ("fastmcp_4.py", "fastmcp_4"),
            Self::Sdk1 => ("sdk_1.mjs", "npm"),
            Self::Client2 | Self::Client2Negotiating => ("client_2.mjs", "npm"),
        };
        let installed = package.join("../target/clients").join(environment);
        assert!(installed.exists(), "{environment} is not installed; `tests/run` installs it");
        let (program, options) = match environment {
            "npm" => (PathBuf::from("node"), None),
            _ => (installed.join("bin/python"), Some("-B")),
        };
        let mut command = Command::new(program);
        // Neither a proxy nor the settings of whoever runs the tests get between client and server.
        command.env_clear().envs(["HOME", "PATH"].iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        if self == Self::Client2Negotiating {
            command.env("CLIENT_2_NEGOTIATES", "1");
        }
        command.args(options).arg(package.join("clients").join(name));
        command
    }
}
