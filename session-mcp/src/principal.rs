//! Who calls.

use std::fmt;

use rmcp::model::Extensions;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use session_core::{Owner, PrincipalId};

/// Who calls, as the server's own authentication found out.
///
/// Over HTTP, an application puts it into the extensions of each request it has authenticated, in a layer around
/// [`Endpoint::router`](crate::Endpoint::router); whoever has none is anonymous. The sessions of a principal are theirs
/// alone, whatever they are called by. Two tokens of one principal reach the same sessions, so a refreshed one keeps
/// them.
///
/// ```
/// use axum::extract::Request;
/// use axum::middleware::Next;
/// use axum::response::Response;
/// use session_mcp::Principal;
///
/// # fn authenticate(_: &Request) -> String { "alice".to_owned() }
/// async fn identify(mut request: Request, next: Next) -> Response {
///     let subject = authenticate(&request);
///     if let Ok(principal) = Principal::new("https://issuer.example", &subject) {
///         request.extensions_mut().insert(principal);
///     }
///     next.run(request).await
/// }
/// ```
///
/// As text it is `{ issuer = "https://issuer.example", subject = "alice" }`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Principal(PrincipalId);

impl Principal {
    /// The principal who is `subject` at `issuer`, the two claims that outlive a token. Neither is kept, only a hash of
    /// both.
    ///
    /// # Errors
    ///
    /// [`InvalidPrincipal`] if one of them is empty: all callers of whom it is not known would be one.
    pub fn new(issuer: &str, subject: &str) -> Result<Self, InvalidPrincipal> {
        for (claim, text) in [("issuer", issuer), ("subject", subject)] {
            if text.is_empty() {
                return Err(InvalidPrincipal { claim });
            }
        }
        Ok(Self(PrincipalId::new(issuer, subject)))
    }
}

impl From<Principal> for Owner {
    fn from(principal: Principal) -> Self {
        Self::Principal(principal.0)
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Principal {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Claims {
            issuer: String,
            subject: String,
        }
        let Claims { issuer, subject } = Claims::deserialize(deserializer)?;
        Self::new(&issuer, &subject).map_err(D::Error::custom)
    }
}

/// A principal without an issuer, or without a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`{claim}` must not be empty")]
pub struct InvalidPrincipal {
    claim: &'static str,
}

/// Whose sessions a message opens and finds: over HTTP those of the request's own principal, elsewhere those of the
/// connection's.
pub(crate) fn owner_of(message: &Extensions, connection: Owner) -> Owner {
    #[cfg(feature = "http")]
    if let Some(request) = message.get::<axum::http::request::Parts>() {
        return owner_of_request(&request.extensions);
    }
    #[cfg(not(feature = "http"))]
    let _ = message;
    connection
}

/// Whose sessions a request opens and finds.
#[cfg(feature = "http")]
pub(crate) fn owner_of_request(request: &axum::http::Extensions) -> Owner {
    request.get::<Principal>().map_or(Owner::Anonymous, |principal| (*principal).into())
}
