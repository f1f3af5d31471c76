//! The tools for whoever is a principal: list my sessions, take one up again, end them all.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use serde_json::{Value, json};
use session_core::{Change, Owner, SessionKey, SessionName};
use session_mcp::{Config, Principal};

use crate::common::{Legacy, Modern, Server};

fn principal(subject: &str) -> Principal {
    Principal::new("https://issuer.example", subject).expect("it has both")
}

/// The application's own authentication: whoever says who they are is believed.
async fn identify(mut request: Request, next: Next) -> Response {
    if let Some(subject) = request.headers().get("x-subject") {
        let principal = principal(subject.to_str().expect("visible ASCII"));
        request.extensions_mut().insert(principal);
    }
    next.run(request).await
}

async fn server() -> Server {
    Server::layered(&Config::default(), |router| router.layer(from_fn(identify))).await
}

fn modern(server: &Server, subject: &'static str) -> Modern {
    Modern { subject: Some(subject), ..Modern::of(server) }
}

/// What a tool answered that did not fail.
fn answer(mut result: Value) -> Value {
    assert_eq!(result["isError"], false, "{result}");
    result["structuredContent"].take()
}

fn error(result: &Value) -> (&str, &str) {
    let error = &result["_meta"]["session-mcp/refusal"]["error"];
    let text = &result["content"][0]["text"];
    (error.as_str().unwrap_or_else(|| panic!("{result}")), text.as_str().expect("a sentence"))
}

async fn open(client: &Modern) -> (String, SessionName) {
    let opened = answer(client.call("open_session", json!({})).await);
    let handle = opened["session"].as_str().expect("a handle").to_owned();
    let name = handle.parse().expect("a name");
    (handle, name)
}

fn locators(listed: &Value) -> Vec<&str> {
    let sessions = listed["sessions"].as_array().unwrap_or_else(|| panic!("{listed}"));
    sessions.iter().map(|session| session["locator"].as_str().expect("a locator")).collect()
}

#[tokio::test]
async fn my_sessions_are_listed_and_nobody_elses() {
    let server = server().await;
    let (alice, bob) = (modern(&server, "alice"), modern(&server, "bob"));
    let (one, two) = (open(&alice).await, open(&alice).await);
    answer(alice.call("set_working_directory", json!({ "session": two.0, "directory": "/" })).await);
    open(&bob).await;
    open(&Modern::of(&server)).await;

    let listed = answer(alice.call("list_sessions", json!({})).await);
    let mine = BTreeSet::from([one.1.locator().to_string(), two.1.locator().to_string()]);
    assert_eq!(locators(&listed).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), mine);
    assert_eq!(locators(&listed).len(), 2);
    assert!(listed.get("next_cursor").is_none(), "{listed}");

    let changed = listed["sessions"].as_array().expect("some").iter().find(|session| session["version"] == 2);
    let changed = changed.unwrap_or_else(|| panic!("one was changed: {listed}"));
    let info = answer(alice.call("session_info", json!({ "session": two.0 })).await);
    for told in ["working_directory", "created_at", "ends_at", "version"] {
        assert_eq!(changed[told], info[told], "{told}");
    }
    assert!(changed["last_used"].as_str() <= info["last_used"].as_str(), "{changed} {info}");
    assert!(changed["expires_at"].as_str() <= info["expires_at"].as_str(), "{changed} {info}");
}

#[tokio::test]
async fn a_list_shows_no_secret() {
    let server = server().await;
    let alice = modern(&server, "alice");
    let (handle, name) = open(&alice).await;
    let listed = alice.call("list_sessions", json!({ "session": handle })).await.to_string();
    let secret = handle.split_at(handle.len() - 22).1;
    assert!(listed.contains(&name.locator().to_string()) && !listed.contains(secret), "{listed}");
}

