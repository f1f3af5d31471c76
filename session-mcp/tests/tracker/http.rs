//! Over HTTP.

use std::path::Path;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use futures_util::future::join_all;
use rmcp::model::ProtocolVersion;
use serde_json::json;
use session_mcp::project::{InvalidTracker, McpTracker, ProjectTracker as _, TrackedProject, TrackerSettings};
use tokio::time::timeout;

use crate::board::{Board, Era, Port, Say};

fn tracker(settings: &TrackerSettings) -> McpTracker {
    McpTracker::new(settings).expect("the settings are valid")
}

/// Settings whose timeout no machine needs.
fn patient(board: &Board) -> TrackerSettings {
    TrackerSettings { timeout: Duration::from_secs(60), ..board.settings() }
}

fn project(id: &str) -> TrackedProject {
    TrackedProject { id: id.to_owned(), name: None }
}

fn says(id: &str) -> Say {
    Say::Structured(json!({ "id": id }))
}

async fn current(tracker: &McpTracker) -> Option<TrackedProject> {
    tracker.current_project(None).await.expect("it is told")
}

async fn refused(tracker: &McpTracker) -> String {
    tracker.current_project(None).await.expect_err("it is not told").to_string()
}

#[tokio::test]
async fn a_server_of_any_era_tells_its_project() {
    for (era, version) in [
        (Era::Both, ProtocolVersion::V_2026_07_28),
        (Era::Modern, ProtocolVersion::V_2026_07_28),
        (Era::Legacy, ProtocolVersion::V_2025_11_25),
    ] {
        let board = Board::start(era, Say::Structured(json!({ "project": { "id": "p-1", "name": "One" } }))).await;
        let tracker = tracker(&patient(&board));
        let one = TrackedProject { id: "p-1".to_owned(), name: Some("One".to_owned()) };
        assert_eq!(current(&tracker).await, Some(one), "{era:?}");
        board.says(Say::Text(r#"{ "project_id": "p-2" }"#.to_owned()));
        assert_eq!(current(&tracker).await, Some(project("p-2")), "{era:?}");
        for none in [Say::Structured(json!(null)), Say::Text("null".to_owned()), Say::Nothing] {
            board.says(none);
            assert_eq!(current(&tracker).await, None, "{era:?}");
        }
        let asked = board.questions();
        assert!(asked.iter().all(|question| question.version == Some(version.clone())), "{asked:?}");
        assert!(asked.iter().all(|question| question.tool == "get_active_project"), "{asked:?}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_an_error_and_harms_no_later_one() {
    for era in [Era::Modern, Era::Legacy] {
        let board = Board::start(era, Say::Error).await;
        let tracker = tracker(&patient(&board));
        assert!(refused(&tracker).await.starts_with("the tool answered with an error"));
        for (say, error) in [
            (Say::Refusal, "the tool was not called"),
            (Say::Text("the project is p".to_owned()), "neither structured content nor a text that is JSON"),
            (Say::Structured(json!({ "projects": [] })), "no id where"),
            (Say::Structured(json!({ "id": 7 })), "no text of 1 to 255"),
        ] {
            board.says(say.clone());
            let refused = refused(&tracker).await;
            assert!(refused.contains(error), "{say:?}: {refused}");
        }
        board.says(says("p"));
        assert_eq!(current(&tracker).await, Some(project("p")), "{era:?}");
    }
}

#[tokio::test]
async fn an_answer_longer_than_a_project_can_need_is_not_read() {
    for era in [Era::Modern, Era::Legacy] {
        let board = Board::start(era, Say::Structured(json!({ "id": "p", "more": "x".repeat(2 << 20) }))).await;
        let tracker = tracker(&patient(&board));
        let answer = timeout(Duration::from_secs(60), tracker.current_project(None)).await;
        assert!(answer.expect("it does not wait for more").is_err(), "{era:?}");
    }
}

#[tokio::test]
async fn a_server_that_refuses_a_later_version_by_a_bare_status_is_asked_in_an_earlier_one() {
    async fn refuse(request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.expect("a small body");
        if String::from_utf8_lossy(&body).contains("server/discover") {
            return (StatusCode::BAD_REQUEST, "Bad Request: no session").into_response();
        }
        next.run(Request::from_parts(parts, Body::from(body))).await
    }

    let board = Board::layered(Era::Legacy, says("p"), |router| router.layer(from_fn(refuse))).await;
    assert_eq!(current(&tracker(&patient(&board))).await, Some(project("p")));
}

#[tokio::test]
async fn a_question_that_is_given_up_harms_no_later_one() {
    for era in [Era::Modern, Era::Legacy] {
        let board = Board::start(era, says("p")).await;
        let tracker = tracker(&patient(&board));
        current(&tracker).await;
        board.says(Say::Hang);
        // More of them than a connection sends at once.
        for _ in 0..20 {
            assert!(timeout(Duration::from_millis(20), tracker.current_project(None)).await.is_err());
        }
        board.says(says("q"));
        assert_eq!(current(&tracker).await, Some(project("q")), "{era:?}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_holds_up_no_later_question() {
    let port = Port::new();
    let timeout_of_attempts = Duration::from_secs(5);
    let settings =
        TrackerSettings { url: Some(port.url()), timeout: timeout_of_attempts, ..TrackerSettings::default() };
    let tracker = tracker(&settings);
    assert!(timeout(Duration::from_millis(20), tracker.current_project(None)).await.is_err());
    assert_eq!(refused(&tracker).await, "there is no connection", "the attempt ends by itself");
    let _board = port.serve(Era::Both, says("p"));
    assert_eq!(current(&tracker).await, Some(project("p")));
}

#[tokio::test]
async fn a_server_may_go_and_come_back_as_one_of_another_era() {
    let port = Port::new();
    let url = Some(port.url());
    let tracker = tracker(&TrackerSettings { url, timeout: Duration::from_secs(60), ..TrackerSettings::default() });
    for (era, id) in
        [(Era::Modern, "a"), (Era::Modern, "b"), (Era::Legacy, "c"), (Era::Legacy, "d"), (Era::Modern, "e")]
    {
        let board = port.serve(era, says(id));
        assert_eq!(current(&tracker).await, Some(project(id)), "{era:?}");
        board.end().await;
    }
    let away = port.hang_up();
    refused(&tracker).await;
    refused(&tracker).await;
    away.abort();
    assert!(away.await.is_err_and(|error| error.is_cancelled()));
    let _board = port.serve(Era::Both, says("f"));
    assert_eq!(current(&tracker).await, Some(project("f")));
}

#[tokio::test]
async fn questions_share_a_connection() {
    let board = Board::start(Era::Legacy, says("p")).await;
    let tracker = tracker(&patient(&board));
    let answers = join_all((0..64).map(|_| current(&tracker))).await;
    assert_eq!(answers, vec![Some(project("p")); 64]);
    assert_eq!((board.questions().len(), board.handshakes()), (64, 1));
}

#[tokio::test]
async fn the_directory_is_sent_where_the_settings_say_and_constants_with_it() {
    let board = Board::start(Era::Both, says("p")).await;
    let constants = json!({ "workspace": "main", "limit": 1 }).as_object().cloned().expect("an object");
    let silent = TrackerSettings { tool: "current".to_owned(), arguments: constants, ..patient(&board) };
    let telling = TrackerSettings { directory_argument: Some("cwd".to_owned()), ..silent.clone() };
    let (silent, telling) = (tracker(&silent), tracker(&telling));
    assert!(!silent.looks_at_directory() && telling.looks_at_directory());
    let directory = Some(Path::new("/home/é"));
    for (tracker, directory) in [(&silent, directory), (&telling, directory), (&telling, None)] {
        tracker.current_project(directory).await.expect("it is told");
    }
    let asked: Vec<_> = board.questions().into_iter().map(|question| json!(question.arguments)).collect();
    assert_eq!(
        asked,
        [
            json!({ "workspace": "main", "limit": 1 }),
            json!({ "workspace": "main", "limit": 1, "cwd": "/home/é" }),
            json!({ "workspace": "main", "limit": 1 }),
        ]
    );
    assert!(board.questions().iter().all(|question| question.tool == "current"));
}

/// A variable that cargo sets for every test.
const VARIABLE: &str = "CARGO_PKG_NAME";

#[tokio::test]
async fn the_token_is_sent_and_never_shown() {
    for era in [Era::Modern, Era::Legacy] {
        let board = Board::start(era, says("p")).await;
        let settings = TrackerSettings { token_variable: Some(VARIABLE.to_owned()), ..patient(&board) };
        let tracker = tracker(&settings);
        current(&tracker).await;
        let token = std::env::var(VARIABLE).expect("cargo sets it");
        assert_eq!(board.questions()[0].authorization, Some(format!("Bearer {token}")), "{era:?}");
        for shown in [format!("{settings:?}"), format!("{tracker:?}")] {
            assert!(!shown.contains(&token), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_token_is_never_sent_where_a_server_redirects() {
    let thief = Board::start(Era::Both, says("stolen")).await;
    let elsewhere = format!("http://{}/mcp", thief.address);
    let redirect = move || async move { axum::response::Redirect::temporary(&elsewhere) };
    let board = Board::layered(Era::Both, says("p"), move |router| {
        router.layer(from_fn(move |_: Request, _: Next| redirect.clone()()))
    })
    .await;
    let settings = TrackerSettings { token_variable: Some(VARIABLE.to_owned()), ..patient(&board) };
    refused(&tracker(&settings)).await;
    assert!(thief.questions().is_empty());
}

#[test]
fn a_variable_without_a_token_is_named_before_anything_is_asked() {
    let url = Some("http://127.0.0.1:9/mcp".to_owned());
    let token_variable = Some("SESSION_MCP_TEST_OF_NO_SUCH_VARIABLE".to_owned());
    let settings = TrackerSettings { url, token_variable, ..TrackerSettings::default() };
    assert_eq!(McpTracker::new(&settings).err(), Some(InvalidTracker::Token));
}

#[tokio::test]
async fn a_server_without_tls_is_an_error_where_it_is_asked_for() {
    let board = Board::start(Era::Both, says("p")).await;
    let url = Some(format!("https://{}/mcp", board.address));
    refused(&tracker(&TrackerSettings { url, ..patient(&board) })).await;
    assert!(board.questions().is_empty());
}
