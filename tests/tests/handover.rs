//! What one replica of the `everything` example leaves for another, on 2026-07-28: tasks, and the rounds of a call.

use std::io::Write as _;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use session_test_servers::{Server, eventually};
use session_tests::{HttpServer, everything};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;

/// Two replicas on one store, which know alice and bob by a token.
struct Fleet {
    a: HttpServer,
    b: HttpServer,
    _tokens: NamedTempFile,
    _store: Server,
}

impl Fleet {
    async fn start() -> Self {
        let store = Server::start().await;
        let mut tokens = NamedTempFile::new().expect("the system has room for a temporary file");
        for name in [ALICE, BOB] {
            let digits = hex::encode(Sha256::digest(name));
            writeln!(
                tokens,
                "[[token]]\nsha256 = \"{digits}\"\nissuer = \"https://issuer.example\"\nsubject = \"{name}\""
            )
            .expect("the file is ours");
        }
        let path = tokens.path().to_str().expect("a plain path");
        let arguments = ["--store", &store.url(), "--tokens", path].map(str::to_owned);
        let replica = || HttpServer::start_of_with(&everything(), &arguments);
        Self { a: replica(), b: replica(), _tokens: tokens, _store: store }
    }
}

/// Each is their own token.
const ALICE: &str = "alice-who-begins-things";
const BOB: &str = "bob-who-has-none-of-them";

/// Asks a replica something.
async fn ask(who: &str, replica: &HttpServer, method: &str, mut params: Value) -> Value {
    let name =
        ["name", "taskId"].iter().find_map(|key| params[*key].as_str()).expect("it is about one thing").to_owned();
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {
            "elicitation": {},
            "extensions": { "io.modelcontextprotocol/tasks": {} },
        },
    });
    let client = Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().expect("nothing special");
    let request = client.post(replica.url()).bearer_auth(who).header("accept", "application/json, text/event-stream");
    let request = request.header("mcp-protocol-version", "2026-07-28").header("mcp-method", method);
    let request = request.header("mcp-name", name);
    let request = request.json(&json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }));
    request.send().await.expect("the replica answers").json().await.expect("it answers JSON")
}

async fn call(who: &str, replica: &HttpServer, tool: &str, arguments: Value) -> Value {
    ask(who, replica, "tools/call", json!({ "name": tool, "arguments": arguments })).await
}

/// Begins a task of alice's, and returns its id.
async fn begin(replica: &HttpServer, tool: &str, arguments: Value) -> String {
    let begun = call(ALICE, replica, tool, arguments).await;
    assert_eq!(begun["result"]["resultType"], "task", "{begun}");
    begun["result"]["taskId"].as_str().expect("an id").to_owned()
}

async fn task(replica: &HttpServer, id: &str) -> Value {
    ask(ALICE, replica, "tasks/get", json!({ "taskId": id })).await["result"].take()
}

