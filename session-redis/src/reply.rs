//! What the server answered, read piece by piece.

use redis::Value;
use session_core::{Position, StoreError, Timestamp};

use crate::client::Failure;

/// What every error of this store says it is from.
pub(crate) const STORE: &str = "redis";

/// A list that the server answered with, read from its beginning.
#[derive(Debug)]
pub(crate) struct Reply(std::vec::IntoIter<Value>);

impl Reply {
    /// Reads a list.
    ///
    /// # Errors
    ///
    /// [`StoreError::Defect`] if the server answered with anything else.
    pub(crate) fn of(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Array(values) | Value::Set(values) => Ok(Self(values.into_iter())),
            Value::ServerError(error) => Err(defect(Defect::Command(error.code().to_owned()))),
            _ => Err(defect(Defect::Answer)),
        }
    }

    /// Reads the list that is the first reply to a request.
    ///
    /// # Errors
    ///
    /// As [`of`](Self::of).
    pub(crate) fn first(replies: Vec<Value>) -> Result<Self, StoreError> {
        Self::of(Self::to_all(replies).take())
    }

    /// The replies to a request, one for each step.
    pub(crate) fn to_all(replies: Vec<Value>) -> Self {
        Self(replies.into_iter())
    }

    pub(crate) fn next(&mut self) -> Option<Value> {
        self.0.next()
    }

    /// The next piece, or nothing where it should be.
    pub(crate) fn take(&mut self) -> Value {
        self.next().unwrap_or(Value::Nil)
    }

    /// A member and its score: side by side, or in a list of their own in the later protocol.
    pub(crate) fn pair(&mut self) -> Option<(Value, Value)> {
        match self.next()? {
            Value::Array(pair) => <[Value; 2]>::try_from(pair).ok().map(Into::into),
            member => Some((member, self.next()?)),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String, StoreError> {
        self.next().and_then(text).ok_or_else(|| defect(Defect::Answer))
    }

    pub(crate) fn number(&mut self) -> Result<u64, StoreError> {
        self.next().and_then(|value| number(&value)).ok_or_else(|| defect(Defect::Answer))
    }

    pub(crate) fn position(&mut self) -> Result<Position, StoreError> {
        self.text()?.parse().map_err(|_| defect(Defect::Answer))
    }

    pub(crate) fn time(&mut self) -> Result<Timestamp, StoreError> {
        self.number().map(Timestamp::from_millis)
    }
}

/// A reply as a text, if it is one, or a score however the server writes it.
pub(crate) fn text(value: Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        Value::Okay => Some("OK".to_owned()),
        Value::Double(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A reply as a number, however the server writes it.
pub(crate) fn number(value: &Value) -> Option<u64> {
    match value {
        Value::Int(number) => u64::try_from(*number).ok(),
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a whole number")]
        Value::Double(number) => (*number >= 0.0 && number.fract() == 0.0).then_some(*number as u64),
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok()?.parse().ok(),
        _ => None,
    }
}

/// The server's clock, as the command `TIME` answers.
pub(crate) fn time(value: Value) -> Result<Timestamp, StoreError> {
    let mut parts = Reply::of(value)?;
    let (seconds, micros) = (parts.number()?, parts.number()?);
    Ok(Timestamp::from_millis(seconds.saturating_mul(1_000).saturating_add(micros / 1_000)))
}

/// What should not be there, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Defect {
    #[error("the field `{0}` of a session does not hold what it should")]
    Field(&'static str),
    #[error("a session was written by a newer version of this library; upgrade this server")]
    Newer,
    #[error("the server answered in a form that this library does not know")]
    Answer,
    #[error("the server refused a command with `{0}`")]
    Command(String),
}

pub(crate) fn defect(defect: Defect) -> StoreError {
    StoreError::Defect { store: STORE, source: defect.into() }
}

/// An error after which something may have been done all the same, though it says otherwise.
pub(crate) fn unknown(error: StoreError) -> StoreError {
    let source = match error {
        StoreError::Unavailable { source, .. } => source,
        StoreError::Full { .. } | StoreError::Quota(_) => Some(error.into()),
        error => return error,
    };
    StoreError::Unavailable { store: STORE, maybe_applied: true, source }
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Unavailable { maybe_applied, source } => Self::Unavailable { store: STORE, maybe_applied, source },
            Failure::Full => Self::Full { store: STORE },
            Failure::Refused { source } => {
                Self::Unavailable { store: STORE, maybe_applied: false, source: Some(source) }
            }
        }
    }
}
