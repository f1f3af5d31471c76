//! The session tools, to be mounted by any server.

mod answers;
mod arguments;
mod calls;
mod schema;

use std::borrow::Cow;
use std::future::ready;
use std::time::Duration;

use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::handler::server::tool::{CallToolHandler, IntoCallToolResult as _};
use schemars::JsonSchema;
use session_core::Lifetimes;

use self::answers::{Ended, Information, OpenedSession, SetDirectory, StateChanged, StateRead, WorksIn};
use self::arguments::Argument;
use self::calls::{
    delete_state, end_session, get_state, get_working_directory, open_session, session_info, set_state,
    set_working_directory,
};
use self::schema::{Effect, tool};

pub use self::schema::accept_handles;

/// The session tools: `open_session`, `set_working_directory`, `get_working_directory`, `session_info`, `set_state`,
/// `get_state`, `delete_state` and `end_session`.
///
/// They serve every protocol version and transport alike, and use nothing of the handler they are mounted in, which
/// has to be wrapped in [`WithSessions`](crate::WithSessions).
///
/// ```
/// # use rmcp::handler::server::router::tool::ToolRouter;
/// # use session_core::Lifetimes;
/// # use session_mcp::{Durability, SessionTools};
/// # struct Shop;
/// # fn shop_tools() -> ToolRouter<Shop> { ToolRouter::new() }
/// let tools = SessionTools::new(Lifetimes::default(), Durability::Process);
/// let router: ToolRouter<Shop> = tools.mount(shop_tools());
/// assert!(router.has_route("open_session"));
/// ```
#[derive(Clone, Debug)]
pub struct SessionTools {
    lifetimes: Lifetimes,
    durability: Durability,
}

/// How long the sessions of a store last at most. The description of `open_session` says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Durability {
    /// As long as the server's process.
    Process,
    /// Longer than the server's process, which may be replaced by another.
    Store,
}

impl SessionTools {
    /// The tools for sessions of these lifetimes, kept that long.
    #[must_use]
    pub fn new(lifetimes: Lifetimes, durability: Durability) -> Self {
        Self { lifetimes, durability }
    }

    /// Adds the tools to a handler's own, and lets each of those take a handle; see [`accept_handles`].
    #[must_use]
    pub fn mount<S: Send + Sync + 'static>(&self, mut own: ToolRouter<S>) -> ToolRouter<S> {
        accept_handles(&mut own);
        own.merge(self.router());
        own
    }

    /// The tools as a router, to be merged into a handler's own.
    #[must_use]
    pub fn router<S: Send + Sync + 'static>(&self) -> ToolRouter<S> {
        let mut router = ToolRouter::new()
            .with_route(route::<OpenedSession, _, _>(
                "open_session",
                self.durable(),
                Effect::Replaces { idempotent: false },
                const { &[Argument::DIRECTORY.optional()] },
                open_session,
            ))
            .with_route(route::<SetDirectory, _, _>(
                "set_working_directory",
                "Sets the directory that this session works in, in the place of the one before. Where there is \
                 no session yet, opens one and returns its handle as `session`: pass it on with every later call.",
                Effect::Replaces { idempotent: false },
                &[Argument::DIRECTORY],
                set_working_directory,
            ))
            .with_route(route::<WorksIn, _, _>(
                "get_working_directory",
                "Tells which directory this session works in; null if none was set.",
                Effect::Reads,
                &[],
                get_working_directory,
            ))
            .with_route(route::<Information, _, _>(
                "session_info",
                "Tells what this session is: its project, the names of its state values, when it was created and \
                 last used, and when it ends.",
                Effect::Reads,
                &[],
                session_info,
            ))
            .with_route(route::<StateChanged, _, _>(
                "set_state",
                "Keeps a small JSON value in this session under a name, in the place of the one before.",
                Effect::Replaces { idempotent: true },
                &[Argument::NAME, Argument::VALUE],
                set_state,
            ))
            .with_route(route::<StateRead, _, _>(
                "get_state",
                "Reads the value that this session keeps under a name.",
                Effect::Reads,
                &[Argument::NAME],
                get_state,
            ))
            .with_route(route::<StateChanged, _, _>(
                "delete_state",
                "Removes the value that this session keeps under a name; one that is not there is no error.",
                Effect::Replaces { idempotent: true },
                &[Argument::NAME],
                delete_state,
            ))
            .with_route(route::<Ended, _, _>(
                "end_session",
                "Ends this session with everything it keeps, under all of its handles.",
                Effect::Replaces { idempotent: true },
                &[],
                end_session,
            ));
        accept_handles(&mut router);
        router
    }

    fn durable(&self) -> String {
        let kept = match self.durability {
            Durability::Process => "It is kept in the server's memory and lost when the server ends",
            Durability::Store => "It is kept in a store and outlives the server's process",
        };
        format!(
            "Opens a session, which keeps a working directory and small values, and returns its handle as `session`: \
             pass the handle on with every later call. Where the connection has a session already, returns a handle \
             of that one, which ends when the client closes the connection; `directory` replaces the one it works in. {kept}. It ends after {} without use, and \
             after {} in any case.",
            words(self.lifetimes.idle()),
            words(self.lifetimes.absolute()),
        )
    }
}

/// A tool that answers with an `A`, whose calls are checked before `call` has them.
fn route<A: JsonSchema + 'static, S: Send + Sync + 'static, P: 'static>(
    name: &'static str,
    description: impl Into<Cow<'static, str>>,
    effect: Effect,
    arguments: &'static [Argument],
    call: impl CallToolHandler<S, P> + Clone + Send + Sync + 'static,
) -> ToolRoute<S> {
    ToolRoute::new_dyn(tool::<A>(name, description, effect, arguments), move |context| {
        match arguments::check(arguments, context.arguments.as_ref()) {
            Ok(()) => context.invoke(call.clone()),
            Err(refused) => Box::pin(ready(refused.into_call_tool_result())),
        }
    })
}

/// A duration as people say it: `24h`, `7days`.
fn words(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}
