//! The session tools, to be mounted by any server.

mod answer;
mod argument;
mod durability;
mod handle;
mod in_session;
mod place;
mod route;

mod directory;
mod end;
mod info;
mod list;
mod open;
mod project;
mod state;

use rmcp::handler::server::router::tool::ToolRouter;
use session_core::Lifetimes;

use crate::project::Projects;

use self::directory::{get_working_directory, set_working_directory};
use self::durability::lasts;
use self::end::{end_all_sessions, end_session};
use self::handle::Handle;
use self::info::session_info;
use self::list::list_sessions;
use self::open::open_session;
use self::project::{auto_switch_project, get_project, list_projects};
use self::state::{delete_state, get_state, set_state};

pub use self::durability::Durability;
pub use self::in_session::InSession;

/// The session tools that change their session, or end it, whatever it is: they do not look at it first.
#[cfg(feature = "http")]
pub(crate) const UNREAD: [&str; 3] = ["set_state", "delete_state", "end_session"];

/// The session tools: `open_session`, `list_sessions`, `session_info`, `set_working_directory`,
/// `get_working_directory`, `get_project`, `auto_switch_project`, `list_projects`, `set_state`, `get_state`,
/// `delete_state`, `end_session` and `end_all_sessions`.
///
/// They serve every protocol version and transport alike, and use nothing of the handler they are mounted in, which
/// has to be wrapped in [`WithSessions`](crate::WithSessions).
///
/// `list_sessions`, `end_all_sessions` and resuming a session by its locator are for callers who are a
/// [`Principal`](crate::Principal): an anonymous one has nothing but handles.
///
/// # The handle of other tools
///
/// A tool of the handler's own has a session by the [`Session`](crate::Session) it takes as a parameter. Where the
/// protocol has no sessions of its own, a call says which one by the argument `session`, so the tool's input schema has
/// to have that: optional, inline, and exactly `"type": "string"`, with a description that says how long sessions last.
/// [`mount`](Self::mount) adds it to every tool, [`mount_beside`](Self::mount_beside) leaves it at those that take
/// [`InSession`].
///
/// The tool itself never sees the argument, so its own parameters can refuse unknown fields. It never runs with one
/// that is no handle. If it takes a [`Session`](crate::Session), it learns by using that whether there is one; if it
/// takes none, the session is loaded before, and the tool runs only if there is one. (A tool that is no `async fn` has
/// run by then, and its answer is withheld.) A tool whose schema has an
/// argument `session` of its own keeps that schema and that argument, unchanged; its value is taken for a handle
/// nevertheless, so another name is the better choice. What a tool answers is left as it is.
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
    has_handle_header: bool,
    projects: Projects,
}

impl SessionTools {
    /// The tools for sessions of these lifetimes, kept that long. Sessions can work in any directory.
    #[must_use]
    pub fn new(lifetimes: Lifetimes, durability: Durability) -> Self {
        Self { lifetimes, durability, has_handle_header: false, projects: Projects::default() }
    }

    /// Lets clients of 2026-07-28 repeat the handle in the header `Mcp-Param-Session`, by which a balancer can route.
    /// Off unless set.
    ///
    /// Clients learn of the header from the list of tools: some have to list them before they call with a handle that
    /// they have from elsewhere, and are refused until then. A handle is then seen by whoever sees headers. Where
    /// callers are anonymous it is all that protects a session, so leave it off there. A call whose header and argument
    /// differ, or that has one without the other, is refused before it reaches a tool, which rmcp does by
    /// [`get_tool`](rmcp::ServerHandler::get_tool): a handler that is written without `#[tool_handler]` has to
    /// implement it.
    #[must_use]
    pub fn with_handle_header(mut self, has_handle_header: bool) -> Self {
        self.has_handle_header = has_handle_header;
        self
    }

    /// Finds the projects of directories there, and confines sessions to the directories that it allows.
    #[must_use]
    pub fn with_projects(mut self, projects: Projects) -> Self {
        self.projects = projects;
        self
    }

    /// Where the projects of directories are found: for tools of the handler's own, which work in a session's project.
    #[must_use]
    pub fn projects(&self) -> &Projects {
        &self.projects
    }

    /// Adds the tools to a handler's own, and lets each of those take a handle.
    #[must_use]
    pub fn mount<S: Send + Sync + 'static>(&self, mut own: ToolRouter<S>) -> ToolRouter<S> {
        self.handle().give_to_all(&mut own);
        own.merge(self.router());
        own
    }

    /// Adds the tools to a handler's own, of which only those take a handle that take [`InSession`].
    #[must_use]
    pub fn mount_beside<S: Send + Sync + 'static>(&self, mut own: ToolRouter<S>) -> ToolRouter<S> {
        self.handle().give_to_takers(&mut own);
        own.merge(self.router());
        own
    }

    /// The tools as a router, to be merged into a handler's own.
    #[must_use]
    pub fn router<S: Send + Sync + 'static>(&self) -> ToolRouter<S> {
        let mut router = ToolRouter::new();
        for route in [
            open_session(&self.projects, &lasts(self.lifetimes, self.durability)),
            list_sessions(),
            session_info(&self.projects),
            set_working_directory(&self.projects),
            get_working_directory(&self.projects),
            get_project(&self.projects),
            auto_switch_project(&self.projects),
            list_projects(&self.projects),
            set_state(),
            get_state(),
            delete_state(),
            end_session(),
            end_all_sessions(),
        ] {
            router.add_route(route);
        }
        self.handle().give_to_all(&mut router);
        router
    }

    fn handle(&self) -> Handle {
        Handle::new(&lasts(self.lifetimes, self.durability), self.has_handle_header)
    }
}
