//! What the tools say of themselves: arguments, answers, effects.

use std::borrow::Cow;
use std::sync::Arc;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::schema_for_output;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use schemars::JsonSchema;
use serde_json::{Value, json};

use crate::resolve::SESSION_ARGUMENT;

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
            let (name, handle) = property(SESSION_ARGUMENT, HANDLE);
            properties.entry(name).or_insert(handle);
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
    arguments: JsonObject,
) -> Tool {
    let mut tool = Tool::new(name, description, arguments);
    tool.output_schema = Some(schema_for_output::<A>());
    tool.annotations = Some(effect.into());
    tool
}

/// The input schema of a tool with these arguments.
pub(super) fn arguments<const O: usize, const R: usize>(
    optional: [(String, Value); O],
    required: [(String, Value); R],
) -> JsonObject {
    let names: Vec<Value> = required.iter().map(|(name, _)| name.as_str().into()).collect();
    let properties: JsonObject = optional.into_iter().chain(required).collect();
    let mut schema = JsonObject::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    if !names.is_empty() {
        schema.insert("required".to_owned(), names.into());
    }
    schema
}

/// A text argument.
pub(super) fn property(name: &str, description: &str) -> (String, Value) {
    (name.to_owned(), json!({ "type": "string", "description": description }))
}

/// An argument of any type.
pub(super) fn anything(name: &str, description: &str) -> (String, Value) {
    (name.to_owned(), json!({ "description": description }))
}
