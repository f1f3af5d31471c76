//! What an attempt came to, and what follows from it.
//!
//! Every attempt ends in one of three classes. This table is all there is to it:
//!
//! | what was seen | class | what follows |
//! | --- | --- | --- |
//! | no connection, or one that was refused by the handshake for now | not executed | back off, try again |
//! | no connection, since the handshake was refused for good | refused | [`Failure::Refused`]; in a cluster, first ask who holds the slot, and wait for somebody who is no stranger |
//! | `LOADING`, `BUSY`, `MISCONF`, `TRYAGAIN`, `CLUSTERDOWN` | not executed | back off, try again |
//! | `READONLY`, `NOREPLICAS`, `MASTERDOWN` | not executed | leave this connection: the master may be elsewhere |
//! | `NOSCRIPT` | not executed | again at once, with the script's text |
//! | `MOVED` | not executed | again at once, at the node it names |
//! | `ASK` | not executed | the steps it answers, at once, at the node it names, after `ASKING` |
//! | any of these, while another step of the request that writes was answered | unknown | the same |
//! | the connection broke or stayed silent after the request was handed over | unknown | leave this connection |
//! | the attempt's time was over, though the connection lives | unknown | try again |
//! | `OOM` | refused | [`Failure::Full`] |
//! | `NOAUTH`, `WRONGPASS`, `NOPERM`, `CROSSSLOT`, `ERR` | refused | [`Failure::Refused`] |
//! | these, raised in the middle of a script and not answered by it | unknown | [`Failure::Unavailable`] |
//! | any other error, such as `WRONGTYPE` | – | it stays in its step's place |
//!
//! *Not executed* and *unknown* are tried again until the time is over, but for what a script raised; every request of
//! ours is safe to repeat.

use std::fmt;
use std::sync::Arc;

use redis::{ServerError, Value};
use session_core::BoxError;

use super::error::ConnectError;
use super::request::Request;

/// Why a request has no answer.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It was not answered in time, or the servers refuse to work for now.
    Unavailable {
        /// Whether it may have been executed without our learning its answer.
        maybe_applied: bool,
        /// What went wrong last.
        source: Option<BoxError>,
    },
    /// The server is out of memory, and executed nothing.
    Full,
    /// The server refuses it for good: trying again does not help.
    Refused {
        /// What the server said.
        source: BoxError,
    },
}

/// An error that all who waited for the same thing get.
pub(crate) type Cause = Arc<dyn std::error::Error + Send + Sync>;

/// What one attempt came to.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// A reply for each step.
    Answered(Vec<Value>),
    /// Nothing that can be handed back, but trying again may help.
    Again {
        /// Whether some of it may have been executed.
        unknown: bool,
        /// Why.
        cause: Cause,
        /// What to do first.
        then: Then,
    },
    /// There is no connection, nor will there be one until somebody changes something.
    Never(ConnectError),
    /// The server is out of memory.
    Full(ServerError),
    /// The server refuses it for good.
    Refused {
        /// Whether some of it may have been executed.
        unknown: bool,
        /// Why.
        cause: Cause,
    },
}

/// What to do before trying again.
#[derive(Debug)]
pub(crate) enum Then {
    /// Wait a little.
    Wait,
    /// Leave this connection, and wait a little.
    Leave,
    /// Find out whether this is the right server at all: it will never take a connection of ours.
    Doubt(ConnectError),
    /// Send the text of the scripts.
    SendTexts,
    /// Go to the node at this address, which has the slot now.
    Move(String),
    /// Ask the node at this address for the steps that were not answered.
    Ask {
        /// Where it is.
        to: String,
        /// The replies so far.
        replies: Vec<Value>,
    },
}

/// What an error that a server answered means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Not executed: wait.
    Wait,
    /// Not executed: leave the connection.
    Leave,
    /// Not executed: the script is not known.
    UnknownScript,
    /// Not executed: the slot is elsewhere.
    Moved,
    /// Not executed: the key may be elsewhere.
    Ask,
    /// Refused: no memory.
    Full,
    /// Refused for good.
    Refused,
    /// A matter between the step and whoever sent it.
    Step,
}

