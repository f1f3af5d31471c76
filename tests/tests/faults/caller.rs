//! A session, called at any of the replicas.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use session_tests::{HttpServer, Reach, message};

/// The longest that a call may take. It asks the store five times at most: for its session, for what it reads and
/// writes there, to keep the session in use, and to keep the answer. Each of that has an end after two seconds.
const PATIENCE: Duration = Duration::from_secs(12);

/// The replicas, and what their callers share.
#[derive(Debug)]
pub(crate) struct Fleet {
    http: Client,
    urls: Vec<String>,
    requests: AtomicU64,
    slowest: AtomicU64,
}

impl Fleet {
    pub(crate) fn of(replicas: &[HttpServer]) -> Self {
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().expect("nothing special");
        let urls = replicas.iter().map(|replica| replica.url().to_owned()).collect();
        Self { http, urls, requests: AtomicU64::new(0), slowest: AtomicU64::new(0) }
    }

    /// How many replicas there are.
    pub(crate) fn size(&self) -> usize {
        self.urls.len()
    }

    /// The longest that any call took.
    pub(crate) fn slowest(&self) -> Duration {
        Duration::from_millis(self.slowest.load(Ordering::Relaxed))
    }

    /// A number that no other request of the run has, so that an answer to another one is seen.
    fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

/// Why a call was not served. Everything else that is no success is a panic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The store does not answer: 503 with `Retry-After`, or a tool that says so. What was asked may have been done.
    Unavailable,
    /// There is no such session: 404, or a tool that says so.
    NotFound,
}

/// A session, and the way in which a client of its era reaches it.
#[derive(Debug)]
pub(crate) struct Caller {
    fleet: Arc<Fleet>,
    reach: Reach,
    /// The replica that was called last.
    last: AtomicUsize,
}

impl Caller {
    /// Begins a session. Even numbers are clients of 2025-11-25, odd ones of 2026-07-28.
    pub(crate) async fn connect(fleet: &Arc<Fleet>, number: usize) -> Result<Self, Refused> {
        let is_legacy = number.is_multiple_of(2);
        let reach = if is_legacy { Reach::Id(String::new()) } else { Reach::Handle(String::new()) };
        let mut caller = Self { fleet: Arc::clone(fleet), reach, last: AtomicUsize::new(number) };
        caller.reach = if is_legacy { caller.initialize().await? } else { caller.open().await? };
        Ok(caller)
    }

    /// The session's version before anything is written to it: what a client says when it initializes is a write.
    pub(crate) fn first_version(&self) -> u64 {
        match self.reach {
            Reach::Id(_) => 2,
            Reach::Handle(_) => 1,
        }
    }

    /// Calls a tool at another replica than the last time.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Result<Value, Refused> {
        self.call_at(self.next_replica(), tool, arguments).await
    }

    /// Calls a tool at this replica, and returns the structured content of its answer.
    pub(crate) async fn call_at(&self, replica: usize, tool: &str, arguments: Value) -> Result<Value, Refused> {
        let id = self.fleet.next_request();
        let begun = Instant::now();
        let answer = self
            .send(replica, "tools/call", Some(id), json!({ "name": tool, "arguments": self.reach.within(arguments) }))
            .await?;
        let body = answer.text().await.expect("an answer is whole");
        let mut message = message(&body)
            .unwrap_or_else(|| panic!("{tool} at replica {replica}: no message after {:?}: {body:?}", begun.elapsed()));
        let elapsed = u64::try_from(begun.elapsed().as_millis()).expect("not that long");
        self.fleet.slowest.fetch_max(elapsed, Ordering::Relaxed);

        assert_eq!(message["id"], id, "the answer is that to the request: {message}");
        let result = &mut message["result"];
        match result["_meta"]["session-mcp/refusal"]["error"].as_str() {
            Some("unavailable") => return Err(Refused::Unavailable),
            Some("not_found") => return Err(Refused::NotFound),
            _ => assert!(result.is_object() && result["isError"] != true, "{tool} at replica {replica}: {message}"),
        }
        Ok(result["structuredContent"].take())
    }

    /// Ends the session, as clients of its era do: with DELETE, or by the tool.
    pub(crate) async fn end(&self) -> Result<(), Refused> {
        let Reach::Id(name) = &self.reach else {
            return self.call("end_session", json!({})).await.map(drop);
        };
        let request = self.fleet.http.delete(&self.fleet.urls[self.next_replica()]);
        let request = request.header("mcp-session-id", name).header("mcp-protocol-version", "2025-11-25");
        accepted(request).await.map(drop)
    }

    /// Another one than the last time.
    fn next_replica(&self) -> usize {
        self.last.fetch_add(1, Ordering::Relaxed) % self.fleet.size()
    }

    async fn initialize(&mut self) -> Result<Reach, Refused> {
        let replica = self.next_replica();
        let client = json!({ "name": "tests", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client });
        let answer = self.send(replica, "initialize", Some(self.fleet.next_request()), params).await?;
        let id = answer.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
        answer.bytes().await.expect("an answer is whole");
        self.reach = Reach::Id(id.clone());
        self.send(replica, "notifications/initialized", None, json!({})).await?;
        Ok(Reach::Id(id))
    }

    async fn open(&self) -> Result<Reach, Refused> {
        let opened = self.call("open_session", json!({})).await?;
        Ok(Reach::Handle(opened["session"].as_str().expect("a handle").to_owned()))
    }

    async fn send(&self, replica: usize, method: &str, id: Option<u64>, params: Value) -> Result<Response, Refused> {
        accepted(self.reach.post(&self.fleet.http, &self.fleet.urls[replica], method, id, params)).await
    }
}

/// What a replica answers that took the request.
async fn accepted(request: RequestBuilder) -> Result<Response, Refused> {
    let answer = request.send().await.expect("a replica answers in time");
    match answer.status() {
        StatusCode::SERVICE_UNAVAILABLE => {
            assert!(answer.headers().contains_key("retry-after"), "it says when to try again: {answer:?}");
            Err(Refused::Unavailable)
        }
        StatusCode::NOT_FOUND => Err(Refused::NotFound),
        status if status.is_success() => Ok(answer),
        status => panic!("{status}: {:?}", answer.text().await),
    }
}
