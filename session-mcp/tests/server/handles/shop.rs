//! An author's server: tools that take a handle in one way or the other, or none.

use axum::http::request::Parts;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::Extension;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use schemars::JsonSchema;
use serde::Deserialize;
use session_mcp::{InSession, Session, SessionError};

/// An author's server.
#[derive(Clone)]
pub(super) struct Shop {
    tools: ToolRouter<Self>,
}

/// Arguments that know nothing of a handle.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    /// How much.
    by: u32,
}

/// Arguments of which one is called what the handle is.
#[derive(Deserialize, JsonSchema)]
pub(super) struct OfItsOwn {
    /// Which lesson.
    session: u32,
}

async fn count(session: &Session, by: u32) -> Result<String, SessionError> {
    let counted = session.update_with("count", |count: Option<u32>| count.unwrap_or(0) + by).await?;
    Ok(format!("{} {counted}", session.source()?))
}

fn header_of(request: &Parts) -> String {
    let header = request.headers.get("mcp-param-session");
    header.map_or("none", |value| value.to_str().expect("visible ASCII")).to_owned()
}

#[tool_router(vis = "pub(super)")]
impl Shop {
    pub(super) fn new(tools: ToolRouter<Self>) -> Self {
        Self { tools }
    }

    #[tool(description = "Counts by so much")]
    async fn counted(
        &self,
        session: Session,
        Parameters(InSession(Add { by })): Parameters<InSession<Add>>,
    ) -> Result<String, SessionError> {
        count(&session, by).await
    }

    #[tool(description = "Counts by one")]
    async fn bare(&self, session: Session, _: Parameters<InSession>) -> Result<String, SessionError> {
        count(&session, 1).await
    }

    #[tool(description = "Counts by so much")]
    async fn strict(&self, session: Session, Parameters(Add { by }): Parameters<Add>) -> Result<String, SessionError> {
        count(&session, by).await
    }

    #[tool(description = "Has nothing to do with sessions")]
    async fn plain(&self) -> String {
        "plain".to_owned()
    }

    #[tool(description = "Tells of a lesson")]
    async fn of_its_own(&self, Parameters(of): Parameters<OfItsOwn>) -> String {
        format!("lesson {}", of.session)
    }

    #[tool(description = "Tells which handle came as a header")]
    async fn header(&self, Extension(request): Extension<Parts>) -> String {
        header_of(&request)
    }

    #[tool(description = "Tells which handle came as a header")]
    async fn header_in_session(&self, Extension(request): Extension<Parts>, _: Parameters<InSession>) -> String {
        header_of(&request)
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Shop {}