impl Verdict {
    /// Judges an error that a server answered.
    pub(crate) fn on(error: &ServerError) -> Self {
        match code(error) {
            "LOADING" | "BUSY" | "MISCONF" | "TRYAGAIN" | "CLUSTERDOWN" => Self::Wait,
            "READONLY" | "NOREPLICAS" | "MASTERDOWN" => Self::Leave,
            "NOSCRIPT" => Self::UnknownScript,
            "MOVED" => Self::Moved,
            "ASK" => Self::Ask,
            "OOM" => Self::Full,
            "ERR" if error.details().is_some_and(|text| text.starts_with("max number of clients")) => Self::Wait,
            "NOAUTH" | "WRONGPASS" | "NOPERM" | "CROSSSLOT" | "ERR" => Self::Refused,
            _ => Self::Step,
        }
    }
}

/// The code of an error. Before 7.0, what a script was refused is told within the text: `-READONLY` of
/// `ERR Error running script (call to f_…): @user_script:1: @user_script: 1: -READONLY You can't write …`.
fn code(error: &ServerError) -> &str {
    let outer = error.code();
    if outer != "ERR" && !outer.starts_with('@') {
        return outer;
    }
    let text = error.details().unwrap_or_default();
    let named = |word: &'_ str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_uppercase());
    let inner = text.split_ascii_whitespace().filter_map(|word| word.strip_prefix('-')).find(|word| named(word));
    inner.filter(|_| is_raised(error)).unwrap_or("ERR")
}

/// Whether a script ended with this error, rather than answer it.
fn is_raised(error: &ServerError) -> bool {
    error.code().starts_with('@') || error.details().is_some_and(|text| text.contains("user_script"))
}

/// Judges the replies to a request.
pub(crate) fn judge(request: &Request, replies: Vec<Value>) -> Outcome {
    let decisive = replies.iter().find_map(|reply| match reply {
        Value::ServerError(error) => match Verdict::on(error) {
            Verdict::Step => None,
            verdict => Some((verdict, error.clone())),
        },
        _ => None,
    });
    let Some((verdict, error)) = decisive else { return Outcome::Answered(replies) };
    let then = match verdict {
        Verdict::Full => return Outcome::Full(error),
        Verdict::Refused | Verdict::Step => {
            return Outcome::Refused { unknown: is_raised(&error), cause: Arc::new(Answered(error)) };
        }
        Verdict::Wait => Then::Wait,
        Verdict::Leave => Then::Leave,
        Verdict::UnknownScript => Then::SendTexts,
        Verdict::Moved => address(&error).map_or(Then::Wait, Then::Move),
        Verdict::Ask => match address(&error) {
            Some(to) => return ask(to, replies, error),
            None => Then::Wait,
        },
    };
    Outcome::Again { unknown: request.wrote(&replies), cause: Arc::new(Answered(error)), then }
}

fn ask(to: String, replies: Vec<Value>, error: ServerError) -> Outcome {
    Outcome::Again { unknown: false, cause: Arc::new(Answered(error)), then: Then::Ask { to, replies } }
}

/// The address in `MOVED 3999 127.0.0.1:6381`. The host can be missing: then it is the one that was asked.
fn address(error: &ServerError) -> Option<String> {
    error.details()?.split_ascii_whitespace().nth(1).map(str::to_owned)
}

/// An error that a server answered.
#[derive(Debug)]
pub(crate) struct Answered(pub(crate) ServerError);

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.0.code())?;
        self.0.details().map_or(Ok(()), |text| write!(f, " {text}"))
    }
}

impl std::error::Error for Answered {}

#[cfg(test)]
mod tests {
    use redis::cmd;

    use super::*;

