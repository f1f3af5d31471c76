//! What a session is.

use rmcp::handler::server::router::tool::ToolRoute;
use rmcp::handler::server::wrapper::Json;
use schemars::JsonSchema;
use serde::Serialize;
use session_core::{Mode, StateName};

use crate::error::SessionError;
use crate::project::Projects;
use crate::session::Session;
use crate::source::Source;

use super::answer::{Time, count, source, text};
use super::directory::allowed;
use super::route::{Effect, route};

pub(super) fn session_info<S: Send + Sync + 'static>(projects: &Projects) -> ToolRoute<S> {
    let projects = projects.clone();
    route::<Information, _, _>(
        "session_info",
        "Tells what this session is: its project, the names of its state values, when it was created and last used, \
         and when it ends.",
        Effect::Reads,
        &[],
        move |session: Session| {
            let projects = projects.clone();
            async move { info(&projects, session).await }
        },
    )
}

#[derive(Serialize, JsonSchema)]
struct Information {
    /// The directory the session works in. Null if none was set, or if it is outside of the allowed roots by now.
    working_directory: Option<String>,
    /// When that was set.
    set_at: Option<Time>,
    /// The project's config file.
    config_path: Option<String>,
    /// The project.
    project_id: Option<String>,
    /// The names of the values that the session keeps.
    state_names: Vec<String>,
    /// When the session was created.
    created_at: Time,
    /// When it was last used.
    last_used: Time,
    /// When it ends if it is not used.
    expires_at: Time,
    /// When it ends in any case.
    ends_at: Time,
    /// How often it was changed, from 1.
    #[schemars(schema_with = "count::<1>")]
    version: u64,
    /// Whether the handle may only read.
    read_only: bool,
    /// How the call reached the session.
    #[schemars(schema_with = "source")]
    source: Source,
}

async fn info(projects: &Projects, session: Session) -> Result<Json<Information>, SessionError> {
    let snapshot = session.load().await?;
    let own = |name: &StateName| (!name.is_reserved()).then(|| name.as_str().to_owned());
    Ok(Json(Information {
        working_directory: allowed(projects, &snapshot).await,
        set_at: snapshot.set_at.map(Time::from),
        config_path: text(snapshot.config_path.as_ref()),
        project_id: text(snapshot.project_id.as_ref()),
        state_names: snapshot.state.iter().filter_map(|(name, _)| own(name)).collect(),
        created_at: snapshot.created_at.into(),
        last_used: snapshot.last_used().into(),
        expires_at: snapshot.expires_at().into(),
        ends_at: snapshot.ends_at.into(),
        version: snapshot.version.get(),
        read_only: snapshot.mode() == Mode::ReadOnly,
        source: session.source()?,
    }))
}
