//! What is said first on a connection, and what the server must be.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use redis::{Cmd, Pipeline, ProtocolVersion, RedisConnectionInfo, RedisError, ServerError, Value};

use super::dial::DialError;
use super::error::ConnectError;
use super::outcome::{Answered, Verdict};
use crate::url::Credentials;

/// What is said first: who we are, and which database.
#[derive(Debug)]
pub(crate) struct Handshake {
    pub(crate) credentials: Option<Credentials>,
    pub(crate) database: u32,
    pub(crate) expected: Expected,
}

/// What the server must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    /// The master of its own data.
    Master,
    /// A node of a cluster, whichever its role: a replica answers `MOVED`.
    ClusterNode,
    /// A sentinel.
    Sentinel,
}

impl Handshake {
    /// The commands.
    pub(crate) fn steps(&self) -> Pipeline {
        let mut hello = redis::cmd("HELLO");
        hello.arg(2);
        if let Some(credentials) = &self.credentials {
            let user = credentials.user().unwrap_or("default");
            hello.arg("AUTH").arg(user).arg(credentials.password().unwrap_or_default());
        }
        let mut steps = Pipeline::with_capacity(2);
        steps.add_command(hello);
        if self.database != 0 {
            let mut select = Cmd::new();
            select.arg("SELECT").arg(self.database);
            steps.add_command(select);
        }
        steps
    }

    /// Who we are, for the library to say first where the server is to say what nobody asked for. What is published
    /// belongs to no database.
    pub(crate) fn as_whom(&self) -> RedisConnectionInfo {
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name().set_protocol(ProtocolVersion::RESP3);
        match &self.credentials {
            Some(credentials) => {
                let user = credentials.user().unwrap_or("default");
                nobody.set_username(user).set_password(credentials.password().unwrap_or_default())
            }
            None => nobody,
        }
    }

    /// Asks what the server is, once the library has said that.
    pub(crate) fn question() -> Pipeline {
        let mut steps = Pipeline::with_capacity(1);
        steps.cmd("HELLO");
        steps
    }

    /// Judges what became of it if the library said it in vain.
    pub(crate) fn refused(&self, error: RedisError) -> DialError {
        match ServerError::try_from(error) {
            Ok(error) => self.check(&[Value::ServerError(error)]).expect_err("an error is no welcome"),
            Err(error) => DialError::NotNow(Arc::new(error)),
        }
    }

    /// Judges the replies.
    pub(crate) fn check(&self, replies: &[Value]) -> Result<(), DialError> {
        let never = |error| Err(DialError::Never(error));
        match replies.first() {
            Some(Value::ServerError(error)) => {
                let cause = Arc::new(Answered(error.clone()));
                return match (error.code(), Verdict::on(error)) {
                    ("NOAUTH" | "WRONGPASS" | "NOPERM", _) => never(self.credentials_error(cause)),
                    // HELLO came with 6.0.
                    (_, Verdict::Refused) if is_unknown_command(error) => never(ConnectError::TooOld { version: None }),
                    (_, Verdict::Refused) => never(ConnectError::Refused { source: cause }),
                    _ => Err(DialError::NotNow(cause)),
                };
            }
            Some(hello) => self.check_hello(&Hello::of(hello))?,
            None => return Err(DialError::NotNow(Arc::new(Unfit::Silent))),
        }
        match replies.get(1) {
            Some(Value::ServerError(error)) => {
                let cause = Arc::new(Answered(error.clone()));
                match (error.code(), Verdict::on(error)) {
                    ("NOAUTH" | "NOPERM", _) => never(self.credentials_error(cause)),
                    (_, Verdict::Refused) => never(ConnectError::Database { database: self.database, source: cause }),
                    _ => Err(DialError::NotNow(cause)),
                }
            }
            _ => Ok(()),
        }
    }

    fn check_hello(&self, hello: &Hello<'_>) -> Result<(), DialError> {
        let is_redis = hello.text("server") == Some("redis");
        let version = hello.text("version").unwrap_or_default();
        if is_redis && release(version) < OLDEST {
            return Err(DialError::Never(ConnectError::TooOld { version: Some(version.to_owned()) }));
        }
        match (self.expected, hello.text("mode")) {
            (Expected::Master, Some("cluster")) => return Err(DialError::Never(ConnectError::IsCluster)),
            (Expected::Master | Expected::ClusterNode, Some("sentinel")) => {
                return Err(DialError::Never(ConnectError::IsSentinel));
            }
            (Expected::ClusterNode, Some("standalone")) => return Err(DialError::Never(ConnectError::IsNoCluster)),
            (Expected::Sentinel, Some("standalone" | "cluster")) => {
                return Err(DialError::Never(ConnectError::IsNoSentinel));
            }
            _ => {}
        }
        // A server that is demoted now can be promoted again, or its address can lead to another one soon.
        if self.expected == Expected::Master && hello.text("role") != Some("master") {
            return Err(DialError::NotNow(Arc::new(Unfit::Replica)));
        }
        Ok(())
    }

    fn credentials_error(&self, source: Arc<Answered>) -> ConnectError {
        match self.expected {
            Expected::Sentinel => ConnectError::SentinelCredentials { source },
            _ => ConnectError::Credentials { source },
        }
    }
}

const OLDEST: (u32, u32) = (6, 2);

/// The first two numbers of a version.
fn release(version: &str) -> (u32, u32) {
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

fn is_unknown_command(error: &ServerError) -> bool {
    error.details().is_some_and(|text| text.starts_with("unknown command"))
}

/// What the server says of itself.
struct Hello<'a>(HashMap<&'a [u8], &'a Value>);

impl<'a> Hello<'a> {
    fn of(reply: &'a Value) -> Self {
        let pairs: Vec<(&Value, &Value)> = match reply {
            Value::Array(items) => items.chunks_exact(2).map(|pair| (&pair[0], &pair[1])).collect(),
            Value::Map(pairs) => pairs.iter().map(|(key, value)| (key, value)).collect(),
            _ => Vec::new(),
        };
        let named = pairs.into_iter().filter_map(|(key, value)| match key {
            Value::BulkString(key) => Some((key.as_slice(), value)),
            _ => None,
        });
        Self(named.collect())
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        match self.0.get(key.as_bytes()) {
            Some(Value::BulkString(text)) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }
}

/// A server that does not fit now.
#[derive(Debug)]
enum Unfit {
    Replica,
    Silent,
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Replica => "the server is a replica, not the master",
            Self::Silent => "the server answered nothing",
        })
    }
}

impl std::error::Error for Unfit {}
