//! Which servers a URL means.

use std::fmt;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Deserializer, de};

/// Which servers, and how to reach them: `redis://`, `rediss://`, `redis+cluster://` or `redis+sentinel://`.
///
/// `Debug` shows the servers and no credentials.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RedisUrl {
    topology: Topology,
    credentials: Option<Credentials>,
}

impl RedisUrl {
    /// Which servers.
    #[must_use]
    pub fn topology(&self) -> &Topology {
        &self.topology
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
    /// One server.
    Standalone {
        /// Where it is.
        server: Endpoint,
        /// Which of its databases.
        database: u32,
        /// Whether to speak TLS.
        tls: bool,
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
        /// Which of its databases.
        database: u32,
    },
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
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    user: Option<String>,
    password: Option<String>,
}

impl Credentials {
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
        let topology = match scheme {
            "redis" | "rediss" => Topology::Standalone {
                server: Endpoint::parse(servers, REDIS_PORT)?,
                database: database(path)?,
                tls: scheme == "rediss",
            },
            "redis+cluster" if path.is_empty() => Topology::Cluster { nodes: endpoints(servers, REDIS_PORT)? },
            "redis+cluster" => return Err(InvalidRedisUrl::ClusterDatabase),
            "redis+sentinel" => {
                let (master, path) = path.split_once('/').unwrap_or((path, ""));
                if master.is_empty() {
                    return Err(InvalidRedisUrl::Master);
                }
                let sentinels = endpoints(servers, SENTINEL_PORT)?;
                Topology::Sentinel { sentinels, master: master.to_owned(), database: database(path)? }
            }
            _ => return Err(InvalidRedisUrl::Form),
        };
        Ok(Self { topology, credentials })
    }
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

fn endpoints(list: &str, default_port: u16) -> Result<Vec<Endpoint>, InvalidRedisUrl> {
    list.split(',').map(|server| Endpoint::parse(server, default_port)).collect()
}

fn database(path: &str) -> Result<u32, InvalidRedisUrl> {
    if path.is_empty() { Ok(0) } else { path.parse().map_err(|_| InvalidRedisUrl::Database) }
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
    #[error("a Redis URL begins with redis://, rediss://, redis+cluster:// or redis+sentinel://")]
    Form,
    /// A server is not written as it should be.
    #[error("a server in a Redis URL is written as `host`, `host:port` or `[address]:port`, several with commas")]
    Server,
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
        assert_eq!(*url.topology(), Topology::Standalone { server: at("db", 6379), database: 0, tls: false });
        let url = parse("rediss://u:p%40ss@[::1]:7000/3").expect("valid");
        assert_eq!(*url.topology(), Topology::Standalone { server: at("::1", 7000), database: 3, tls: true });
        let credentials = url.credentials().expect("the URL has some");
        assert_eq!((credentials.user(), credentials.password()), (Some("u"), Some("p@ss")));
    }

    #[test]
    fn a_cluster_is_a_list_of_nodes() {
        let url = parse("redis+cluster://:pw@a,b:7001").expect("valid");
        assert_eq!(*url.topology(), Topology::Cluster { nodes: vec![at("a", 6379), at("b", 7001)] });
        assert_eq!(url.credentials().and_then(Credentials::password), Some("pw"));
        assert_eq!(parse("redis+cluster://a/1"), Err(InvalidRedisUrl::ClusterDatabase));
    }

    #[test]
    fn sentinels_name_their_master() {
        let url = parse("redis+sentinel://a,b:26380/mymaster/2").expect("valid");
        let sentinels = vec![at("a", 26379), at("b", 26380)];
        assert_eq!(*url.topology(), Topology::Sentinel { sentinels, master: "mymaster".to_owned(), database: 2 });
        assert_eq!(parse("redis+sentinel://a,b"), Err(InvalidRedisUrl::Master));
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
        ] {
            assert_eq!(parse(url), Err(why), "{url}");
        }
    }

    #[test]
    fn debug_shows_servers_and_no_credentials() {
        let shown = format!("{:?}", parse("redis://user:geheim@db:7000").expect("valid"));
        assert!(shown.contains("db") && !shown.contains("geheim") && !shown.contains("user:"), "{shown}");
        assert!(!shown.contains("\"user\""), "{shown}");
    }
}
