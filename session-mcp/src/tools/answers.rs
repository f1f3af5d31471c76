//! What the tools answer.

use std::time::{Duration, UNIX_EPOCH};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use session_core::{Opened, Session as Snapshot, SessionName, Text, Timestamp, Updated};

use crate::source::Source;

/// A point in time: RFC 3339 with milliseconds, in UTC.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct Time(#[schemars(extend("format" = "date-time"))] String);

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        // The format knows no year after 9999; no session reaches it.
        let millis = time.as_millis().min(253_402_300_799_999);
        Self(humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(millis)).to_string())
    }
}

/// The directory a session works in.
pub(super) fn directory(snapshot: &Snapshot) -> Option<String> {
    snapshot.working_directory.as_ref().map(|directory| directory.as_str().to_owned())
}

#[derive(Serialize, JsonSchema)]
pub(super) struct OpenedSession {
    /// The session's handle. Whoever has it can use the session.
    session: String,
    /// When the session ends if it is not used.
    expires_at: Time,
    /// When it ends in any case.
    ends_at: Time,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
    /// The directory the session works in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    working_directory: Option<String>,
}

impl OpenedSession {
    /// A session that was opened by this call.
    pub(super) fn new(opened: &Opened) -> Self {
        Self::of(&opened.name, &opened.session, Source::Opened)
    }

    /// Another handle of a session: what was loaded, and what giving the handle changed since.
    pub(super) fn promoted(
        name: &SessionName,
        updated: Updated,
        now_in: Option<Text>,
        was: &Snapshot,
        source: Source,
    ) -> Self {
        let mut answer = Self::of(name, was, source);
        answer.expires_at = updated.expires_at.into();
        if let Some(directory) = now_in {
            answer.working_directory = Some(directory.as_str().to_owned());
        }
        answer
    }

    fn of(name: &SessionName, snapshot: &Snapshot, source: Source) -> Self {
        Self {
            session: name.expose(),
            expires_at: snapshot.expires_at().into(),
            ends_at: snapshot.ends_at.into(),
            source,
            working_directory: directory(snapshot),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct SetDirectory {
    /// The directory the session works in from now on, as it was given.
    pub(super) working_directory: String,
    /// When it was set.
    pub(super) set_at: Time,
    /// The handle of the session that was opened for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    pub(super) session: Option<String>,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    pub(super) source: Source,
    /// When the session ends if it is not used.
    pub(super) expires_at: Time,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct WorksIn {
    /// The directory the session works in; null if none was set.
    pub(super) working_directory: Option<String>,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    pub(super) source: Source,
    /// When the session ends if it is not used.
    pub(super) expires_at: Time,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Information {
    /// The directory the session works in.
    pub(super) working_directory: Option<String>,
    /// When that was set.
    pub(super) set_at: Option<Time>,
    /// The project's config file.
    pub(super) config_path: Option<String>,
    /// The project.
    pub(super) project_id: Option<String>,
    /// The names of the values that the session keeps.
    pub(super) state_names: Vec<String>,
    /// When the session was created.
    pub(super) created_at: Time,
    /// When it was last used.
    pub(super) last_used: Time,
    /// When it ends if it is not used.
    pub(super) expires_at: Time,
    /// When it ends in any case.
    pub(super) ends_at: Time,
    /// How often it was changed, from 1.
    #[schemars(schema_with = "count")]
    pub(super) version: u64,
    /// Whether the handle may only read.
    pub(super) read_only: bool,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    pub(super) source: Source,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct StateChanged {
    /// The value's name.
    name: String,
    /// The session's version since.
    #[schemars(schema_with = "count")]
    version: u64,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
    /// When the session ends if it is not used.
    expires_at: Time,
}

impl StateChanged {
    pub(super) fn new(name: String, updated: Updated, source: Source) -> Self {
        Self { name, version: updated.version.get(), source, expires_at: updated.expires_at.into() }
    }
}

#[derive(Serialize, JsonSchema)]
pub(super) struct StateRead {
    /// The value's name.
    pub(super) name: String,
    /// Whether there is a value.
    pub(super) found: bool,
    /// The value; null if there is none.
    pub(super) value: Value,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    pub(super) source: Source,
    /// When the session ends if it is not used.
    pub(super) expires_at: Time,
}

#[derive(Serialize, JsonSchema)]
pub(super) struct Ended {
    /// Whether the session has ended.
    pub(super) ended: bool,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    pub(super) source: Source,
}

/// A whole number, without the formats that some clients do not know.
fn count(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "integer", "minimum": 1 })
}

/// One of the words for how a call reached its session.
fn source(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "enum": Source::ALL })
}
