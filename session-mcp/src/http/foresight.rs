//! What a call is about to ask of a store that has to be waited for.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use serde::Deserialize;
use session_core::{SessionKey, SessionManager, SessionName};

use crate::ahead::Ahead;
use crate::principal::owner_of_request;
use crate::tools::UNREAD;

/// Loads the session that a call of 2026-07-28 names, before rmcp begins anything for that call: to wait is cheapest
/// then. By its `Mcp-Session-Id`, a session is loaded first in any case.
///
/// It looks only where that is plain to see, and decides nothing: a call whose session was not foreseen loads it itself.
#[derive(Debug)]
pub(super) struct Foresight {
    /// Nobody, if their store is not waited for.
    sessions: Option<Arc<SessionManager>>,
}

impl Foresight {
    pub(super) fn new(sessions: &Arc<SessionManager>) -> Self {
        Self { sessions: (!sessions.store().is_local()).then(|| Arc::clone(sessions)) }
    }

    /// Puts into a request what its call is going to ask first.
    pub(super) async fn look(&self, request: &mut Parts, body: &[u8]) {
        let Some(sessions) = &self.sessions else { return };
        if body.len() > MAX_BODY || !may_look_at_a_session(&request.headers) {
            return;
        }
        let Some(name) = named(body) else { return };
        let key = SessionKey::by_name(owner_of_request(&request.extensions), &name);
        let changes = sessions.changes(&key);
        let answer = sessions.load(&key).await;
        request.extensions.insert(Ahead::new(key, changes, answer));
    }
}

/// Whether this is a request of 2026-07-28 for what has arguments, and looks at the session in them; rmcp holds the
/// headers against the body. Those that a browser sends wait until rmcp has looked where they come from.
fn may_look_at_a_session(headers: &HeaderMap) -> bool {
    let has_arguments = |method| method == "tools/call" || method == "prompts/get";
    let looks = |name| UNREAD.iter().all(|unread| name != unread);
    headers.get("mcp-method").is_some_and(has_arguments)
        && headers.get("mcp-name").is_some_and(looks)
        && !headers.contains_key(ORIGIN)
}

/// The session that a call's arguments name.
fn named(body: &[u8]) -> Option<SessionName> {
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow)]
        params: Params<'a>,
    }
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow)]
        arguments: Arguments<'a>,
    }
    #[derive(Deserialize)]
    struct Arguments<'a> {
        session: &'a str,
    }
    serde_json::from_slice::<Request<'_>>(body).ok()?.params.arguments.session.parse().ok()
}

/// The longest body in bytes that is read twice.
const MAX_BODY: usize = 16 * 1024;
