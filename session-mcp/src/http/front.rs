//! What HTTP alone knows, before and after rmcp.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use http_body_util::{BodyExt as _, Full, LengthLimitError};
use rmcp::ServerHandler;
use rmcp::transport::streamable_http_server::StreamableHttpService;
use serde::Deserialize;
use serde_json::Value;
use session_core::Owner;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::with_sessions::WithSessions;
use crate::within::within;

use super::caller::Caller;
use super::deletion::Deletion;
use super::foresight::Foresight;
use super::guard::Guard;
use super::handshake::Handshake;
use super::headers::{METHOD, SESSION_ID};
use super::legacy::LegacySessions;
use super::refusal::{INVALID_REQUEST, PARSE_ERROR, refuse};
use super::trouble::Trouble;

/// What HTTP alone knows, before and after rmcp.
pub(super) struct Front<H> {
    /// Its clones are dear, so it has none.
    rmcp: StreamableHttpService<WithSessions<H>, LegacySessions>,
    guard: Guard,
    foresight: Foresight,
    legacy: Arc<LegacySessions>,
    calls: TaskTracker,
    /// Cancelled when no more requests should come.
    leaving: CancellationToken,
    body_limit: usize,
}

impl<H: ServerHandler> Front<H> {
    pub(super) fn new(
        rmcp: StreamableHttpService<WithSessions<H>, LegacySessions>,
        guard: Guard,
        foresight: Foresight,
        legacy: Arc<LegacySessions>,
        calls: TaskTracker,
        leaving: CancellationToken,
        body_limit: usize,
    ) -> Self {
        Self { rmcp, guard, foresight, legacy, calls, leaving, body_limit }
    }

