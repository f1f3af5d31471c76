//! What the tools say of themselves: arguments, answers, effects.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::schema_for_output;
use rmcp::model::{Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::resolve::SESSION_ARGUMENT;

use super::arguments::{self, Argument};

/// Lets every tool of a router take a handle: adds the optional `session` argument to its input schema, unless it
/// has one.
///
/// It is exactly `"type": "string"`, inline, as clients of 2026-07-28 require of what they may mirror into a header.
/// A tool's own parameters need no such field: the handle is read before they are.
pub fn accept_handles<S>(router: &mut ToolRouter<S>) {
    for route in router.map.values_mut() {
        let schema = Arc::make_mut(&mut route.attr.input_schema);
        let properties = schema.entry("properties").or_insert_with(|| json!({}));
        if let Value::Object(properties) = properties {
            let handle = || json!({ "type": "string", "description": HANDLE });
            properties.entry(SESSION_ARGUMENT).or_insert_with(handle);
        }
    }
}

const HANDLE: &str = "The handle of the session to use, exactly as `open_session` returned it. Leave it out to use the \
                      connection's own session, where the protocol has one.";

/// What a tool does to the sessions.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Nothing.
    Reads,
    /// Adds, replaces or removes something.
    Replaces {
        /// Whether the same call again does nothing more.
        idempotent: bool,
    },
}

impl From<Effect> for ToolAnnotations {
    fn from(effect: Effect) -> Self {
        let (read_only, destructive, idempotent) = match effect {
            Effect::Reads => (true, false, true),
            Effect::Replaces { idempotent } => (false, true, idempotent),
        };
        Self::from_raw(None, Some(read_only), Some(destructive), Some(idempotent), Some(false))
    }
}

/// A tool that answers with an `A`.
pub(super) fn tool<A: JsonSchema + 'static>(
    name: &'static str,
    description: impl Into<Cow<'static, str>>,
    effect: Effect,
    arguments: &[Argument],
) -> Tool {
    let mut tool = Tool::new(name, description, arguments::schema(arguments));
    tool.output_schema = Some(schema_for_output::<A>());
    tool.annotations = Some(effect.into());
    tool
}
