//! The argument by which a call says which session it belongs to.

use std::future::ready;
use std::sync::Arc;

use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::{IntoCallToolResult as _, ToolCallContext};
use serde_json::{Map, Value, json};

use crate::resolve::SESSION_ARGUMENT;
use crate::session::Session;

/// What input schemas say of the handle.
///
/// It is exactly `"type": "string"`, inline, as clients of 2026-07-28 require of what they may mirror into a header.
pub(super) struct Handle {
    property: Value,
}

impl Handle {
    /// A handle of sessions that last so long, which clients may mirror into a header or not.
    pub(super) fn new(lasts: &str, has_header: bool) -> Self {
        let mut property = json!({ "type": "string", "description": format!("{PLAIN} {lasts}") });
        if has_header {
            property["x-mcp-header"] = HEADER.into();
        }
        Self { property }
    }

    /// Lets every tool take a handle that has no argument of this name.
    pub(super) fn give_to_all<S: Send + Sync + 'static>(&self, router: &mut ToolRouter<S>) {
        for route in router.map.values_mut() {
            self.give_to_taker(route);
            if let Some(properties) = properties(route)
                && !properties.contains_key(SESSION_ARGUMENT)
            {
                properties.insert(SESSION_ARGUMENT.to_owned(), self.property.clone());
                take(route);
            }
        }
    }

    /// Describes the handle of those tools that take [`InSession`](super::InSession).
    pub(super) fn give_to_takers<S: Send + Sync + 'static>(&self, router: &mut ToolRouter<S>) {
        router.map.values_mut().for_each(|route| self.give_to_taker(route));
    }

    fn give_to_taker<S: Send + Sync + 'static>(&self, route: &mut ToolRoute<S>) {
        if let Some(taken) = properties(route).and_then(|properties| properties.get_mut(SESSION_ARGUMENT))
            && *taken == plain()
        {
            *taken = self.property.clone();
            take(route);
        }
    }
}

/// What the schema of a tool says of the handle before it is mounted. Nobody else's argument is the same.
pub(super) fn plain() -> Value {
    json!({ "type": "string", "description": PLAIN })
}

/// The arguments that a tool's schema names.
fn properties<S>(route: &mut ToolRoute<S>) -> Option<&mut Map<String, Value>> {
    let schema = Arc::make_mut(&mut route.attr.input_schema);
    schema.entry("properties").or_insert_with(|| json!({})).as_object_mut()
}

/// Takes the handle in the tool's place: its parameters may refuse what they do not know, and it may never look at the
/// session, which a handle has to lead to all the same.
fn take<S: Send + Sync + 'static>(route: &mut ToolRoute<S>) {
    let call = Arc::clone(&route.call);
    *route = ToolRoute::new_dyn(route.attr.clone(), move |mut context: ToolCallContext<'_, S>| {
        let handle = context.arguments.as_mut().and_then(|arguments| arguments.remove(SESSION_ARGUMENT));
        let (Some(_), Ok(session)) = (handle, Session::of(&context.request_context)) else { return call(context) };
        if let Err(refused) = session.check() {
            return Box::pin(ready(refused.into_call_tool_result()));
        }
        // Takes the parameters, and leaves the rest to be awaited.
        let answer = call(context);
        Box::pin(async move {
            match session.require().await {
                Ok(()) => answer.await,
                Err(refused) => refused.into_call_tool_result(),
            }
        })
    });
}

const PLAIN: &str = "A session's handle, exactly as `open_session` returned it. Leave it out to use the connection's \
                     own session, where there is one.";

/// The header is `Mcp-Param-` and this.
const HEADER: &str = "Session";
