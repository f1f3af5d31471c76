//! Why a store cannot be connected.

use super::outcome::Cause;

/// Why a store cannot be connected. Each says what to do about it, by the key of the configuration, and none holds a
/// password.
///
/// What a server said is in [`source`](std::error::Error::source) alone: it is for who runs the servers, not for
/// clients.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No server answered within the deadline.
    #[error(
        "no usable Redis server at {address} within the deadline: check that the URL is right and the server runs, or \
         set `deadline` higher"
    )]
    Unreachable {
        /// Where it was looked for, without credentials.
        address: String,
        /// What went wrong last, if anything answered at all.
        source: Option<Cause>,
    },
    /// No operation can be given so long, or no time at all.
    #[error("`deadline` must be longer than nothing and at most an hour")]
    Deadline,
    /// User, password or the user's rights were refused.
    #[error("the Redis server refuses the user or password: check the credentials in the URL and the user's ACL")]
    Credentials {
        /// What the server said.
        source: Cause,
    },
    /// A sentinel refused user or password.
    #[error("a sentinel refuses the user or password: check `sentinel_credentials`")]
    SentinelCredentials {
        /// What the sentinel said.
        source: Cause,
    },
    /// The server is of a release that lacks what the store needs.
    #[error("the Redis server {}is too old: use Redis 6.2 or later, or Valkey", of(version.as_deref()))]
    TooOld {
        /// Which release it is, if it says so.
        version: Option<String>,
    },
    /// It is a node of a cluster.
    #[error("the Redis server is a node of a cluster: write redis+cluster:// or rediss+cluster:// in the URL")]
    IsCluster,
    /// It is no node of a cluster.
    #[error("the Redis server is no node of a cluster: write redis:// or rediss:// in the URL")]
    IsNoCluster,
    /// It is a sentinel.
    #[error("the server is a sentinel: write redis+sentinel://…/<master> or rediss+sentinel://…/<master> in the URL")]
    IsSentinel,
    /// It is no sentinel.
    #[error("the server is no sentinel: name the sentinels and their port, commonly 26379, in the URL")]
    IsNoSentinel,
    /// The sentinels answer, and watch over no master of this name.
    #[error("the sentinels know no master of the name `{master}`: check the end of the URL")]
    UnknownMaster {
        /// The name.
        master: String,
    },
    /// The database does not exist or may not be used.
    #[error("the Redis server refuses the database {database}: check the number in the URL")]
    Database {
        /// Its number.
        database: u32,
        /// What the server said.
        source: Cause,
    },
    /// TLS is asked for, and not compiled in.
    #[error("the URL asks for TLS, and this program was built without it: enable the feature `tls` of session-redis")]
    NoTls,
    /// A file for TLS cannot be used.
    #[error("cannot use the file of `tls.{key}`: name a readable PEM file{}", holding(key))]
    TlsFile {
        /// Which of `ca`, `certificate` and `key`.
        key: &'static str,
        /// Why not.
        source: Cause,
    },
    /// There are settings for TLS, and no TLS.
    #[error("`tls` is set, and the URL does not ask for TLS: write rediss:// with an `s`")]
    TlsUnused,
    /// Only one of a client's certificate and its key was given.
    #[error("`tls.certificate` and `tls.key` belong together: set both or none")]
    TlsPair,
    /// TLS itself failed: one side does not trust the other.
    #[error(
        "TLS with the Redis server failed: check that `tls.ca` signed its certificate, that the certificate names the \
         host in the URL, and whether it wants `tls.certificate`"
    )]
    Tls {
        /// Why.
        source: Cause,
    },
    /// The server refuses to be spoken to.
    #[error("the Redis server refuses the connection")]
    Refused {
        /// What it said.
        source: Cause,
    },
}

impl ConnectError {
    /// Whether the configuration cannot be used, whatever the servers are: none was asked.
    #[must_use]
    pub fn is_misconfiguration(&self) -> bool {
        matches!(self, Self::Deadline | Self::NoTls | Self::TlsFile { .. } | Self::TlsUnused | Self::TlsPair)
    }
}

fn of(version: Option<&str>) -> String {
    version.map_or_else(String::new, |version| format!("({version}) "))
}

fn holding(key: &str) -> &'static str {
    match key {
        "ca" => " of the certificate authorities to trust",
        "certificate" => " of this client's certificate",
        _ => " of this client's private key",
    }
}
