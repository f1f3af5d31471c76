//! Which servers a URL means.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, de};

/// Which servers, and how to reach them: `redis://`, `redis+unix://`, `redis+cluster://` or `redis+sentinel://`, and
/// with TLS `rediss://`, `rediss+cluster://` or `rediss+sentinel://`.
///
/// `Debug` shows the servers and no credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedisUrl {
    topology: Topology,
    database: u32,
    tls: bool,
    credentials: Option<Credentials>,
}

impl RedisUrl {
    /// Which servers.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
    }

    /// Which of their databases; 0 in a cluster.
    #[must_use]
    pub fn database(&self) -> u32 {
        self.database
    }

    /// Whether to speak TLS, with every one of them.
    #[must_use]
    pub fn tls(&self) -> bool {
        self.tls
    }

    /// As whom to connect, if the URL says so.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

/// Which servers hold the sessions.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Topology {
    /// One server at a port.
    Standalone {
        /// Where it is.
        server: Endpoint,
    },
    /// One server at a socket of this machine.
    Unix {
        /// Where it is.
        path: PathBuf,
    },
    /// A cluster.
    Cluster {
        /// Nodes to find the others through.
        nodes: Vec<Endpoint>,
    },
    /// A server that sentinels watch over.
    Sentinel {
        /// The sentinels.
        sentinels: Vec<Endpoint>,
        /// What they call the master.
        master: String,
    },
}

impl fmt::Display for Topology {
    /// Where the servers are, as a person would say it in a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standalone { server } => server.fmt(f),
            Self::Unix { path } => path.display().fmt(f),
            Self::Cluster { nodes: servers } | Self::Sentinel { sentinels: servers, .. } => {
                let servers: Vec<String> = servers.iter().map(Endpoint::to_string).collect();
                f.write_str(&servers.join(", "))
            }
        }
    }
}

/// A server's address.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a host and a port")]
pub struct Endpoint {
    /// A name or an address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl Endpoint {
    fn parse(text: &str, default_port: u16) -> Result<Self, InvalidRedisUrl> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']').ok_or(InvalidRedisUrl::Server)?;
                match (port, port.strip_prefix(':')) {
                    ("", _) => (host, None),
                    (_, Some(port)) => (host, Some(port)),
                    _ => return Err(InvalidRedisUrl::Server),
                }
            }
            None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
        };
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
        let bracketed = text.starts_with('[');
        if host.is_empty() || !host.bytes().all(allowed) || (host.contains(':') && !bracketed) {
            return Err(InvalidRedisUrl::Server);
        }
        let port = port.map_or(Ok(default_port), str::parse).map_err(|_| InvalidRedisUrl::Server)?;
        if port == 0 {
            return Err(InvalidRedisUrl::Server);
        }
        Ok(Self { host: host.to_owned(), port })
    }
}

/// As whom to connect. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    password: Option<String>,
}

impl Credentials {
    /// The credentials of this user, or of the default one, with this password if there is one.
    ///
    /// They are taken as they are: only in a URL are they percent-encoded.
    #[must_use]
    pub fn new(user: Option<&str>, password: Option<&str>) -> Self {
        Self { user: user.map(str::to_owned), password: password.map(str::to_owned) }
    }

    /// The user, if it is not the default one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password, if there is one.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    fn parse(text: &str) -> Result<Self, InvalidRedisUrl> {
        let decoded = |part: &str| {
            let part = percent_decode_str(part).decode_utf8().map_err(|_| InvalidRedisUrl::Credentials)?;
            Ok((!part.is_empty()).then(|| part.into_owned()))
        };
        let (user, password) = text.split_once(':').unwrap_or((text, ""));
        Ok(Self { user: decoded(user)?, password: decoded(password)? })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials")
    }
}

impl FromStr for RedisUrl {
    type Err = InvalidRedisUrl;

