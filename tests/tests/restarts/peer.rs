//! A client of 2025-11-25 that does all that the protocol lets a client do.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stream::Stream;

/// What a client waits where nobody has told it how long.
const PAUSE: Duration = Duration::from_millis(100);
/// How often it comes back before it gives up.
const ATTEMPTS: usize = 50;

/// A client that sends a call again only if no server has it, and comes back for an answer that was cut off.
pub(crate) struct Peer {
    http: Client,
    url: String,
    session: Option<String>,
    last_request: u64,
    /// How often it came back.
    pub(crate) resumed: usize,
}

impl Peer {
    /// Begins a session.
    pub(crate) async fn connect(url: &str) -> Self {
        let http = Client::builder().no_proxy().build().expect("nothing special");
        let mut peer = Self { http, url: url.to_owned(), session: None, last_request: 0, resumed: 0 };
        let info = json!({ "name": "tests", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        let initialize = peer.request("initialize", &params);
        let answer = peer.post(&initialize).send().await.expect("a server answers");
        assert_eq!(answer.status(), StatusCode::OK);
        peer.session = Some(answer.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned());
        Stream::of(answer).message().await.expect("an answer");
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        assert_eq!(peer.post(&initialized).send().await.expect("a server listens").status(), StatusCode::ACCEPTED);
        peer
    }

    /// Counts on. `None` if nobody knows whether that was done.
    pub(crate) async fn count(&mut self) -> Option<u64> {
        let answer = self.call("counter", json!({})).await?;
        Some(answer["structuredContent"]["count"].as_u64().unwrap_or_else(|| panic!("a number: {answer}")))
    }

    /// Calls a tool. `None` if nobody knows whether that was done.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Option<Value> {
        let request = self.request("tools/call", &json!({ "name": tool, "arguments": arguments }));
        let mut stream = Stream::of(self.send(&request).await?);
        loop {
            while let Some(mut message) = stream.message().await {
                if message["id"] != request["id"] {
                    continue;
                }
                if message["result"].is_object() {
                    return Some(message["result"].take());
                }
                assert_eq!(message["error"]["code"], -32603, "{message}");
                let said = message["error"]["message"].as_str().expect("an error says why");
                assert!(said.starts_with("the server ended before it could answer"), "{said}");
                return None;
            }
            // A stream whose first event never came cannot be named.
            let last = stream.last?;
            sleep(stream.retry.unwrap_or(PAUSE)).await;
            stream = self.listen(Some(&last)).await;
            stream.last.get_or_insert(last);
            self.resumed += 1;
        }
    }

    /// Opens a stream of what concerns no call, or goes on with the one that an event is of.
    pub(crate) async fn listen(&self, after: Option<&str>) -> Stream {
        for _ in 0..ATTEMPTS {
            let mut request = self.prepare(Method::GET).header("accept", "text/event-stream");
            if let Some(after) = after {
                request = request.header("last-event-id", after);
            }
            match request.send().await {
                Ok(answer) if answer.status() == StatusCode::OK => return Stream::of(answer),
                Ok(answer) => assert!(is_broken(&answer) || is_busy(&answer), "{answer:?}"),
                Err(_) => {}
            }
            sleep(PAUSE).await;
        }
        panic!("nobody lets it come back")
    }

    /// Sends a call until a server has it. `None` if one had it and is gone.
    async fn send(&self, request: &Value) -> Option<Response> {
        for _ in 0..ATTEMPTS {
            match self.post(request).send().await {
                Ok(answer) if answer.status() == StatusCode::OK => return Some(answer),
                Ok(answer) if is_broken(&answer) => return None,
                Ok(answer) => {
                    assert!(is_busy(&answer), "{answer:?}");
                    let seconds = answer.headers()["retry-after"].to_str().expect("digits").parse().expect("digits");
                    sleep(Duration::from_secs(seconds)).await;
                }
                Err(error) if error.is_connect() => sleep(PAUSE).await,
                Err(_) => return None,
            }
        }
        panic!("nobody takes the call")
    }

    fn request(&mut self, method: &str, params: &Value) -> Value {
        self.last_request += 1;
        json!({ "jsonrpc": "2.0", "id": self.last_request, "method": method, "params": params })
    }

    fn post(&self, message: &Value) -> RequestBuilder {
        self.prepare(Method::POST).header("accept", "application/json, text/event-stream").json(message)
    }

    fn prepare(&self, method: Method) -> RequestBuilder {
        let request = self.http.request(method, &self.url).header("mcp-protocol-version", "2025-11-25");
        match &self.session {
            Some(session) => request.header("mcp-session-id", session),
            None => request,
        }
    }
}

/// Whether a server had the request and is gone.
fn is_broken(answer: &Response) -> bool {
    answer.status() == StatusCode::BAD_GATEWAY
}

/// Whether no server has the request.
fn is_busy(answer: &Response) -> bool {
    answer.status() == StatusCode::SERVICE_UNAVAILABLE && answer.headers().contains_key("retry-after")
}
