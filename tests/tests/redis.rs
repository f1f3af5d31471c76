//! The built server over a real Redis: several processes on one, a Redis that dies under them, and starts that fail.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use reqwest::{Client as Http, Response, StatusCode};
use serde_json::{Value, json};
use session_test_servers::{Certificates, Cluster, Flavor, Sentinels, Server, eventually, free_port};
use session_tests::{Answer, Checkout, Client, HttpServer, Sdk, binary};

/// How long a call may take in all when Redis is away, as the replicas here are configured.
const DEADLINE: Duration = Duration::from_millis(800);

/// What a call may take besides: two processes on a busy machine.
const MARGIN: Duration = Duration::from_millis(1200);

#[tokio::test(flavor = "multi_thread")]
async fn a_session_opened_at_one_replica_is_used_and_changed_at_another() {
    let redis = Server::start().await;
    let (one, two) = (Replica::of(&redis), Replica::of(&redis));
    let checkout = Checkout::new();
    let opened = one.ask("open_session", json!({ "directory": checkout.path() })).await;
    let session = &opened["session"];

    let got = two.ask("get_working_directory", json!({ "session": session })).await;
    assert_eq!((&got["working_directory"], &got["source"]), (&json!(checkout.path()), &json!("handle")));
    two.ask("set_state", json!({ "name": "cart", "value": ["tea"], "session": session })).await;
    assert_eq!(one.ask("get_state", json!({ "name": "cart", "session": session })).await["value"], json!(["tea"]));
    one.ask("delete_state", json!({ "name": "cart", "session": session })).await;
    assert_eq!(two.ask("get_state", json!({ "name": "cart", "session": session })).await["found"], false);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_replicas_write_at_once_is_all_kept() {
    let redis = Server::start().await;
    let (one, two) = (Replica::of(&redis), Replica::of(&redis));
    let session = one.open().await;
    for round in 0..30 {
        let write = |name: &str| json!({ "name": format!("{name}{round}"), "value": round, "session": session });
        tokio::join!(one.ask("set_state", write("one")), two.ask("set_state", write("two")));
    }
    let info = two.ask("session_info", json!({ "session": session })).await;
    assert_eq!(info["state_names"].as_array().map(Vec::len), Some(60), "{info}");
    assert_eq!(info["version"], 61, "each change counted once: {info}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ended_at_one_replica_is_gone_at_the_other() {
    let redis = Server::start().await;
    let (one, two) = (Replica::of(&redis), Replica::of(&redis));
    let session = one.open().await;
    two.ask("set_state", json!({ "name": "cart", "value": 1, "session": session })).await;
    assert_eq!(one.ask("end_session", json!({ "session": session })).await["ended"], true);
    for (tool, arguments) in [
        ("get_working_directory", json!({ "session": session })),
        ("set_state", json!({ "name": "cart", "value": 2, "session": session })),
        ("end_session", json!({ "session": session })),
    ] {
        let refused = two.call(tool, arguments).await;
        assert_eq!((&refused["isError"], code(&refused)), (&json!(true), "not_found"), "{tool}: {refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_outlives_the_process_that_opened_it() {
    let redis = Server::start().await;
    let mut first = Replica::of(&redis);
    let tools = first.request("tools/list", None, json!({})).await;
    let open = tools["tools"].as_array().and_then(|tools| tools.iter().find(|tool| tool["name"] == "open_session"));
    let said = open.and_then(|tool| tool["description"].as_str()).expect("it is described");
    assert!(said.contains("outlives the server's process"), "{said}");

    let session = first.open().await;
    first.ask("set_state", json!({ "name": "cart", "value": 1, "session": session })).await;
    first.server.terminate();
    assert_eq!(first.server.wait().code(), Some(0));
    let second = Replica::of(&redis);
    assert_eq!(second.ask("get_state", json!({ "name": "cart", "session": session })).await["value"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_calls_are_told_so_in_time_and_afterwards_all_goes_on() {
    let redis = Server::builder().config("appendonly", "yes").password("geheim").start().await;
    let replica = Replica::of(&redis);
    let earlier = replica.initialize().await;
    assert_eq!(earlier.status(), StatusCode::OK);
    let earlier_id = earlier.headers()["mcp-session-id"].to_str().expect("visible ASCII").to_owned();
    let session = replica.open().await;
    replica.ask("set_state", json!({ "name": "cart", "value": 1, "session": session })).await;
    assert_eq!(replica.probe("/readyz").await, StatusCode::OK);

    redis.kill();
    for (tool, arguments) in [
        ("get_state", json!({ "name": "cart", "session": session })),
        ("set_state", json!({ "name": "cart", "value": 2, "session": session })),
        ("open_session", json!({})),
        ("end_session", json!({ "session": session })),
    ] {
        let begun = Instant::now();
        let refused = replica.call(tool, arguments).await;
        assert!(begun.elapsed() < DEADLINE + MARGIN, "{tool} took {:?}", begun.elapsed());
        assert_eq!((&refused["isError"], code(&refused)), (&json!(true), "unavailable"), "{tool}: {refused}");
        assert!(
            refused["_meta"]["session-mcp/refusal"]["retry_after_ms"].as_u64().is_some_and(|wait| wait > 0),
            "{refused}"
        );
        tells_nothing_of(&redis, &refused.to_string());
    }
    for begun in [replica.initialize().await, replica.ping(&earlier_id).await] {
        assert_eq!(begun.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(begun.headers()["retry-after"], "1");
        tells_nothing_of(&redis, &begun.text().await.expect("a text"));
    }
    assert_eq!(replica.probe("/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(replica.probe("/healthz").await, StatusCode::OK, "the process is none the worse for it");

    redis.restart().await;
    let back = Instant::now();
    let got = eventually("session after the return", async || {
        let got = replica.call("get_state", json!({ "name": "cart", "session": session })).await;
        (got["isError"] == false).then_some(got)
    });
    assert_eq!(got.await["structuredContent"]["value"], 1, "what was acknowledged, and nothing that was refused");
    assert!(back.elapsed() < Duration::from_secs(1) + MARGIN, "it took {:?} after the return", back.elapsed());
    assert_eq!(replica.ping(&earlier_id).await.status(), StatusCode::OK, "so is the session of the earlier protocol");
    eventually("readiness after the return", async || (replica.probe("/readyz").await == StatusCode::OK).then_some(()))
        .await;
    assert_eq!(replica.ask("end_session", json!({ "session": session })).await["ended"], true);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_says_nothing_holds_no_call_beyond_its_deadline() {
    let redis = Server::start().await;
    let replica = Replica::of(&redis);
    let session = replica.open().await;
    redis.stop();
    for _ in 0..2 {
        let begun = Instant::now();
        let refused = replica.call("session_info", json!({ "session": session })).await;
        assert!(begun.elapsed() < DEADLINE + MARGIN, "it took {:?}", begun.elapsed());
        assert_eq!(code(&refused), "unavailable", "{refused}");
    }
    redis.resume();
    let back = eventually("answer after the silence", async || {
        let info = replica.call("session_info", json!({ "session": session })).await;
        (info["isError"] == false).then_some(())
    });
    back.await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_does_not_hold_up_the_end() {
    let redis = Server::start().await;
    let mut replica = Replica::of(&redis);
    replica.open().await;
    redis.kill();
    let begun = Instant::now();
    replica.server.terminate();
    assert_eq!(replica.server.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(3), "it took {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_takes_nothing_new_and_serves_what_it_has() {
    let redis = Server::start().await;
    let replica = Replica::of(&redis);
    let session = replica.open().await;
    redis.cli(&["CONFIG", "SET", "maxmemory", "1"]).await;
    for (tool, arguments) in
        [("open_session", json!({})), ("set_state", json!({ "name": "cart", "value": 1, "session": session }))]
    {
        let refused = replica.call(tool, arguments).await;
        assert_eq!(code(&refused), "full", "{tool}: {refused}");
        assert!(refused["_meta"]["session-mcp/refusal"]["retry_after_ms"].is_u64(), "{refused}");
    }
    let begun = replica.initialize().await;
    assert_eq!(
        (begun.status(), &begun.headers()["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &"30".parse().expect("a value"))
    );
    replica.ask("session_info", json!({ "session": session })).await;
    assert_eq!(replica.ask("end_session", json!({ "session": session })).await["ended"], true);
    redis.cli(&["CONFIG", "SET", "maxmemory", "0"]).await;
    replica.open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_with_different_prefixes_on_one_redis_do_not_see_each_other() {
    let redis = Server::start().await;
    let (one, two) = (
        Replica::with(&redis, &[("REDIS__KEY_PREFIX", "one")]),
        Replica::with(&redis, &[("REDIS__KEY_PREFIX", "two:a")]),
    );
    let (of_one, of_two) = (one.open().await, two.open().await);
    for (replica, foreign) in [(&one, &of_two), (&two, &of_one)] {
        for tool in ["session_info", "end_session"] {
            assert_eq!(code(&replica.call(tool, json!({ "session": foreign })).await), "not_found");
        }
    }
    for (replica, own) in [(&one, &of_one), (&two, &of_two)] {
        replica.ask("session_info", json!({ "session": own })).await;
    }
    let keys = format!("{:?}", redis.cli(&["KEYS", "*"]).await);
    let keys: Vec<&str> = keys.split(['\'', '"']).filter(|key| key.contains(':')).collect();
    assert!(
        !keys.is_empty() && keys.iter().all(|key| key.starts_with("one:") || key.starts_with("two:a:")),
        "{keys:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_a_session_over_a_unix_socket() {
    let redis = Server::start().await;
    share_a_session(&format!("redis+unix://{}", redis.socket_path().display()), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_a_session_over_tls_with_certificates_on_both_sides() {
    let certificates = Certificates::new();
    // Not every build of Redis speaks TLS; Debian's does.
    let redis = Server::builder().flavor(&Flavor::redis()).tls(&certificates).config("tls-auth-clients", "yes");
    let redis = redis.start().await;
    let path = |path: PathBuf| path.to_str().expect("a plain path").to_owned();
    let (ca, certificate, key) =
        (path(certificates.authority()), path(certificates.client()), path(certificates.client_key()));
    let trusted = [("REDIS__TLS__CA", &*ca), ("REDIS__TLS__CERTIFICATE", &*certificate), ("REDIS__TLS__KEY", &*key)];
    share_a_session(&redis.tls_url(), &trusted).await;

    let (code, said) = refused(&[("STORE", &redis.tls_url())]);
    assert!(code == Some(1) && said.contains("`tls.ca`"), "the system trusts no authority of a test: {said}");
    let (code, said) =
        refused(&[("STORE", &redis.tls_url()), ("REDIS__TLS__CA", &certificate.replace("client", "none"))]);
    assert!(code == Some(2) && said.contains("`tls.ca`") && said.contains("PEM"), "a misuse: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_a_session_in_a_cluster() {
    let cluster = Cluster::start().await;
    share_a_session(&cluster.url(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_share_a_session_at_the_master_that_sentinels_name() {
    let sentinels = Sentinels::start().await;
    share_a_session(&sentinels.url(), &[]).await;
}

/// Opens sessions at one replica, changes them at another, and ends them at the first.
async fn share_a_session(store: &str, settings: &[(&str, &str)]) {
    let (one, two) = (Replica::at(store, settings), Replica::at(store, settings));
    for number in 0..10 {
        let session = one.open().await;
        two.ask("set_state", json!({ "name": "number", "value": number, "session": session })).await;
        let got = one.ask("get_state", json!({ "name": "number", "session": session })).await;
        assert_eq!(got["value"], number);
        one.ask("end_session", json!({ "session": session })).await;
        assert_eq!(code(&two.call("session_info", json!({ "session": session })).await), "not_found");
    }
    assert_eq!(two.probe("/readyz").await, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_session_waits_for_replicas_where_that_is_asked_for() {
    let redis = Server::start().await;
    let replica =
        Replica::with(&redis, &[("REDIS__DURABILITY__REPLICAS", "1"), ("REDIS__DURABILITY__TIMEOUT", "100ms")]);
    let session = replica.open().await;
    replica.ask("set_state", json!({ "name": "cart", "value": 1, "session": session })).await;
    let ended = replica.call("end_session", json!({ "session": session })).await;
    assert_eq!(code(&ended), "unavailable", "no replica confirms it, since there is none: {ended}");
    let again = replica.call("session_info", json!({ "session": session })).await;
    assert_eq!(code(&again), "not_found", "it has ended on the master");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_that_the_readme_shows_are_served() {
    let redis = Server::start().await;
    let readme = include_str!("../../README.md");
    let (store, address) = ("redis://127.0.0.1:6379", "127.0.0.1:8787");
    let mut files = readme.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let shown = files.find(|file| file.contains(store) && file.contains(address)).expect("settings in TOML");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(&file, shown.replace(store, &redis.url())).expect("it can be written");
    let server = HttpServer::configured(&[("CONFIG", file.path().to_str().expect("a plain path"))]);
    let mut client = Client::connect(Sdk::Mcp2, server.url());
    client.open();
    let keys = format!("{:?}", redis.cli(&["KEYS", "shop:*"]).await);
    assert!(keys.contains("shop:"), "under the prefix that it sets: {keys}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_of_the_configuration_are_those_of_the_store() {
    let redis = Server::start().await;
    let replica = Replica::with(&redis, &[("LIMITS__VALUE_BYTES", "10"), ("IDLE_TIMEOUT", "300ms")]);
    let session = replica.open().await;
    let refused = replica.call("set_state", json!({ "name": "a", "value": "eleven bytes", "session": session })).await;
    assert_eq!(code(&refused), "quota", "{refused}");
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(code(&replica.call("session_info", json!({ "session": session })).await), "not_found", "it idled out");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clients_that_people_use_share_a_session_across_replicas_and_protocols() {
    let redis = Server::start().await;
    let (one, two) = (Replica::of(&redis), Replica::of(&redis));
    let checkout = Checkout::new();
    let mut earlier = Client::connect(Sdk::Mcp1, one.server.url());
    let mut later = Client::connect(Sdk::Mcp2, two.server.url());

    earlier.ask("set_working_directory", json!({ "directory": checkout.path() }));
    let session = earlier.open();
    let got = later.ask("get_working_directory", json!({ "session": session }));
    assert_eq!(got["working_directory"], checkout.path());
    later.ask("set_state", json!({ "name": "from", "value": "later", "session": session }));
    assert_eq!(earlier.ask("get_state", json!({ "name": "from" }))["value"], "later");
    assert_eq!(later.ask("end_session", json!({ "session": session }))["ended"], true);
    let ended = earlier.call("get_state", json!({ "name": "from" }));
    assert!(matches!(ended, Answer::ProtocolError(_)), "its HTTP session ended with it: {ended:?}");
    later.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_not_there_is_said_at_once_and_without_the_password() {
    let nowhere = free_port();
    for url in [
        format!("redis://user:geheim@127.0.0.1:{nowhere}"),
        format!("rediss://user:geheim@127.0.0.1:{nowhere}/0"),
        format!("redis+cluster://user:geheim@127.0.0.1:{nowhere},localhost:{nowhere}"),
        format!("redis+sentinel://user:geheim@127.0.0.1:{nowhere}/sessions"),
        "redis+unix:///nonexistent/redis.sock".to_owned(),
    ] {
        let begun = Instant::now();
        let (code, said) = refused(&[("STORE", &url)]);
        assert!(begun.elapsed() < DEADLINE + MARGIN, "{url}: it took {:?}", begun.elapsed());
        assert_eq!(code, Some(1), "{url}: {said}");
        let form = url.split_once("://").map(|(form, _)| form).expect("a URL");
        assert!(said.contains(&format!("`{form}`")) && said.contains("within the deadline"), "{url}: {said}");
        assert!(!said.contains("geheim") && !said.contains("panicked"), "{said}");
        assert_eq!(said.lines().count(), 1, "one sentence for a person: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_said_and_not_repeated() {
    let redis = Server::builder().password("geheim").start().await;
    let addr = redis.addr();
    for url in [
        format!("redis://:wrong-geheim@{addr}"),
        format!("redis://stranger:wrong-geheim@{addr}"),
        format!("redis://{addr}"),
    ] {
        let (code, said) = refused(&[("STORE", &url)]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("password"), "{said}");
        assert!(!said.contains("geheim") && !said.contains("stranger"), "{said}");
    }
}

/// What a served binary says to a client of 2026-07-28, and what it says to one of before.
struct Replica {
    server: HttpServer,
    http: Http,
}

impl Replica {
    fn of(redis: &Server) -> Self {
        Self::with(redis, &[])
    }

    fn with(redis: &Server, settings: &[(&str, &str)]) -> Self {
        Self::at(&redis.url(), settings)
    }

    fn at(store: &str, settings: &[(&str, &str)]) -> Self {
        let deadline = format!("{}ms", DEADLINE.as_millis());
        let server = HttpServer::configured(&[&[("STORE", store), ("REDIS__DEADLINE", &*deadline)], settings].concat());
        let http = Http::builder().timeout(Duration::from_secs(20)).build().expect("nothing special");
        Self { server, http }
    }

    async fn open(&self) -> String {
        let opened = self.ask("open_session", json!({})).await;
        opened["session"].as_str().expect("a handle").to_owned()
    }

    /// What a tool answers that has to succeed.
    async fn ask(&self, tool: &str, arguments: Value) -> Value {
        let mut answer = self.call(tool, arguments).await;
        assert_eq!(answer["isError"], false, "{tool} should have succeeded: {answer}");
        answer["structuredContent"].take()
    }

    /// The result of a tool.
    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.request("tools/call", Some(tool), json!({ "name": tool, "arguments": arguments })).await
    }

    async fn request(&self, method: &str, name: Option<&str>, mut params: Value) -> Value {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "tests", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let headers = [("mcp-protocol-version", Some("2026-07-28")), ("mcp-method", Some(method)), ("mcp-name", name)];
        let mut answer: Value = self.post(method, params, &headers).await.json().await.expect("a message");
        answer["result"].take()
    }

    /// Begins a session as a client of an earlier protocol version does.
    async fn initialize(&self) -> Response {
        let info = json!({ "name": "tests", "version": "1" });
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        self.post("initialize", params, &[]).await
    }

    async fn ping(&self, session_id: &str) -> Response {
        self.post("ping", json!({}), &[("mcp-session-id", Some(session_id))]).await
    }

    async fn post(&self, method: &str, params: Value, headers: &[(&str, Option<&str>)]) -> Response {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let accept = "application/json, text/event-stream";
        let mut request = self.http.post(self.server.url()).header("accept", accept).json(&message);
        for (name, value) in headers {
            request = value.iter().fold(request, |request, value| request.header(*name, *value));
        }
        request.send().await.expect("the server answers")
    }

    async fn probe(&self, path: &str) -> StatusCode {
        let url = self.server.url().replace("/mcp", path);
        self.http.get(url).send().await.expect("the server answers").status()
    }
}

/// The kind of error that a tool answered.
fn code(answer: &Value) -> &str {
    answer["_meta"]["session-mcp/refusal"]["error"].as_str().unwrap_or_default()
}

/// Clients learn neither where the store is nor what it says.
#[track_caller]
fn tells_nothing_of(redis: &Server, answer: &str) {
    let (port, said) = (redis.port().to_string(), answer.to_lowercase());
    for unsaid in ["geheim", "refused", "connection", "redis://", "127.0.0.1", &port] {
        assert!(!said.contains(unsaid), "`{unsaid}` in {answer}");
    }
}

/// The status and the words of a binary that has to end before it serves.
fn refused(settings: &[(&str, &str)]) -> (Option<i32>, String) {
    let mut command = Command::new(binary());
    command
        .env_clear()
        .args(["--http", "127.0.0.1:0"])
        .stdin(Stdio::null())
        .env("SESSION_MCP_ALLOWED_ROOTS", "/")
        .env("SESSION_MCP_REDIS__DEADLINE", format!("{}ms", DEADLINE.as_millis()));
    command.envs(settings.iter().map(|(key, value)| (format!("SESSION_MCP_{key}"), value)));
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    assert!(stdout.is_empty(), "standard output belongs to the protocol");
    (status.code(), String::from_utf8(stderr).expect("UTF-8"))
}
