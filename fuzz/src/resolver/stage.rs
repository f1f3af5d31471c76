//! A server, those who speak to it, and what they must never learn or touch.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rmcp::model::ErrorCode;
use serde_json::Value;
use session_core::{
    Change, Limits, Load, Owner, Page, SessionKey, SessionManager, SessionName, StateValue, Text, Timestamp, Version,
};
use session_mcp::{Durability, SessionServer, SessionTools, TokioTimer};
use session_memory::{MemoryConfig, MemoryStore};

use super::caller::Caller;

pub(super) struct Stage {
    sessions: Arc<SessionManager>,
    callers: Vec<Caller>,
    known: Vec<Known>,
}

/// A session that somebody was given a handle of.
struct Known {
    name: SessionName,
    owner: Owner,
    /// Which of the callers was given it.
    by: Option<usize>,
    /// What it was when last looked at, if it was there.
    was: Option<Seen>,
}

/// What changes of a session whenever it is used.
type Seen = (Version, Timestamp);

impl Stage {
    /// Two connections that shook hands and two that did not, nobody's in particular and two principals'. Somebody else
    /// has two sessions with a secret in each.
    pub(super) async fn set() -> Self {
        thread_local!(static SERVER: SessionServer = server());
        let store = MemoryStore::new(MemoryConfig { limits: LIMITS, ..MemoryConfig::default() });
        let sessions = Arc::new(SessionManager::new(Arc::new(store), Arc::new(TokioTimer)));
        sessions.start().await.expect("memory is always there");
        let [alice, bob, carol] = ["alice", "bob", "carol"].map(|subject| Owner::principal("https://issuer", subject));
        let caller = |owner| SERVER.with(|server| Caller::new(server, &sessions, owner));
        let callers = vec![
            caller(Owner::Anonymous).initialized().await,
            caller(Owner::Anonymous),
            caller(alice).initialized().await,
            caller(bob),
        ];
        let mut stage = Self { sessions, callers, known: Vec::new() };
        for owner in [Owner::Anonymous, carol] {
            let secret = Change::new()
                .working_directory(Text::new(SECRET).expect("a text"))
                .set("secret".parse().expect("a state name"), StateValue::from(SECRET.as_bytes()));
            let name = stage.sessions.open(owner, secret).await.expect("there is room").name;
            stage.know(name, owner, None).await;
        }
        stage
    }

    /// Lets somebody say something.
    pub(super) async fn say(&mut self, who: usize, line: &str) {
        let who = who % self.callers.len();
        let request = self.filled_in(who, line);
        let Some(answer) = self.callers[who].ask(&request).await else { return };
        let said = match &answer {
            Ok(answer) | Err(answer) => answer.to_string(),
        };
        if let Ok(result) = &answer {
            let code = &result["_meta"]["session-mcp/refusal"]["error"];
            assert!(!["internal", "unavailable", "full", "wrong_type"].iter().any(|defect| code == defect), "{code}");
        }
        let refused = answer.as_ref().map_or_else(is_ours, |result| result["isError"] == true);
        assert!(!refused || !request.contains(CANARY) || !said.contains(CANARY), "what was said is repeated: {said}");
        assert!(!said.contains(SECRET) || request.contains(SECRET), "somebody else's secret is told");
        self.learn(who, &request, &said, answer.as_ref().unwrap_or(&Value::Null)).await;
        self.look(Some((who, &request))).await;
        self.count().await;
    }

    /// Lets time pass.
    pub(super) async fn wait(&mut self, time: Duration) {
        tokio::time::advance(time.min(MAX_WAIT)).await;
        self.look(None).await;
        self.count().await;
    }

    /// Puts handles and locators in the place of what stands for them.
    fn filled_in(&self, who: usize, line: &str) -> String {
        let (mut request, mut rest) = (String::new(), line);
        while let Some(at) = rest.find(['$', '@', '~']) {
            let (before, mark) = rest.split_at(at);
            let (sign, after) = mark.split_at(1);
            request.push_str(before);
            if let Some(after) = after.strip_prefix("meta") {
                request.push_str(META);
                rest = after;
                continue;
            }
            let number = after.chars().next().and_then(|digit| digit.to_digit(10));
            let digits = usize::from(number.is_some());
            let mut given = self.known.iter().filter(|known| known.by.is_some_and(|by| sign != "$" || by == who));
            match number.and_then(|number| given.nth(number as usize)) {
                Some(known) if sign == "~" => request.push_str(&known.name.locator().to_string()),
                Some(known) => request.push_str(&known.name.expose()),
                None => request.push_str(&mark[..=digits]),
            }
            rest = &after[digits..];
        }
        request + rest
    }

