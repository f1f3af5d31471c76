//! What several answers have in common.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use session_core::{Text, Timestamp};

use crate::source::Source;
use crate::time::rfc3339;

/// A point in time: RFC 3339 with milliseconds, in UTC.
#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub(super) struct Time(#[schemars(extend("format" = "date-time"))] String);

impl From<Timestamp> for Time {
    fn from(time: Timestamp) -> Self {
        Self(rfc3339(time))
    }
}

/// A path or an identifier, if it was set.
pub(super) fn text(text: Option<&Text>) -> Option<String> {
    text.map(|text| text.as_str().to_owned())
}

/// A whole number, without the formats that some clients do not know.
pub(super) fn count<const FROM: u8>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "minimum": FROM })
}

/// One of the words for how a call reached its session.
pub(super) fn source(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": Source::ALL })
}