    /// Handles a request around rmcp, if whoever sends it may.
    pub(super) async fn handle(&self, mut request: Request) -> Response {
        let owner = match self.guard.admit(&mut request) {
            Ok(owner) => owner,
            Err(unauthorized) => return unauthorized.into_response(),
        };
        let caller = self.caller(owner, &mut request);
        let answer = async {
            match *request.method() {
                Method::POST => self.post(request).await,
                Method::DELETE => self.delete(request).await,
                _ => self.answer(without_body(request), None).await,
            }
        };
        let mut response = caller.scope(answer).await;
        if self.leaving.is_cancelled() {
            // Whoever sends requests over this connection chooses another server for the next one.
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    /// Who sends a request; with what it says, if it names a session that is not open here.
    fn caller(&self, owner: Owner, request: &mut Request) -> Caller {
        let id = request.headers().get(&SESSION_ID).and_then(|id| id.to_str().ok());
        if id.is_none_or(|id| self.legacy.has(id)) {
            return Caller::new(owner, None);
        }
        let (parts, body) = std::mem::take(request).into_parts();
        let caller = Caller::new(owner, Some(parts.clone()));
        *request = Request::from_parts(parts, body);
        caller
    }

    /// Lets rmcp answer, and turns its 500 into what is the trouble where that is known. Of a stream that cannot be
    /// resumed it says no more than that nothing is on it. The call is in flight until the last byte of rmcp's answer.
    fn answer(
        &self,
        request: Request<Full<Bytes>>,
        call: Option<TaskTrackerToken>,
    ) -> impl Future<Output = Response> + Send {
        let is_stream = request.method() == Method::GET;
        // A future of some kilobytes, which those around it would copy from one to the next.
        let handling = Box::pin(self.rmcp.handle(request));
        async move {
            let (response, trouble) = Trouble::watch(handling).await;
            match trouble {
                Some(trouble) if is_stream || response.status().is_server_error() => trouble.response(),
                _ => response.map(|body| {
                    // Nothing fails here. What wraps the body keeps the call, and leaves it as long as it was.
                    Body::new(body.map_err(move |never| {
                        let _in_flight = &call;
                        never
                    }))
                }),
            }
        }
    }

    /// Limits the body and says what is wrong with one that is no message. The call counts as in flight from the last
    /// byte of its body until the last byte of its answer, if it is not refused.
    async fn post(&self, request: Request) -> Response {
        let (mut parts, body) = request.into_parts();
        let declared = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if declared.is_some_and(|length| length > self.body_limit) {
            return too_large(self.body_limit);
        }
        let body = match within(BODY_DEADLINE, to_bytes(body, self.body_limit)).await {
            Err(_) => return too_slow(),
            Ok(Ok(body)) => body,
            Ok(Err(error)) if is_length_limit(&error) => return too_large(self.body_limit),
            Ok(Err(_)) => return refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, "the request's body broke off"),
        };
        if body.len() > INITIALIZE_LIMIT && is_initialize(&body) {
            return too_large(INITIALIZE_LIMIT);
        }
        // A subscription has no end of its own, and is no call that could be waited for.
        let call = (!is_subscription(&parts.headers)).then(|| self.calls.token());
        self.foresight.look(&mut parts, &body).await;
        let content_type = parts.headers.get(CONTENT_TYPE).cloned();
        let request = Request::from_parts(parts, Full::from(body.clone()));
        let response = Handshake::watch(self.answer(request, call)).await;
        match response.status() {
            StatusCode::UNSUPPORTED_MEDIA_TYPE if is_json(content_type.as_ref()) => not_a_message(&body),
            // What is wrong with the body comes before what is wrong with the answer it could have.
            StatusCode::NOT_ACCEPTABLE if !is_json_text(&body) => not_a_message(&body),
            _ => response,
        }
    }

    /// Lets rmcp check the request and the session manager end the session. rmcp's own answer is 202, also for what was
    /// never there.
    async fn delete(&self, request: Request) -> Response {
        let (response, deletion) = Deletion::watch(self.answer(without_body(request), None)).await;
        if response.status() != StatusCode::ACCEPTED {
            return response;
        }
        match deletion {
            Some(Deletion::Ended) => StatusCode::NO_CONTENT.into_response(),
            Some(Deletion::ReadOnly) => read_only(),
            Some(Deletion::Unknown) | None => no_session(),
        }
    }
}

/// What is sent with a method that has no use for a body is not read.
fn without_body(request: Request) -> Request<Full<Bytes>> {
    request.map(|_| Full::default())
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let essence = content_type.and_then(|value| value.to_str().ok()?.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// Whether this is the request of 2026-07-28 for a stream of notifications. rmcp holds the header against the body.
fn is_subscription(headers: &HeaderMap) -> bool {
    headers.get(&METHOD).is_some_and(|method| method == "subscriptions/listen")
}

fn is_length_limit(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(<dyn std::error::Error>::is::<LengthLimitError>)
}

/// Whether a body is JSON to its end. Its texts are read too, since what is no UTF-8 is no JSON.
fn is_json_text(body: &[u8]) -> bool {
    serde_json::from_slice::<Value>(body).is_ok()
}

fn is_initialize(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Request<'a> {
        #[serde(borrow)]
        method: Cow<'a, str>,
    }
    serde_json::from_slice::<Request<'_>>(body).is_ok_and(|request| request.method == "initialize")
}

/// What rmcp did not take for a message: no JSON, or JSON of another kind.
fn not_a_message(body: &Bytes) -> Response {
    if !is_json_text(body) {
        return refuse(StatusCode::BAD_REQUEST, PARSE_ERROR, "the request's body is not JSON");
    }
    refuse(StatusCode::BAD_REQUEST, INVALID_REQUEST, "the request's body is not one JSON-RPC message of MCP")
}

fn too_large(limit: usize) -> Response {
    let message = format!("the request's body is larger than this server's limit of {limit} bytes");
    refuse(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, &message)
}

fn too_slow() -> Response {
    let seconds = BODY_DEADLINE.as_secs();
    let message = format!("the request's body did not arrive within {seconds} s; send it again, on a new connection");
    let mut response = refuse(StatusCode::REQUEST_TIMEOUT, INVALID_REQUEST, &message);
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn no_session() -> Response {
    refuse(StatusCode::NOT_FOUND, INVALID_REQUEST, "there is no such session; initialize a new one")
}

fn read_only() -> Response {
    refuse(StatusCode::FORBIDDEN, INVALID_REQUEST, "this id may only read its session; leave it to expire")
}

/// How long a request's body may take to arrive.
const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// The longest `initialize` in bytes. What a client says of itself there is kept as long as its session.
const INITIALIZE_LIMIT: usize = 64 * 1024;
