//! Who may send requests.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use session_core::Owner;

use crate::principal::owner_of_request;
use crate::tokens::Tokens;

use super::refusal::{INVALID_REQUEST, refuse};

/// Finds out who sends a request, and refuses those who have to say so and do not.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    tokens: Option<Arc<Tokens>>,
    is_required: bool,
}

impl Guard {
    /// A guard that knows these tokens, or leaves it to the application to authenticate. `is_required` refuses those
    /// whom neither knows.
    pub(super) fn new(tokens: Option<Tokens>, is_required: bool) -> Self {
        Self { is_required: is_required || tokens.is_some(), tokens: tokens.map(Arc::new) }
    }

    /// Notes the principal in the request, for who answers it.
    ///
    /// # Errors
    ///
    /// [`Unauthorized`] says what to answer instead.
    pub(super) fn admit(&self, request: &mut Request) -> Result<Owner, Unauthorized> {
        if let Some(tokens) = &self.tokens {
            let token = bearer(request.headers());
            let principal = token.and_then(|token| tokens.principal(token));
            let challenge = if token.is_some() { INVALID_TOKEN } else { CHALLENGE };
            request.extensions_mut().insert(principal.ok_or(Unauthorized(challenge))?);
        }
        match owner_of_request(request.extensions()) {
            Owner::Anonymous if self.is_required => Err(Unauthorized(CHALLENGE)),
            owner => Ok(owner),
        }
    }
}

/// The token of the one `Authorization: Bearer …` that a request has.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_start_matches(' '))
}

/// A request whose sender has to say who they are, and does not. Holds the challenge, as
/// [RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-3) has it.
#[derive(Debug)]
pub(super) struct Unauthorized(&'static str);

impl IntoResponse for Unauthorized {
    fn into_response(self) -> Response {
        let message = "this server has to know who calls, and does not; authenticate as it asks for, such as with \
                       `Authorization: Bearer` and a token that it accepts";
        let mut response = refuse(StatusCode::UNAUTHORIZED, INVALID_REQUEST, message);
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(self.0));
        response
    }
}

const CHALLENGE: &str = r#"Bearer realm="mcp""#;
const INVALID_TOKEN: &str = r#"Bearer realm="mcp", error="invalid_token""#;
