//! How a session is written down as the fields of a hash.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::Value;
use session_core::{
    Grant, Grants, Mode, Record, SecretHash, SessionId, State, StateName, StateValue, StoreError, Text, Timestamp,
    Version,
};

use crate::reply::{Defect, defect};
use crate::snapshots::Mark;

/// The format that this version writes, and the newest that it reads. Fields that a format does not know are left as
/// they are by whoever changes a session, so a field can be added within a format.
const FORMAT: u64 = 1;

/// The field that holds a grant.
pub(crate) fn grant_field(secret: SecretHash) -> String {
    ["g:", &grant_name(secret)].concat()
}

/// A grant's field without what says that it is one.
pub(crate) fn grant_name(secret: SecretHash) -> String {
    URL_SAFE_NO_PAD.encode(secret.as_bytes())
}

pub(crate) fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::ReadOnly => "ro",
        Mode::ReadWrite => "rw",
    }
}

/// The fields of a new record that the server does not stamp itself: texts, state and the two sums.
pub(crate) fn encode(record: &Record) -> Vec<(Cow<'_, str>, Cow<'_, [u8]>)> {
    let texts = [("dir", &record.working_directory), ("cfg", &record.config_path), ("prj", &record.project_id)];
    let texts =
        texts.into_iter().filter_map(|(name, text)| Some((name.into(), text.as_ref()?.as_str().as_bytes().into())));
    let state =
        record.state.iter().map(|(name, value)| (["u:", name.as_str()].concat().into(), value.as_bytes().into()));
    let sums = [("b", record.bytes()), ("n", record.state.clients().count())];
    let sums = sums.into_iter().map(|(name, sum)| (name.into(), sum.to_string().into_bytes().into()));
    texts.chain(sums).chain(state).collect()
}

/// A session as it was written down.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) record: Arc<Record>,
    /// When it was used last, where its key's end does not tell.
    used_at: Option<Timestamp>,
    /// What tells this state of it from others.
    pub(crate) mark: Mark,
}

impl Stored {
    /// A session that the server has as it is known, with the field that says when it was used last, or nothing.
    ///
    /// # Errors
    ///
    /// As [`decode`].
    pub(crate) fn known(record: Arc<Record>, used_at: &Value) -> Result<Self, StoreError> {
        let used_at = match used_at {
            Value::BulkString(used_at) if used_at.is_empty() => None,
            Value::BulkString(used_at) => Some(Timestamp::from_millis(number("l", used_at)?)),
            _ => return Err(defect(Defect::Answer)),
        };
        Ok(Self { record, used_at, mark: Mark::default() })
    }

    /// When it was used last, if at `now` its key has this many milliseconds left. A key that someone made endless is
    /// as good as used now.
    pub(crate) fn last_used(&self, left: i64, now: Timestamp) -> Timestamp {
        let by_end = |left| now.before(self.record.idle_timeout.saturating_sub(Duration::from_millis(left)));
        self.used_at.unwrap_or_else(|| u64::try_from(left).map_or(now, by_end))
    }
}

/// Reads a session back from all its fields; `None` if they are no session's.
///
/// # Errors
///
/// [`StoreError::Defect`] for a session of a newer format, and for one whose fields do not hold what they should.
pub(crate) fn decode(id: &SessionId, fields: &Value) -> Result<Option<Stored>, StoreError> {
    // Something else under the session's key: a marker of its end, or rubbish.
    if matches!(fields, Value::ServerError(error) if error.code() == "WRONGTYPE") {
        return Ok(None);
    }
    let fields = fields.as_map_iter().ok_or_else(|| defect(Defect::Answer))?;
    let mut read = Fields { state: Vec::with_capacity(fields.size_hint().0), ..Fields::default() };
    for field in fields {
        let (Value::BulkString(name), Value::BulkString(value)) = field else { return Err(defect(Defect::Answer)) };
        read.field(name, value)?;
    }
    read.finish(id)
}

/// The fields that a list shows.
pub(crate) const LISTED: [&str; 10] = ["f", "c", "d", "i", "l", "v", "set", "dir", "cfg", "prj"];

/// Reads a session back from the [`LISTED`] fields: without its grants and its state.
///
/// # Errors
///
/// As [`decode`].
pub(crate) fn decode_listed(id: &SessionId, values: Value) -> Result<Option<Stored>, StoreError> {
    let Value::Array(values) = values else { return decode(id, &values) };
    let names = LISTED.into_iter().map(|name| Value::BulkString(name.into()));
    let fields = names.zip(values).filter(|(_, value)| *value != Value::Nil);
    decode(id, &Value::Map(fields.collect()))
}

