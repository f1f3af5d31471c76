//! What a call is about to ask of a store that has to be waited for.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header::ORIGIN;
use axum::http::request::Parts;
use memchr::memmem;
use session_core::{SessionKey, SessionManager, SessionName};

use crate::ahead::Ahead;
use crate::principal::owner_of_request;
use crate::tools::UNREAD;

use super::headers::{METHOD, NAME};

/// Loads the session that a call of 2026-07-28 names, before rmcp begins anything for that call: to wait is cheapest
/// then. By its `Mcp-Session-Id`, a session is loaded first in any case.
///
/// It looks only where that is plain to see, and decides nothing: a call whose session was not foreseen loads it
/// itself. At worst, a session that its caller may use is used by a call that only mentions it.
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
        if !may_look_at_a_session(&request.headers) {
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
    headers.get(&METHOD).is_some_and(has_arguments)
        && headers.get(&NAME).is_some_and(looks)
        && !headers.contains_key(ORIGIN)
}

/// The session that a call's arguments name, as far as that can be seen without parsing the body: the one handle that
/// it gives for `session`; `None` if it gives two.
fn named(body: &[u8]) -> Option<SessionName> {
    let mut names = memmem::find_iter(body, ARGUMENT).filter_map(|at| {
        let after = body[at + ARGUMENT.len()..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
        let (name, rest) = after.strip_prefix(b"\"")?.split_at_checked(SessionName::LEN)?;
        rest.starts_with(b"\"").then_some(name)
    });
    let name = names.next()?;
    str::from_utf8(name).ok().filter(|_| names.all(|other| other == name))?.parse().ok()
}

/// What comes before a session's handle.
const ARGUMENT: &[u8] = b"\"session\"";

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "ses_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

    #[test]
    fn a_session_is_seen_wherever_and_however_it_is_named() {
        for body in [
            format!(r#"{{"params":{{"name":"read","arguments":{{"session":"{NAME}"}}}}}}"#),
            format!(r#"{{"params":{{"_meta":{{"session":"{NAME}"}},"arguments":{{"session":"{NAME}"}}}}}}"#),
            format!(
                r#"{{"params":{{"arguments":{{"a":"session","b":["session"],"session" :{}"{NAME}","c":1}}}}}}"#,
                "\n\t "
            ),
        ] {
            let seen = named(body.as_bytes()).expect("it is named");
            assert_eq!(seen.expose(), NAME);
        }
    }

    #[test]
    fn what_names_no_session_is_left_to_the_call() {
        for body in [
            String::new(),
            r#"{"session":"ses_short"}"#.to_owned(),
            r#""session""#.to_owned(),
            r#""session":""#.to_owned(),
            r#"{"session":7}"#.to_owned(),
            format!(r#"{{"sessions":"{NAME}"}}"#),
            format!(r#"{{"said":"\"session\":\"{NAME}\""}}"#),
            format!(r#"{{"session":"{}é"}}"#, &NAME[1..]),
            format!(r#"{{"session":"{NAME}x"}}"#),
            format!(r#"{{"note":{{"session":"{NAME}"}},"session":"{}"}}"#, NAME.replace('A', "Q")),
        ] {
            assert!(named(body.as_bytes()).is_none(), "{body}");
        }
    }
}