#[tokio::test]
async fn a_list_is_read_a_page_at_a_time() {
    let server = server().await;
    let mut mine = BTreeSet::new();
    for _ in 0..60 {
        let opened = server.sessions.open(principal("alice").into(), Change::new()).await.expect("it opens");
        mine.insert(opened.name.locator().to_string());
    }
    let (alice, mut seen, mut asked, mut pages) = (modern(&server, "alice"), Vec::new(), json!({}), 0);
    loop {
        pages += 1;
        assert!(pages < 10, "there is an end");
        let page = answer(alice.call("list_sessions", asked).await);
        assert!(locators(&page).len() <= 50, "{page}");
        seen.extend(locators(&page).into_iter().map(str::to_owned));
        match page.get("next_cursor") {
            Some(cursor) => asked = json!({ "cursor": cursor }),
            None => break,
        }
    }
    assert_eq!((seen.len(), pages), (60, 2), "none comes twice");
    assert_eq!(seen.into_iter().collect::<BTreeSet<_>>(), mine);
}

#[tokio::test]
async fn the_session_of_the_call_is_marked_in_the_list() {
    let server = server().await;
    let (alice, legacy) = (modern(&server, "alice"), Legacy::connect_as(&server, Some("alice")).await);
    let ((handle, name), (ended, _)) = (open(&alice).await, open(&alice).await);
    let own: SessionName = legacy.id.parse().expect("a name");
    answer(alice.call("end_session", json!({ "session": ended })).await);
    let mine = name.locator().to_string();
    for (listed, expected) in [
        (alice.call("list_sessions", json!({ "session": handle })).await, vec![mine.clone()]),
        (alice.call("list_sessions", json!({ "session": ended })).await, vec![]),
        (alice.call("list_sessions", json!({})).await, vec![]),
        (legacy.call("list_sessions", json!({})).await, vec![own.locator().to_string()]),
        (legacy.call("list_sessions", json!({ "session": handle })).await, vec![mine]),
    ] {
        let listed = answer(listed);
        let sessions = listed["sessions"].as_array().expect("an array").iter();
        let marked: Vec<_> =
            sessions.filter(|session| session["current"] == true).map(|it| it["locator"].clone()).collect();
        assert_eq!(Value::from(marked), json!(expected), "{listed}");
        assert_eq!(locators(&listed).len(), 2);
    }
    let refused = alice.call("list_sessions", json!({ "session": "nonsense" })).await;
    assert_eq!(error(&refused).0, "invalid_handle");
}

#[tokio::test]
async fn a_cursor_that_no_page_returned_is_refused() {
    let server = server().await;
    let alice = modern(&server, "alice");
    open(&alice).await;
    for cursor in ["", "no where", "elsewhere", &"x".repeat(129)] {
        let refused = alice.call("list_sessions", json!({ "cursor": cursor })).await;
        let (code, said) = error(&refused);
        assert!(code == "invalid_argument" && said.contains("`cursor` must be the `next_cursor`"), "{refused}");
        assert!(cursor.is_empty() || !refused.to_string().contains(cursor), "{refused}");
    }
}

#[tokio::test]
async fn an_anonymous_caller_has_nothing_but_handles() {
    let server = server().await;
    let (modern, legacy) = (Modern::of(&server), Legacy::connect(&server).await);
    let (handle, name) = open(&modern).await;
    let locator = name.locator().to_string();
    for (tool, arguments) in [
        ("list_sessions", json!({})),
        ("list_sessions", json!({ "session": handle })),
        ("open_session", json!({ "resume": locator })),
        ("open_session", json!({ "resume": "nonsense" })),
        ("open_session", json!({ "resume": locator, "session": handle })),
        ("end_all_sessions", json!({})),
    ] {
        for refused in [modern.call(tool, arguments.clone()).await, legacy.call(tool, arguments.clone()).await] {
            let (code, said) = error(&refused);
            assert_eq!(code, "principal_required", "{tool} {arguments}: {refused}");
            assert!(said.contains("authenticate"), "{said}");
        }
    }
    answer(modern.call("session_info", json!({ "session": handle })).await);
    answer(legacy.call("session_info", json!({})).await);
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 2, "nothing was opened or ended");
}