#[derive(Default)]
struct Fields {
    format: Option<u64>,
    created_at: Option<u64>,
    ends_at: Option<u64>,
    idle: Option<u64>,
    used_at: Option<u64>,
    version: Option<u64>,
    set_at: Option<u64>,
    working_directory: Option<Text>,
    config_path: Option<Text>,
    project_id: Option<Text>,
    grants: Vec<Grant>,
    state: Vec<(StateName, StateValue)>,
    mark: Mark,
}

impl Fields {
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), StoreError> {
        match name {
            b"f" => self.format = Some(number("f", value)?),
            b"c" => self.created_at = Some(number("c", value)?),
            b"d" => self.ends_at = Some(number("d", value)?),
            b"i" => self.idle = Some(number("i", value)?),
            b"l" => self.used_at = Some(number("l", value)?),
            b"v" => self.version = Some(number("v", value)?),
            b"set" => self.set_at = Some(number("set", value)?),
            b"dir" => self.working_directory = Some(text("dir", value)?),
            b"cfg" => self.config_path = Some(text("cfg", value)?),
            b"prj" => self.project_id = Some(text("prj", value)?),
            b"k" => value.clone_into(&mut self.mark.creation),
            b"w" => value.clone_into(&mut self.mark.writes),
            [b'g', b':', secret @ ..] => self.grants.push(grant(secret, value).ok_or_else(|| wrong("g:"))?),
            [b'u', b':', name @ ..] => {
                let name = std::str::from_utf8(name).ok().and_then(|name| StateName::from_store(name).ok());
                self.state.push((name.ok_or_else(|| wrong("u:"))?, StateValue::from(value)));
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(self, id: &SessionId) -> Result<Option<Stored>, StoreError> {
        let Some(ends_at) = self.ends_at else { return Ok(None) };
        if self.format.ok_or_else(|| wrong("f"))? > FORMAT {
            return Err(defect(Defect::Newer));
        }
        let record = Record {
            ends_at: Timestamp::from_millis(ends_at),
            idle_timeout: Duration::from_millis(self.idle.ok_or_else(|| wrong("i"))?),
            grants: self.grants.into_iter().collect::<Grants>(),
            locator: id.locator,
            owner: id.owner,
            working_directory: self.working_directory,
            set_at: self.set_at.map(Timestamp::from_millis),
            config_path: self.config_path,
            project_id: self.project_id,
            state: sorted(self.state),
            created_at: Timestamp::from_millis(self.created_at.ok_or_else(|| wrong("c"))?),
            version: Version::from_store(self.version.ok_or_else(|| wrong("v"))?),
        };
        let used_at = self.used_at.map(Timestamp::from_millis);
        Ok(Some(Stored { record: Arc::new(record), used_at, mark: self.mark }))
    }
}

/// In the order of their names a state is put together without moving anything.
fn sorted(mut state: Vec<(StateName, StateValue)>) -> State {
    state.sort_unstable_by(|(left, _), (right, _)| left.cmp(right));
    state.into_iter().collect()
}

/// Reads `mode:end:label`.
fn grant(secret: &[u8], value: &[u8]) -> Option<Grant> {
    let mut hash = [0; 16];
    let 16 = URL_SAFE_NO_PAD.decode_slice(secret, &mut hash).ok()? else { return None };
    let mut parts = std::str::from_utf8(value).ok()?.splitn(3, ':');
    let mode = match parts.next()? {
        "rw" => Mode::ReadWrite,
        "ro" => Mode::ReadOnly,
        _ => return None,
    };
    let ends_at = Timestamp::from_millis(parts.next()?.parse().ok()?);
    let label = match parts.next()? {
        "" => None,
        label => Some(Text::new(label).ok()?),
    };
    Some(Grant { secret: SecretHash::from_bytes(hash), mode, ends_at, label })
}

pub(crate) fn number(field: &'static str, value: &[u8]) -> Result<u64, StoreError> {
    std::str::from_utf8(value).ok().and_then(|number| number.parse().ok()).ok_or_else(|| wrong(field))
}

pub(crate) fn text(field: &'static str, value: &[u8]) -> Result<Text, StoreError> {
    std::str::from_utf8(value).ok().and_then(|text| Text::new(text).ok()).ok_or_else(|| wrong(field))
}

fn wrong(field: &'static str) -> StoreError {
    defect(Defect::Field(field))
}