    /// Whoever is answered learns of no session but their own, and gets a handle only as one.
    async fn learn(&mut self, who: usize, request: &str, said: &str, answer: &Value) {
        let owner = self.callers[who].owner;
        for known in &self.known {
            let locator = known.name.locator().to_string();
            let own = known.by == Some(who) || (owner != Owner::Anonymous && known.owner == owner);
            assert!(own || request.contains(&locator) || !said.contains(&locator), "a foreign session is told of");
        }
        let given = answer["structuredContent"]["session"].as_str();
        for name in names(said) {
            let text = name.expose();
            if request.contains(&text) {
                continue;
            }
            assert_eq!(given, Some(text.as_str()), "a name is told that nobody asked for");
            if self.known.iter().all(|known| known.name != name) {
                self.know(name, owner, Some(who)).await;
            }
        }
    }

    async fn know(&mut self, name: SessionName, owner: Owner, by: Option<usize>) {
        let was = self.peek(&name, owner).await;
        assert!(was.is_some(), "a handle that opens nothing");
        self.known.push(Known { name, owner, by, was });
    }

    async fn peek(&self, name: &SessionName, owner: Owner) -> Option<Seen> {
        let loaded = self.sessions.store().load(&SessionKey::by_name(owner, name), Load::Peek).await;
        let session = loaded.expect("memory is always there")?;
        let bytes = session.bytes();
        assert!(session.grants.len() <= LIMITS.grants && bytes <= LIMITS.session_bytes, "a session is too large");
        assert!(session.state.clients().count() <= LIMITS.state_names, "a session has too many values");
        assert!(session.state.clients().all(|(_, value)| value.len() <= LIMITS.value_bytes), "a value is too large");
        Some((session.version, session.last_used()))
    }

    /// Whatever was said, or whatever time passed: only what the speaker could reach has changed, and nothing came
    /// back.
    async fn look(&mut self, said: Option<(usize, &str)>) {
        for index in 0..self.known.len() {
            let known = &self.known[index];
            let is = self.peek(&known.name, known.owner).await;
            assert!(known.was.is_some() || is.is_none(), "a session came back");
            if let Some((who, request)) = said {
                let owner = self.callers[who].owner;
                let reached = known.owner == owner
                    && (owner != Owner::Anonymous
                        || known.by == Some(who)
                        || request.contains(&known.name.locator().to_string()));
                assert!(reached || is == known.was, "a foreign session is touched");
            }
            self.known[index].was = is;
        }
    }

    async fn count(&self) {
        let all = self.sessions.session_count().await.expect("memory is always there");
        assert!(all <= LIMITS.sessions, "too many sessions");
        for owner in self.callers.iter().map(|caller| caller.owner).filter(|owner| *owner != Owner::Anonymous) {
            let page = Page::first(NonZeroU32::new(Page::MAX_SIZE).expect("more than nothing"));
            let own = self.sessions.list(&owner, page).await.expect("memory is always there").sessions.len() as u64;
            assert!(own <= LIMITS.sessions_per_principal, "too many sessions of one principal");
        }
    }
}

/// Whether an error is one of ours: rmcp itself repeats methods and protocol versions that it does not know.
fn is_ours(error: &Value) -> bool {
    error["code"] != ErrorCode::METHOD_NOT_FOUND.0 && error["code"] != ErrorCode::UNSUPPORTED_PROTOCOL_VERSION.0
}

/// Everything in a text that is a session's name.
fn names(text: &str) -> Vec<SessionName> {
    let candidates = text.match_indices("ses_").filter_map(|(at, _)| text.get(at..at + SessionName::LEN));
    candidates.filter_map(|candidate| candidate.parse().ok()).collect()
}

fn server() -> SessionServer {
    SessionServer::new(&SessionTools::new(session_core::Lifetimes::default(), Durability::Process))
}

/// So little of everything that a few lines meet each limit.
const LIMITS: Limits = Limits {
    sessions: 12,
    sessions_per_principal: 3,
    evict_after: Duration::from_secs(30),
    creation_rate: None,
    grants: 4,
    state_names: 3,
    value_bytes: 64,
    session_bytes: 160,
};

/// Longer than every session lives.
const MAX_WAIT: Duration = Duration::from_secs(8 * 24 * 60 * 60);

/// What only the owner of a session knows.
const SECRET: &str = "/a/secret/of/somebody/else";

/// What an error must not repeat.
const CANARY: &str = "c4n4ry";

/// What a request of 2026-07-28 says of itself.
const META: &str = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"fuzz","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}"#;