/// Waits until a replica says that a task has this status.
async fn is(status: &str, replica: &HttpServer, id: &str) -> Value {
    eventually(status, async || {
        let task = task(replica, id).await;
        (task["status"] == status).then_some(task)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_begun_at_one_replica_is_answered_at_another() {
    let Fleet { a, b, .. } = &Fleet::start().await;
    let id = begin(a, "confirm_delete", json!({ "filename": "notes.txt" })).await;
    assert_ne!(task(b, &id).await["status"], Value::Null, "it is there at once");
    let asking = is("input_required", b, &id).await;
    let question = &asking["inputRequests"]["confirmation"];
    assert_eq!(question["params"]["message"], "Delete notes.txt?", "{asking}");
    let answer = json!({ "action": "accept", "content": { "confirm": true } });
    let answers = json!({ "taskId": id, "inputResponses": { "confirmation": answer, "unasked": {} } });
    let taken = ask(ALICE, b, "tasks/update", answers).await;
    assert_eq!(taken["result"], json!({ "resultType": "complete" }), "{taken}");
    for replica in [b, a] {
        let done = is("completed", replica, &id).await;
        assert_eq!(done["result"]["content"][0]["text"], "notes.txt is deleted.", "{done}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_cancelled_at_another_replica_and_stays_so() {
    let Fleet { a, b, .. } = &Fleet::start().await;
    let id = begin(a, "slow_compute", json!({ "seconds": 1, "label": "it" })).await;
    let taken = ask(ALICE, b, "tasks/cancel", json!({ "taskId": id })).await;
    assert_eq!(taken["result"], json!({ "resultType": "complete" }), "{taken}");
    assert_eq!(task(a, &id).await["status"], "cancelled");
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(task(b, &id).await["status"], "cancelled", "its work has not gone on to its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_its_owners_alone() {
    let Fleet { a, b, .. } = &Fleet::start().await;
    let id = begin(a, "slow_compute", json!({ "seconds": 60, "label": "it" })).await;
    let session = call(BOB, a, "open_session", json!({})).await["result"]["structuredContent"]["session"].take();
    for replica in [a, b] {
        for (method, params) in
            [("tasks/get", json!({})), ("tasks/cancel", json!({})), ("tasks/update", json!({ "inputResponses": {} }))]
        {
            let mut refusals = Vec::new();
            // Alice's task, a session that is no task, and what is no name at all.
            for id in [json!(id), session.clone(), json!("task-1")] {
                let mut params = params.clone();
                params["taskId"] = id;
                refusals.push(ask(BOB, replica, method, params).await["error"].take());
            }
            assert_eq!(refusals[0]["code"], -32602, "{method}: {refusals:?}");
            assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{method}: {refusals:?}");
        }
    }
    assert_eq!(task(b, &id).await["status"], "working");
    let kept = call(BOB, b, "session_info", json!({ "session": session })).await;
    assert_eq!(kept["result"]["structuredContent"]["state_names"], json!([]), "no task was made of a session: {kept}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_whose_replica_is_killed_has_failed() {
    let Fleet { a, b, _tokens, _store } = Fleet::start().await;
    let id = begin(&a, "slow_compute", json!({ "seconds": 60, "label": "it" })).await;
    drop(a);
    assert_eq!(task(&b, &id).await["status"], "working", "nobody knows yet");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let failed = is("failed", &b, &id).await;
    assert_eq!(failed["error"]["message"], "the server that worked on this task has gone; call again", "{failed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_goes_on_at_another_replica_and_each_state_counts_once() {
    let Fleet { a, b, .. } = &Fleet::start().await;
    let tool = "test_input_required_result_multi_round";
    let round = async |who, replica, tool, state: &Value, answers: Value| {
        let params = json!({ "name": tool, "arguments": {}, "requestState": state, "inputResponses": answers });
        ask(who, replica, "tools/call", params).await
    };
    let name = json!({ "step1": { "action": "accept", "content": { "name": "Ada" } } });
    let color = json!({ "step2": { "action": "accept", "content": { "color": "blue" } } });

    let first = call(ALICE, a, tool, json!({})).await["result"]["requestState"].take();
    let other = "test_input_required_result_request_state";
    for (who, replica, tool, state) in [(BOB, b, tool, &first), (ALICE, b, other, &first)] {
        let refused = round(who, replica, tool, state, name.clone()).await;
        assert_eq!(refused["error"]["code"], -32602, "of another owner or another tool: {refused}");
    }
    let second = round(ALICE, b, tool, &first, name.clone()).await;
    assert_eq!(second["result"]["resultType"], "input_required", "{second}");
    let again = round(ALICE, a, tool, &first, name).await;
    assert_eq!(again["error"]["code"], -32602, "it was used: {again}");
    let done = round(ALICE, a, tool, &second["result"]["requestState"], color).await;
    assert_eq!(done["result"]["content"][0]["text"], "Ada likes blue.", "{done}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_client_makes_up_what_a_call_kept() {
    let Fleet { a, b, .. } = &Fleet::start().await;
    let session = call(ALICE, a, "open_session", json!({})).await["result"]["structuredContent"]["session"].take();
    for (name, is_refused) in [(".everything.confirmation", true), ("everything.confirmation", false)] {
        let forged = json!({ "session": session, "name": name, "value": null });
        let set = call(ALICE, a, "set_state", forged).await;
        assert_eq!(set["result"]["isError"], is_refused, "{set}");
    }
    let params = json!({
        "name": "test_input_required_result_request_state",
        "requestState": session,
        "inputResponses": { "confirm": { "action": "accept", "content": { "ok": true } } },
    });
    let refused = ask(ALICE, b, "tools/call", params).await;
    assert_eq!(refused["error"]["code"], -32602, "{refused}");
    let kept = call(ALICE, b, "session_info", json!({ "session": session })).await;
    assert_eq!(kept["result"]["isError"], false, "the session is as it was: {kept}");
}