    fn from_str(url: &str) -> Result<Self, InvalidRedisUrl> {
        let (scheme, rest) = url.split_once("://").ok_or(InvalidRedisUrl::Form)?;
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (credentials, servers) = match authority.rsplit_once('@') {
            Some((credentials, servers)) => (Some(Credentials::parse(credentials)?), servers),
            None => (None, authority),
        };
        let (topology, database) = match scheme {
            "redis" | "rediss" => {
                (Topology::Standalone { server: Endpoint::parse(servers, REDIS_PORT)? }, number(path)?)
            }
            "redis+unix" if servers.is_empty() => socket(path)?,
            "redis+unix" => return Err(InvalidRedisUrl::Socket),
            "redis+cluster" | "rediss+cluster" if path.is_empty() => {
                (Topology::Cluster { nodes: endpoints(servers, REDIS_PORT)? }, 0)
            }
            "redis+cluster" | "rediss+cluster" => return Err(InvalidRedisUrl::ClusterDatabase),
            "redis+sentinel" | "rediss+sentinel" => {
                let (master, path) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(InvalidRedisUrl::Master);
                }
                let sentinels = endpoints(servers, SENTINEL_PORT)?;
                (Topology::Sentinel { sentinels, master: master.to_owned() }, number(path)?)
            }
            _ => return Err(InvalidRedisUrl::Form),
        };
        Ok(Self { topology, database, tls: scheme.starts_with("rediss"), credentials })
    }
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

fn endpoints(list: &str, default_port: u16) -> Result<Vec<Endpoint>, InvalidRedisUrl> {
    list.split(',').map(|server| Endpoint::parse(server, default_port)).collect()
}

/// The socket and the database in `path/to.sock?db=1`; the slash before it belongs to the path.
fn socket(text: &str) -> Result<(Topology, u32), InvalidRedisUrl> {
    let (path, query) = text.split_once('?').unwrap_or((text, "db=0"));
    let path = percent_decode_str(path).decode_utf8().map_err(|_| InvalidRedisUrl::Socket)?;
    if path.is_empty() || path.ends_with('/') || path.contains('\0') {
        return Err(InvalidRedisUrl::Socket);
    }
    let database = query.strip_prefix("db=").filter(|database| !database.is_empty());
    Ok((Topology::Unix { path: format!("/{path}").into() }, number(database.ok_or(InvalidRedisUrl::Socket)?)?))
}

fn number(database: &str) -> Result<u32, InvalidRedisUrl> {
    if database.is_empty() { Ok(0) } else { database.parse().map_err(|_| InvalidRedisUrl::Database) }
}