#[tokio::test]
async fn a_session_of_mine_is_taken_up_again() {
    let server = server().await;
    let alice = modern(&server, "alice");
    let (lost, name) = open(&alice).await;
    answer(alice.call("set_state", json!({ "session": lost, "name": "branch", "value": "main" })).await);

    let listed = answer(alice.call("list_sessions", json!({})).await);
    let resumed = answer(alice.call("open_session", json!({ "resume": listed["sessions"][0]["locator"] })).await);
    assert_eq!(resumed["source"], "resumed");
    let session = resumed["session"].as_str().expect("a handle");
    assert_ne!(session, lost);
    assert_eq!(session.parse::<SessionName>().expect("a name").locator(), name.locator());
    for handle in [session, &lost] {
        let read = answer(alice.call("get_state", json!({ "session": handle, "name": "branch" })).await);
        assert_eq!((&read["value"], &read["source"]), (&json!("main"), &json!("handle")), "all handles work on");
    }
    let again = json!({ "resume": name.locator().to_string(), "directory": "/" });
    let again = answer(alice.call("open_session", again).await);
    assert_eq!(again["working_directory"], "/");
    let info = answer(alice.call("session_info", json!({ "session": session })).await);
    assert_eq!((&info["working_directory"], &info["ends_at"]), (&json!("/"), &again["ends_at"]));
    assert_eq!(info["read_only"], false);
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 1, "none was opened");
}

#[tokio::test]
async fn what_is_taken_up_takes_nothing_from_the_connection() {
    let server = server().await;
    let (alice, legacy) = (modern(&server, "alice"), Legacy::connect_as(&server, Some("alice")).await);
    let (_, name) = open(&alice).await;
    answer(legacy.call("set_state", json!({ "name": "whose", "value": "the connection's" })).await);
    let resumed = answer(legacy.call("open_session", json!({ "resume": name.locator().to_string() })).await);
    assert_eq!(resumed["source"], "resumed");
    let other = json!({ "session": resumed["session"], "name": "whose" });
    assert_eq!(answer(legacy.call("get_state", other).await)["found"], false);
    let own = answer(legacy.call("get_state", json!({ "name": "whose" })).await);
    assert_eq!((&own["value"], &own["source"]), (&json!("the connection's"), &json!("http_session")));
}

#[tokio::test]
async fn foreign_ended_and_never_was_are_one_answer() {
    let server = server().await;
    let (alice, bob) = (modern(&server, "alice"), modern(&server, "bob"));
    let ((handle, foreign), (over, ended), (theirs, anonymous)) =
        (open(&alice).await, open(&bob).await, open(&Modern::of(&server)).await);
    answer(bob.call("end_session", json!({ "session": over })).await);
    let mut answers = Vec::new();
    for locator in [
        foreign.locator().to_string(),
        ended.locator().to_string(),
        anonymous.locator().to_string(),
        SessionName::mint().locator().to_string(),
        // Its last character has bits that no locator has.
        "AAAAAAAAAAAAAAAAAAAAAB".to_owned(),
        "-_-_-_-_-_-_-_-_-_-_-_".to_owned(),
    ] {
        answers.push(bob.call("open_session", json!({ "resume": locator, "directory": "/" })).await);
    }
    assert_eq!(error(&answers[0]).0, "not_found");
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");

    for (client, handle) in [(&alice, handle), (&Modern::of(&server), theirs)] {
        let info = answer(client.call("session_info", json!({ "session": handle })).await);
        assert_eq!((&info["version"], &info["working_directory"]), (&json!(1), &Value::Null), "it was left alone");
    }
}

