//! MCP's requests over HTTP, for rmcp's client: one connection each, TLS by rustls with a provider of our own choice.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::request::Builder;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::common::http_header::{EVENT_STREAM_MIME_TYPE, HEADER_SESSION_ID, JSON_MIME_TYPE};
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpError, StreamableHttpPostResponse,
};
use rustls::{ClientConfig, RootCertStore};
use session_core::BoxError;
use sse_stream::{Sse, SseStream};

/// The longest answer, in bytes.
const MAX_ANSWER: usize = 1024 * 1024;

/// Sends requests to one server, with its token. Redirects are not followed: they would take the token elsewhere.
#[derive(Clone, Debug)]
pub(super) struct HttpClient {
    http: Client<HttpsConnector<HttpConnector>, String>,
    token: Option<HeaderValue>,
}

type Body = BoxBody<Bytes, HttpError>;

impl HttpClient {
    /// A client for this URL.
    ///
    /// # Errors
    ///
    /// [`TlsError`] if the URL asks for TLS, and no authority is known to trust.
    pub(super) async fn new(url: &str, token: Option<HeaderValue>) -> Result<Self, TlsError> {
        let roots = if url.starts_with("https:") {
            tokio::task::spawn_blocking(system_roots).await.map_err(|_| TlsError::Ended)??
        } else {
            RootCertStore::empty()
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
        let tls = tls.with_root_certificates(roots).with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        let connector =
            HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(tcp);
        // A question is rare. A connection kept for the next would be found dead after the server's restart.
        let http = Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build(connector);
        Ok(Self { http, token })
    }

    fn request(
        &self,
        method: Method,
        uri: &str,
        session: Option<&str>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Builder {
        let mut request = Request::builder().method(method).uri(uri);
        request = request.header(ACCEPT, format!("{EVENT_STREAM_MIME_TYPE}, {JSON_MIME_TYPE}"));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(session) = session {
            request = request.header(HEADER_SESSION_ID, session);
        }
        request
    }

    async fn send(&self, request: Builder, body: String) -> Result<Response<Body>, HttpError> {
        let request = request.body(body).map_err(|error| HttpError::send(&error))?;
        let response = self.http.request(request).await.map_err(|error| HttpError::send(&error))?;
        Ok(response.map(|body| Limited::new(body, MAX_ANSWER).map_err(|error| HttpError::receive(&error)).boxed()))
    }
}

impl StreamableHttpClient for HttpClient {
    type Error = HttpError;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session_id: Option<Arc<str>>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, StreamableHttpError<HttpError>> {
        let request = self.request(Method::POST, &uri, session_id.as_deref(), custom_headers);
        let request = request.header(CONTENT_TYPE, JSON_MIME_TYPE);
        let response = self.send(request, serde_json::to_string(&message)?).await?;
        let status = response.status();
        if status == StatusCode::NOT_FOUND && session_id.is_some() {
            return Err(StreamableHttpError::SessionExpired);
        }
        let wants_answer = matches!(message, ClientJsonRpcMessage::Request(_));
        if status.is_success() && !wants_answer {
            return Ok(StreamableHttpPostResponse::Accepted);
        }
        let session = response.headers().get(HEADER_SESSION_ID).and_then(|id| id.to_str().ok()).map(str::to_owned);
        if status.is_success() && is(&response, EVENT_STREAM_MIME_TYPE) {
            return Ok(StreamableHttpPostResponse::Sse(events(response), session));
        }
        // Who is refused by a status of authentication is not to take its body for an answer of the protocol.
        let refused = matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN);
        if refused || !is(&response, JSON_MIME_TYPE) {
            return Err(HttpError::Status(status).into());
        }
        let body = response.into_body().collect().await?.to_bytes();
        match serde_json::from_slice(&body) {
            Ok(message @ ServerJsonRpcMessage::Error(_)) => Ok(StreamableHttpPostResponse::Json(message, session)),
            Ok(message) if status.is_success() => Ok(StreamableHttpPostResponse::Json(message, session)),
            Err(error) if status.is_success() => Err(error.into()),
            _ => Err(HttpError::Status(status).into()),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session_id: Arc<str>,
        _auth_header: Option<String>,
        custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), StreamableHttpError<HttpError>> {
        let request = self.request(Method::DELETE, &uri, Some(&session_id), custom_headers);
        let status = self.send(request, String::new()).await?.status();
        match status {
            StatusCode::METHOD_NOT_ALLOWED => Err(StreamableHttpError::ServerDoesNotSupportDeleteSession),
            _ if status.is_success() => Ok(()),
            _ => Err(HttpError::Status(status).into()),
        }
    }

    /// Opens none. Nobody listens to messages of the server's own, and a question whose answer broke off is asked
    /// again.
    async fn get_stream(
        &self,
        _uri: Arc<str>,
        _session_id: Option<Arc<str>>,
        _last_event_id: Option<String>,
        _auth_header: Option<String>,
        _custom_headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, StreamableHttpError<HttpError>> {
        Err(StreamableHttpError::ServerDoesNotSupportSse)
    }
}

fn is(response: &Response<Body>, kind: &str) -> bool {
    let said = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    said.is_some_and(|said| said.get(..kind.len()).is_some_and(|said| said.eq_ignore_ascii_case(kind)))
}

fn events(response: Response<Body>) -> BoxStream<'static, Result<Sse, SseError>> {
    SseStream::new(response.into_body()).boxed()
}

/// The authorities that the system trusts.
fn system_roots() -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    let mut system = rustls_native_certs::load_native_certs();
    let (added, _) = roots.add_parsable_certificates(system.certs);
    match system.errors.pop() {
        _ if added > 0 => Ok(roots),
        Some(error) => Err(TlsError::Roots(error)),
        None => Err(TlsError::NoRoots),
    }
}

/// Why no server could be trusted.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("the system's certificates cannot be read")]
    Roots(#[source] rustls_native_certs::Error),
    #[error("the system has no certificates")]
    NoRoots,
    #[error("TLS cannot be set up")]
    Setup(#[from] rustls::Error),
    #[error("the runtime has ended")]
    Ended,
}

/// Why a request has no answer. rmcp keeps its text and not its source, so the text says all.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpError {
    #[error("the request was not sent: {0}")]
    Send(String),
    #[error("the answer broke off: {0}")]
    Receive(String),
    #[error("the server answered with the status {0}")]
    Status(StatusCode),
}

impl HttpError {
    fn send(error: &(dyn Error + 'static)) -> Self {
        Self::Send(all(error))
    }

    fn receive(error: &BoxError) -> Self {
        Self::Receive(all(&**error))
    }
}

impl From<HttpError> for StreamableHttpError<HttpError> {
    fn from(error: HttpError) -> Self {
        Self::Client(error)
    }
}

fn all(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let _ = write!(text, ": {source}");
        next = source.source();
    }
    text
}