impl<'de> Deserialize<'de> for RedisUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Why a text is no URL of Redis servers. It repeats nothing of the text, which can hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRedisUrl {
    /// It has another form.
    #[error(
        "a Redis URL begins with redis://, redis+unix://, redis+cluster:// or redis+sentinel://, or with rediss://, \
         rediss+cluster:// or rediss+sentinel:// for TLS"
    )]
    Form,
    /// A server is not written as it should be.
    #[error("a server in a Redis URL is written as `host`, `host:port` or `[address]:port`, several with commas")]
    Server,
    /// A socket is not written as it should be.
    #[error("a socket in a Redis URL is written as redis+unix:///path/to.sock, with ?db=1 for another database")]
    Socket,
    /// User or password are not percent-encoded UTF-8.
    #[error("the user and password in a Redis URL must be percent-encoded UTF-8")]
    Credentials,
    /// The database is no number.
    #[error("the database in a Redis URL is a number, such as `/0`")]
    Database,
    /// A cluster has no databases.
    #[error("a Redis cluster has one database; write its URL without a path")]
    ClusterDatabase,
    /// Sentinels were named, but no master.
    #[error("a URL of sentinels ends with the name of the master, such as `/mymaster`")]
    Master,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<RedisUrl, InvalidRedisUrl> {
        url.parse()
    }

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
    }

    #[test]
    fn one_server_has_a_port_a_database_and_perhaps_tls() {
        let url = parse("redis://db").expect("valid");
        assert_eq!(*url.topology(), Topology::Standalone { server: at("db", 6379) });
        assert_eq!((url.database(), url.tls()), (0, false));
        let url = parse("rediss://u:p%40ss@[::1]:7000/3").expect("valid");
        assert_eq!(*url.topology(), Topology::Standalone { server: at("::1", 7000) });
        assert_eq!((url.database(), url.tls()), (3, true));
        let credentials = url.credentials().expect("the URL has some");
        assert_eq!((credentials.user(), credentials.password()), (Some("u"), Some("p@ss")));
    }

    #[test]
    fn a_socket_has_a_path_and_perhaps_a_database() {
        let url = parse("redis+unix:///run/redis.sock").expect("valid");
        assert_eq!(*url.topology(), Topology::Unix { path: "/run/redis.sock".into() });
        assert_eq!((url.database(), url.tls()), (0, false));
        let url = parse("redis+unix://u:pw@/run/a%20b.sock?db=2").expect("valid");
        assert_eq!(*url.topology(), Topology::Unix { path: "/run/a b.sock".into() });
        assert_eq!((url.database(), url.credentials().and_then(Credentials::user)), (2, Some("u")));
    }

    #[test]
    fn a_cluster_is_a_list_of_nodes() {
        let url = parse("redis+cluster://:pw@a,b:7001").expect("valid");
        assert_eq!(*url.topology(), Topology::Cluster { nodes: vec![at("a", 6379), at("b", 7001)] });
        assert_eq!(url.credentials().and_then(Credentials::password), Some("pw"));
        assert_eq!(parse("redis+cluster://a/1"), Err(InvalidRedisUrl::ClusterDatabase));
        assert!(parse("rediss+cluster://a").expect("valid").tls());
    }

    #[test]
    fn sentinels_name_their_master() {
        let url = parse("redis+sentinel://a,b:26380/mymaster/2").expect("valid");
        let sentinels = vec![at("a", 26379), at("b", 26380)];
        assert_eq!(*url.topology(), Topology::Sentinel { sentinels, master: "mymaster".to_owned() });
        assert_eq!((url.database(), url.tls()), (2, false));
        assert_eq!(parse("redis+sentinel://a,b"), Err(InvalidRedisUrl::Master));
        assert!(parse("rediss+sentinel://a/m").expect("valid").tls());
    }

    #[test]
    fn servers_are_shown_as_they_are_written() {
        for servers in ["db:7000", "[::1]:6379", "a:1, b:2"] {
            let scheme = if servers.contains(',') { "redis+cluster" } else { "redis" };
            let url = parse(&format!("{scheme}://u:geheim@{}", servers.replace(' ', ""))).expect("valid");
            assert_eq!(url.topology().to_string(), servers);
        }
    }

    #[test]
    fn what_is_not_written_as_it_should_be_is_refused() {
        for (url, why) in [
            ("db:6379", InvalidRedisUrl::Form),
            ("http://db", InvalidRedisUrl::Form),
            ("redis://", InvalidRedisUrl::Server),
            ("redis://a,b", InvalidRedisUrl::Server),
            ("redis://db:0", InvalidRedisUrl::Server),
            ("redis://db:70000", InvalidRedisUrl::Server),
            ("redis://::1", InvalidRedisUrl::Server),
            ("redis://[::1", InvalidRedisUrl::Server),
            ("redis://[::1]7000", InvalidRedisUrl::Server),
            ("redis://d b", InvalidRedisUrl::Server),
            ("redis+cluster://a,,b", InvalidRedisUrl::Server),
            ("redis://db/one", InvalidRedisUrl::Database),
            ("redis://%ff@db", InvalidRedisUrl::Credentials),
            ("rediss+unix:///run/redis.sock", InvalidRedisUrl::Form),
            ("redis+unix://run/redis.sock", InvalidRedisUrl::Socket),
            ("redis+unix://", InvalidRedisUrl::Socket),
            ("redis+unix:///run/", InvalidRedisUrl::Socket),
            ("redis+unix:///run/redis.sock?x=1", InvalidRedisUrl::Socket),
            ("redis+unix:///run/redis.sock?db=", InvalidRedisUrl::Socket),
            ("redis+unix:///run/redis.sock?db=x", InvalidRedisUrl::Database),
        ] {
            assert_eq!(parse(url), Err(why), "{url}");
        }
    }

    #[test]
    fn credentials_are_taken_as_they_are_and_not_shown() {
        let credentials = Credentials::new(Some("a:b"), Some("p%40ss"));
        assert_eq!((credentials.user(), credentials.password()), (Some("a:b"), Some("p%40ss")));
        assert_eq!(format!("{credentials:?}"), "Credentials");
        assert_eq!(
            Some(&Credentials::new(None, Some("p@ss"))),
            parse("redis://:p%40ss@db").expect("valid").credentials()
        );
    }

    #[test]
    fn debug_shows_servers_and_no_credentials() {
        let shown = format!("{:?}", parse("redis://user:geheim@db:7000").expect("valid"));
        assert!(shown.contains("db") && !shown.contains("geheim") && !shown.contains("user:"), "{shown}");
        assert!(!shown.contains("\"user\""), "{shown}");
    }
}