#[tokio::test]
async fn what_is_no_locator_is_said_to_be_none() {
    let server = server().await;
    let alice = modern(&server, "alice");
    let (handle, _) = open(&alice).await;
    for text in
        ["", "x", handle.as_str(), "AAAAAAAAAAAAAAAAAAAAA=", "éééééééééééééééééééééé", "AAAAAAAAAAAAAAAAAAAAAAA"]
    {
        let refused = alice.call("open_session", json!({ "resume": text })).await;
        let (code, said) = error(&refused);
        assert!(code == "invalid_argument" && said.contains("`resume`") && said.contains("`list_sessions`"), "{said}");
        assert!(text.len() < 2 || !refused.to_string().contains(text), "{refused}");
    }
}

#[tokio::test]
async fn resuming_one_session_in_another_is_refused() {
    let server = server().await;
    let alice = modern(&server, "alice");
    let ((handle, _), (_, other)) = (open(&alice).await, open(&alice).await);
    let both = |session| json!({ "resume": other.locator().to_string(), "session": session });
    let refused = alice.call("open_session", both(handle.as_str())).await;
    let (code, said) = error(&refused);
    assert!(code == "invalid_argument" && said.contains("`resume` cannot go together with `session`"), "{said}");
    let refused = alice.call("open_session", both("nonsense")).await;
    assert_eq!(error(&refused).0, "invalid_handle");
}

#[tokio::test]
async fn whoever_loses_handle_after_handle_can_always_come_back() {
    let server = server().await;
    let alice = modern(&server, "alice");
    let (handle, name) = open(&alice).await;
    let resume = json!({ "resume": name.locator().to_string() });
    let mut given = Vec::new();
    for _ in 0..20 {
        given.push(answer(alice.call("open_session", resume.clone()).await)["session"].take());
    }
    let (oldest, newest) = (&given[0], &given[given.len() - 1]);
    assert_eq!(error(&alice.call("session_info", json!({ "session": oldest })).await).0, "not_found");
    for works in [newest, &json!(handle)] {
        answer(alice.call("session_info", json!({ "session": works })).await);
    }
}

#[tokio::test]
async fn all_of_my_sessions_end_and_nobody_elses() {
    let server = server().await;
    let (alice, bob, nobody) = (modern(&server, "alice"), modern(&server, "bob"), Modern::of(&server));
    let legacy = Legacy::connect_as(&server, Some("alice")).await;
    let ((mine, _), (bobs, _), (nobodys, _)) = (open(&alice).await, open(&bob).await, open(&nobody).await);

    let refused = alice.call("end_all_sessions", json!({ "session": "nonsense" })).await;
    assert_eq!(error(&refused).0, "invalid_handle");
    for ended in [2, 0] {
        let answered = answer(alice.call("end_all_sessions", json!({ "session": mine })).await);
        assert_eq!(answered, json!({ "ended_sessions": ended }));
    }
    assert_eq!(answer(alice.call("list_sessions", json!({})).await), json!({ "sessions": [] }));
    assert_eq!(error(&alice.call("session_info", json!({ "session": mine })).await).0, "not_found");
    assert_eq!(legacy.send("tools/list", json!({})).await.status(), 404);
    answer(bob.call("session_info", json!({ "session": bobs })).await);
    answer(nobody.call("session_info", json!({ "session": nobodys })).await);
}

#[tokio::test]
async fn ones_own_expired_session_is_not_taken_up_again() {
    let idle_timeout = Duration::from_millis(50);
    let config = Config { idle_timeout, ..Config::default() };
    let server = Server::layered(&config, |router| router.layer(from_fn(identify))).await;
    let opened = server.sessions.open(principal("alice").into(), Change::new()).await.expect("it opens");
    let owner = Owner::from(principal("alice"));
    let key = SessionKey::by_locator(owner, opened.name.locator());
    while server.sessions.why_absent(&key).await.expect("it runs").is_none() {
        tokio::time::sleep(idle_timeout).await;
    }
    let resume = json!({ "resume": opened.name.locator().to_string() });
    let refused = modern(&server, "alice").call("open_session", resume.clone()).await;
    assert_eq!(error(&refused).0, "expired");
    assert_eq!(error(&modern(&server, "bob").call("open_session", resume).await).0, "not_found");
}
