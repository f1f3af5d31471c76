//! From a function to a tool: what it says of itself, and what a call has to pass.

use std::borrow::Cow;
use std::future::ready;

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::tool::{CallToolHandler, IntoCallToolResult as _, schema_for_output};
use rmcp::model::{Tool, ToolAnnotations};
use schemars::JsonSchema;

use super::argument::{self, Argument};

/// A tool that answers with an `A`, whose calls are checked before `call` has them.
pub(super) fn route<A: JsonSchema + 'static, S: Send + Sync + 'static, P: 'static>(
    name: &'static str,
    description: impl Into<Cow<'static, str>>,
    effect: Effect,
    arguments: &'static [Argument],
    call: impl CallToolHandler<S, P> + Clone + Send + Sync + 'static,
) -> ToolRoute<S> {
    let mut tool = Tool::new(name, description, argument::schema(arguments));
    tool.output_schema = Some(schema_for_output::<A>());
    tool.annotations = Some(effect.into());
    ToolRoute::new_dyn(tool, move |context| match argument::check(arguments, context.arguments.as_ref()) {
        Ok(()) => context.invoke(call.clone()),
        Err(refused) => Box::pin(ready(refused.into_call_tool_result())),
    })
}

/// What a tool does to the sessions.
#[derive(Clone, Copy)]
pub(super) enum Effect {
    /// Nothing.
    Reads,
    /// Adds something.
    Adds,
    /// Brings a session up to date with what is on disk. Nothing is lost, and the same call again does nothing more.
    Follows,
    /// Replaces or removes something.
    Replaces {
        /// Whether the same call again does nothing more.
        idempotent: bool,
    },
}

impl From<Effect> for ToolAnnotations {
    fn from(effect: Effect) -> Self {
        let (read_only, destructive, idempotent) = match effect {
            Effect::Reads => (true, false, true),
            Effect::Adds => (false, false, false),
            Effect::Follows => (false, false, true),
            Effect::Replaces { idempotent } => (false, true, idempotent),
        };
        Self::from_raw(None, Some(read_only), Some(destructive), Some(idempotent), Some(false))
    }
}
