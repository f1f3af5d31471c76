//! Whose a session is.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use reqwest::StatusCode;
use rmcp::handler::server::tool::IntoCallToolResult as _;
use rmcp::model::CallToolResponse;
use serde_json::{Value, json};
use session_core::{Expired, Lifetimes, Limits, Owner};
use session_mcp::{Config, Principal, SessionError, TestSession};
use session_memory::{MemoryConfig, MemoryStore};

use crate::common::{Legacy, Modern, Server};

/// An hour less than the idle timeout.
const NEARLY_IDLE: Duration = Duration::from_secs(23 * 60 * 60);

/// The application's own authentication: whoever says who they are is believed.
async fn identify(mut request: Request, next: Next) -> Response {
    if let Some(subject) = request.headers().get("x-subject").cloned() {
        let principal = Principal::new("https://issuer.example", subject.to_str().expect("visible ASCII"));
        request.extensions_mut().insert(principal.expect("it has both"));
    }
    next.run(request).await
}

fn alice() -> Principal {
    Principal::new("https://issuer.example", "alice").expect("it has both")
}

async fn server(config: &Config) -> Server {
    Server::layered(config, |router| router.layer(from_fn(identify))).await
}

fn modern(server: &Server, subject: &'static str) -> Modern {
    Modern { subject: Some(subject), ..Modern::of(server) }
}

fn error(result: &Value) -> &str {
    result["_meta"]["session-mcp/refusal"]["error"].as_str().unwrap_or_else(|| panic!("no error: {result}"))
}

#[tokio::test]
async fn a_session_is_the_principals_who_opened_it() {
    let server = server(&Config::default()).await;
    let (alice, bob, nobody) = (modern(&server, "alice"), modern(&server, "bob"), Modern::of(&server));
    for (opener, others) in [(&alice, [&bob, &nobody]), (&nobody, [&alice, &bob])] {
        let opened = opener.call("open_session", json!({})).await;
        let handle = &opened["structuredContent"]["session"];
        let set = json!({ "session": handle, "name": "n", "value": 1 });
        assert_ne!(opener.call("set_state", set.clone()).await["isError"], true);
        let refused = [others[0].call("set_state", set.clone()).await, others[1].call("set_state", set).await];
        assert_eq!(error(&refused[0]), "not_found");
        assert_eq!(refused[0], refused[1]);
    }
}

#[tokio::test]
async fn a_principal_that_changes_within_a_session_is_refused() {
    let server = server(&Config::default()).await;
    let alice = Legacy::connect_as(&server, Some("alice")).await;
    assert_eq!(alice.send("tools/list", json!({})).await.status(), StatusCode::OK);
    for other in [Some("bob"), None] {
        let turned = alice.turned(other);
        assert_eq!(turned.send("tools/list", json!({})).await.status(), StatusCode::NOT_FOUND, "{other:?}");
        assert_eq!(turned.delete().await, StatusCode::NOT_FOUND, "{other:?}");
    }
    assert_eq!(alice.send("tools/list", json!({})).await.status(), StatusCode::OK, "hers is as it was");
    let nobody = Legacy::connect(&server).await;
    let turned = nobody.turned(Some("alice"));
    assert_eq!(turned.send("tools/list", json!({})).await.status(), StatusCode::NOT_FOUND);
    assert_eq!(alice.delete().await, StatusCode::NO_CONTENT);
    assert_eq!(alice.delete().await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_principal_at_their_limit_is_told_so_over_http_too() {
    let limits = Limits { sessions_per_principal: 1, ..Limits::default() };
    let store = MemoryStore::new(MemoryConfig { limits, ..MemoryConfig::default() });
    let server =
        Server::layered_over(Arc::new(store), &Config::default(), |router| router.layer(from_fn(identify))).await;
    let _first = Legacy::connect_as(&server, Some("alice")).await;
    let refused = Legacy::try_connect_as(&server, Some("alice")).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    let said = refused.text().await.expect("a text");
    assert!(said.contains("your limit of sessions") && said.contains("end one"), "{said}");
    Legacy::connect_as(&server, Some("bob")).await;
}

#[test]
fn a_principal_has_an_issuer_and_a_subject() {
    for (issuer, subject, missing) in [("", "alice", "`issuer`"), ("https://issuer.example", "", "`subject`")] {
        let error = Principal::new(issuer, subject).expect_err("it would be everybody").to_string();
        assert!(error.contains(missing), "{error}");
    }
}

#[tokio::test]
async fn where_a_principal_is_required_nobody_else_is_served() {
    let server = server(&Config { require_principal: true, ..Config::default() }).await;
    let refused = Modern::of(&server).send("tools/list", None, json!({})).await;
    assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(refused.headers()["www-authenticate"], r#"Bearer realm="mcp""#);
    let alices = modern(&server, "alice").send("tools/list", None, json!({})).await;
    assert_eq!(alices.status(), StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn ones_own_expired_session_says_by_which_limit() {
    let alice = alice();
    let test = TestSession::open_for(alice).await.expect("nothing is in the way");
    tokio::time::advance(Lifetimes::DEFAULT_IDLE).await;
    let idle = test.session().load().await.expect_err("it expired");
    assert!(matches!(idle, SessionError::Expired { by: Expired::Idle }), "{idle:?}");
    assert_eq!(idle.code(), "expired");
    assert!(idle.to_string().contains("idle timeout") && idle.to_string().contains("`open_session`"), "{idle}");
    assert!(!idle.to_string().contains(|letter: char| letter.is_ascii_digit()), "it tells no time: {idle}");
    assert_eq!(refusal(idle), json!({ "error": "expired", "limit": "idle_timeout" }));

    let ended = test.session().end().await.expect_err("it expired");
    assert!(matches!(ended, SessionError::Expired { by: Expired::Idle }), "{ended:?}");

    let test = test.another_for(alice).await.expect("nothing is in the way");
    let ends_at = test.session().ends_at().await.expect("it is live");
    for _ in 0..7 {
        tokio::time::advance(NEARLY_IDLE).await;
        test.session().load().await.expect("it is used often enough");
    }
    tokio::time::advance(NEARLY_IDLE).await;
    let absolute = test.session().set("name", &1).await.expect_err("it expired");
    assert!(matches!(absolute, SessionError::Expired { by: Expired::Absolute(at) } if at == ends_at), "{absolute:?}");
    let at = humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(ends_at.as_millis())).to_string();
    assert!(absolute.to_string().contains(&format!("absolute lifetime at {at}")), "{absolute}");
    let expected = json!({ "error": "expired", "limit": "absolute_lifetime", "ended_at": at });
    assert_eq!(refusal(absolute), expected);
}

/// What programs get to read of it in a tool's answer.
fn refusal(error: SessionError) -> Value {
    let Ok(CallToolResponse::Complete(result)) = error.into_call_tool_result() else { panic!("it is an answer") };
    result.meta.expect("it says why").0["session-mcp/refusal"].take()
}

#[tokio::test(start_paused = true)]
async fn what_was_ended_and_what_is_nobodys_is_just_not_there() {
    let alice = TestSession::open_for(alice()).await.expect("it opens");
    alice.session().end().await.expect("it is live");
    let nobody = alice.another_for(Owner::Anonymous).await.expect("it opens");
    tokio::time::advance(Lifetimes::DEFAULT_IDLE).await;
    for test in [alice, nobody] {
        let absent = test.session().load().await.expect_err("it has gone");
        assert!(matches!(absent, SessionError::NotFound), "{absent:?}");
    }
}