    /// What a server sends as this line.
    fn error(line: &str) -> Value {
        redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).expect("a reply")
    }

    fn verdict(line: &str) -> Verdict {
        let Value::ServerError(error) = error(line) else { panic!("{line} is no error") };
        Verdict::on(&error)
    }

    #[test]
    fn each_code_has_its_verdict() {
        for (line, expected) in [
            ("LOADING Redis is loading the dataset in memory", Verdict::Wait),
            ("BUSY Redis is busy running a script.", Verdict::Wait),
            ("MISCONF Redis is configured to save RDB snapshots", Verdict::Wait),
            ("TRYAGAIN Multiple keys request during rehashing of slot", Verdict::Wait),
            ("CLUSTERDOWN The cluster is down", Verdict::Wait),
            ("ERR max number of clients reached", Verdict::Wait),
            ("READONLY You can't write against a read only replica.", Verdict::Leave),
            ("NOREPLICAS Not enough good replicas to write.", Verdict::Leave),
            ("MASTERDOWN Link with MASTER is down", Verdict::Leave),
            ("NOSCRIPT No matching script. Please use EVAL.", Verdict::UnknownScript),
            ("MOVED 3999 127.0.0.1:6381", Verdict::Moved),
            ("ASK 3999 127.0.0.1:6381", Verdict::Ask),
            ("OOM command not allowed when used memory > 'maxmemory'.", Verdict::Full),
            ("NOAUTH Authentication required.", Verdict::Refused),
            ("NOPERM this user has no permissions", Verdict::Refused),
            ("CROSSSLOT Keys in request don't hash to the same slot", Verdict::Refused),
            ("ERR unknown command", Verdict::Refused),
            ("WRONGTYPE Operation against a key holding the wrong kind of value", Verdict::Step),
            ("OURS of a script", Verdict::Step),
        ] {
            assert_eq!(verdict(line), expected, "{line}");
        }
    }

    #[test]
    fn before_7_0_a_code_is_found_within_the_text_of_a_script() {
        let raised = "ERR Error running script (call to f_0123): @user_script:1: @user_script: 1: ";
        for (text, expected) in [
            ("-READONLY You can't write against a read only replica.", Verdict::Leave),
            ("-OOM command not allowed when used memory > 'maxmemory'.", Verdict::Full),
            ("-MISCONF Redis is configured to save RDB snapshots", Verdict::Wait),
            ("Wrong number of args calling Redis command From Lua script", Verdict::Refused),
        ] {
            assert_eq!(verdict(&format!("{raised}{text}")), expected, "{text}");
            assert_eq!(verdict(&format!("@user_script: 1: {text}")), expected, "{text}");
        }
        assert_eq!(verdict("ERR value -OOM is not an integer"), Verdict::Refused, "not of a script");
    }

    fn unknown(request: &Request, replies: Vec<Value>) -> bool {
        match judge(request, replies) {
            Outcome::Again { unknown, .. } => unknown,
            outcome => panic!("{outcome:?}"),
        }
    }

    #[test]
    fn what_was_written_beside_a_refusal_makes_it_unknown() {
        let read = Request::new(0).command(cmd("TIME")).command(cmd("PEXPIRE"));
        assert!(!unknown(&read, vec![Value::Int(1), error("READONLY no")]));
        let write = Request::new(0).command(cmd("HSET")).command(cmd("PEXPIRE"));
        assert!(unknown(&write, vec![Value::Int(1), error("READONLY no")]));
        assert!(unknown(&write, vec![error("LOADING no"), Value::Int(1)]));
        assert!(!unknown(&write, vec![error("LOADING no"), error("LOADING no")]));
    }

    #[test]
    fn the_most_decisive_error_is_not_hidden_by_a_steps_own() {
        let request = Request::new(0).command(cmd("HGETALL")).command(cmd("SET"));
        let replies = vec![error("WRONGTYPE no"), error("OOM no")];
        assert!(matches!(judge(&request, replies), Outcome::Full(_)));
        let replies = vec![error("WRONGTYPE no"), Value::Okay];
        assert!(matches!(judge(&request, replies), Outcome::Answered(_)));
    }
}
