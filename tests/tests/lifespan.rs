//! A whole server from its configuration, over each store: what protects a call in flight, and what observers are told.

use std::future::pending;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::CallToolRequestParams;
use rmcp::{ServerHandler, ServiceExt as _, tool, tool_handler, tool_router};
use session_core::{Change, Error, Event, Mode, NewGrant, Owner, Quota, Reason, SessionKey, StoreError};
use session_mcp::{Config, Lifespan, LimitsConfig, Principal, Session, SessionError, WithSessions, serve_connection};
use session_test_servers::Server;
use session_tests::age;

fn alice() -> Owner {
    Principal::new("https://issuer.example", "alice").expect("it has both").into()
}

/// A server where everybody can have one session.
fn config(store: &str) -> Config {
    let limits = LimitsConfig { sessions_per_principal: 1, ..LimitsConfig::default() };
    Config { store: store.parse().expect("a store"), limits, ..Config::default() }
}

/// A tool that takes longer than a session has to be idle to be evicted.
#[derive(Clone)]
struct Sleeper {
    tools: ToolRouter<Self>,
}

#[tool_router]
impl Sleeper {
    #[tool(description = "Sleeps for three seconds")]
    async fn sleep(&self, session: Session) -> Result<String, SessionError> {
        tokio::time::sleep(Duration::from_secs(3)).await;
        session.load().await?;
        Ok("its session is there".to_owned())
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Sleeper {}

#[tokio::test]
async fn a_call_in_flight_keeps_its_session_from_being_evicted_in_memory() {
    keeps_its_session("memory").await;
}

#[tokio::test]
async fn a_call_in_flight_keeps_its_session_from_being_evicted_in_redis() {
    let redis = Server::start().await;
    keeps_its_session(&redis.url()).await;
}

/// With the shortest time to eviction that the configuration can have, which is the idle timeout here.
async fn keeps_its_session(store: &str) {
    let least = Duration::from_millis(1_500);
    let limits = LimitsConfig { evict_after: least, ..config(store).limits };
    let lifespan = Lifespan::begin(&Config { idle_timeout: least, limits, ..config(store) }).await.expect("it begins");
    let handler = WithSessions::new(Sleeper { tools: Sleeper::tool_router() }, lifespan.sessions()).owned_by(alice());
    let (here, there) = tokio::io::duplex(1 << 16);
    tokio::spawn(serve_connection(handler, there, pending()));
    let client = ().serve(here).await.expect("the handshake succeeds");

    let sessions = lifespan.sessions();
    let (answer, ()) = tokio::join!(client.call_tool(CallToolRequestParams::new("sleep")), async {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let refused = sessions.open(alice(), Change::new()).await.expect_err("their one session is in use");
        let quota = Error::Store(StoreError::Quota(Quota::SessionsPerPrincipal { max: 1 }));
        assert_eq!(refused.to_string(), quota.to_string());
    });
    let answer = answer.expect("no protocol error");
    assert_eq!(answer.is_error, Some(false), "{answer:?}");
}

#[tokio::test(start_paused = true)]
async fn an_observer_is_told_each_reason_in_memory() {
    tells_each_reason("memory", async |idle| tokio::time::advance(idle).await).await;
}

#[tokio::test]
async fn an_observer_is_told_each_reason_in_redis() {
    let redis = Server::start().await;
    tells_each_reason(&redis.url(), async |idle| age(&redis.url(), idle).await).await;
}

/// Goes through the life of sessions. `age` lets so much time pass for those that there are.
async fn tells_each_reason(store: &str, age: impl AsyncFn(Duration)) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let observer = {
        let told = Arc::clone(&told);
        move |event: &Event| told.lock().unwrap_or_else(PoisonError::into_inner).push(event.reason)
    };
    let lifespan = Lifespan::observed(&config(store), Arc::new(observer)).await.expect("it begins");
    let sessions = lifespan.sessions();
    let open = async || sessions.open(alice(), Change::new()).await.expect("there is room").name;

    let key = SessionKey::by_name(alice(), &open().await);
    sessions.promote(&key, NewGrant::new(Mode::ReadWrite), Change::new()).await.expect("it is live");
    sessions.resume(&alice(), key.locator(), Change::new()).await.expect("it is theirs");
    age(LimitsConfig::default().evict_after).await;
    let next = SessionKey::by_name(alice(), &open().await);
    assert!(sessions.end(&next).await.expect("the store is there"));
    assert!(!sessions.end(&next).await.expect("the store is there"));
    open().await;
    for ended in [1, 0] {
        assert_eq!(sessions.end_all(&alice()).await.expect("the store is there"), ended);
    }
    lifespan.end().await;

    let told = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
    let expected = [
        Reason::Created,
        Reason::Promoted,
        Reason::Restored,
        Reason::Evicted,
        Reason::Created,
        Reason::Ended,
        Reason::Created,
        Reason::Ended,
    ];
    assert_eq!(told, expected);
}
