//! The end of a session, or of all of the caller's own.

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::Json;
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::SessionError;
use crate::session::Session;
use crate::source::Source;

use super::answer::{count, source};
use super::list::require_principal;
use super::route::{Effect, route};

pub(super) fn end_session<S: Send + Sync + 'static>() -> ToolRoute<S> {
    route::<Ended, _, _>(
        "end_session",
        "Ends this session with everything it keeps, under all of its handles.",
        Effect::Replaces { idempotent: true },
        &[],
        end,
    )
}

pub(super) fn end_all_sessions<S: Send + Sync + 'static>() -> ToolRoute<S> {
    route::<AllEnded, _, _>(
        "end_all_sessions",
        "Ends all of your sessions with everything they keep, for authenticated callers.",
        Effect::Replaces { idempotent: true },
        &[],
        end_all,
    )
}

#[derive(Serialize, JsonSchema)]
struct Ended {
    /// Whether the session has ended.
    ended: bool,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
}

async fn end(session: Session) -> Result<Json<Ended>, SessionError> {
    session.end().await?;
    Ok(Json(Ended { ended: true, source: session.source()? }))
}

#[derive(Serialize, JsonSchema)]
struct AllEnded {
    /// How many sessions ended by this call.
    #[schemars(schema_with = "count::<0>")]
    ended_sessions: u64,
}

async fn end_all(session: Session) -> Result<Json<AllEnded>, SessionError> {
    require_principal(&session)?;
    Ok(Json(AllEnded { ended_sessions: session.end_all().await? }))
}
