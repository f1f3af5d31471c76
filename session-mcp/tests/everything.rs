//! The example `everything`, built and run, as a client sees it: over stdio and HTTP, in both eras.
#![cfg(unix)]
#![expect(deprecated, reason = "clients still log and subscribe")]

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rmcp::ClientHandler;
use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientRequest, LoggingLevel,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion, RequestMetaObject,
    ResourceUpdatedNotificationParam, ServerNotification, SetLevelRequestParams, SubscribeRequestParams,
    SubscriptionFilter, UnsubscribeRequestParams,
};
use rmcp::service::{
    ClientLifecycleMode, ClientServiceExt as _, NotificationContext, PeerRequestOptions, RequestHandle, RoleClient,
    RunningService,
};
use rmcp::transport::StreamableHttpClientTransport;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

/// The ways there are to speak with a server.
const WAYS: [(Transport, Era); 4] = [
    (Transport::Stdio, Era::Initialize),
    (Transport::Stdio, Era::Discover),
    (Transport::Http, Era::Initialize),
    (Transport::Http, Era::Discover),
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Transport {
    Stdio,
    Http,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Era {
    /// 2025-11-25.
    Initialize,
    /// 2026-07-28.
    Discover,
}

/// The example with nothing of the environment it might read.
fn everything() -> Command {
    let program = Path::new(env!("CARGO_BIN_EXE_session-mcp")).with_file_name("examples").join("everything");
    assert!(program.exists(), "cargo build -p session-mcp --all-features --example everything");
    let mut command = Command::new(program);
    // Longer than any test waits for the server's end.
    command
        .env_clear()
        .env("SESSION_MCP_DRAIN_TIMEOUT", "10m")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// A client with a server of its own.
struct Client {
    service: RunningService<RoleClient, Ears>,
    /// What the tools that use a session are called with.
    session: Value,
    progress: UnboundedReceiver<ProgressNotificationParam>,
    changes: UnboundedReceiver<()>,
    messages: UnboundedReceiver<LoggingLevel>,
    updates: UnboundedReceiver<String>,
    server: Child,
    /// Kept open: a log that nobody can read would be an error of its own.
    _log: Lines<BufReader<ChildStderr>>,
}

impl Client {
    async fn connect((transport, era): (Transport, Era)) -> Self {
        let mut command = everything();
        if transport == Transport::Http {
            command.args(["--http", "127.0.0.1:0"]);
        }
        let mut server = command.spawn().expect("it starts");
        let mut log = BufReader::new(server.stderr.take().expect("it is piped")).lines();
        let (ears, heard) = Ears::new();
        let lifecycle = match era {
            Era::Initialize => ClientLifecycleMode::Initialize,
            Era::Discover => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
        };
        let service = match transport {
            Transport::Stdio => {
                let pipes = server.stdout.take().zip(server.stdin.take()).expect("they are piped");
                ears.serve_with_lifecycle(pipes, lifecycle).await
            }
            Transport::Http => {
                let url = loop {
                    let said = log.next_line().await.expect("UTF-8").expect("it logs where it listens");
                    if let Some((_, url)) = said.split_once("listening on ") {
                        break url.to_owned();
                    }
                };
                ears.serve_with_lifecycle(StreamableHttpClientTransport::from_uri(url), lifecycle).await
            }
        };
        let service = service.expect("it connects");
        let Heard { progress, changes, messages, updates } = heard;
        let session = json!({});
        let mut client = Self { service, session, progress, changes, messages, updates, server, _log: log };
        if era == Era::Discover {
            let opened = client.call("open_session", json!({})).await;
            client.session = json!({ "session": opened.structured_content.expect("an answer")["session"] });
        }
        client
    }

    async fn call(&self, tool: &'static str, arguments: Value) -> CallToolResult {
        self.service.call_tool(call(tool, arguments)).await.expect("an answer")
    }

    async fn count(&self) -> CallToolResult {
        self.call("counter", self.session.clone()).await
    }

    /// Calls a tool without waiting for it.
    async fn begin(&self, tool: &'static str, arguments: Value) -> RequestHandle<RoleClient> {
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(call(tool, arguments)));
        self.service.send_cancellable_request(request, PeerRequestOptions::no_options()).await.expect("it is sent")
    }
}

fn call(tool: &'static str, arguments: Value) -> CallToolRequestParams {
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    CallToolRequestParams::new(tool).with_arguments(arguments)
}

/// What a client hears from the server beside answers.
struct Ears {
    progress: UnboundedSender<ProgressNotificationParam>,
    changes: UnboundedSender<()>,
    messages: UnboundedSender<LoggingLevel>,
    updates: UnboundedSender<String>,
}

struct Heard {
    progress: UnboundedReceiver<ProgressNotificationParam>,
    changes: UnboundedReceiver<()>,
    messages: UnboundedReceiver<LoggingLevel>,
    updates: UnboundedReceiver<String>,
}

impl Ears {
    fn new() -> (Self, Heard) {
        let ((to_progress, progress), (to_changes, changes)) = (unbounded_channel(), unbounded_channel());
        let ((to_messages, messages), (to_updates, updates)) = (unbounded_channel(), unbounded_channel());
        let ears = Self { progress: to_progress, changes: to_changes, messages: to_messages, updates: to_updates };
        (ears, Heard { progress, changes, messages, updates })
    }
}

impl ClientHandler for Ears {
    async fn on_progress(&self, progress: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.progress.send(progress);
    }

    async fn on_tool_list_changed(&self, _: NotificationContext<RoleClient>) {
        let _ = self.changes.send(());
    }

    async fn on_logging_message(&self, message: LoggingMessageNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.messages.send(message.level);
    }

    async fn on_resource_updated(&self, updated: ResourceUpdatedNotificationParam, _: NotificationContext<RoleClient>) {
        let _ = self.updates.send(updated.uri);
    }
}

fn text(result: &CallToolResult) -> &str {
    let [content] = &*result.content else { panic!("one text: {result:?}") };
    &content.as_text().expect("a text").text
}

#[tokio::test]
async fn echo_answers_its_text() {
    for way in WAYS {
        let client = Client::connect(way).await;
        let echoed = client.call("echo", json!({ "text": "a\n\"ü\"" })).await;
        assert_eq!((text(&echoed), echoed.is_error), ("a\n\"ü\"", Some(false)), "{way:?}");
    }
}

#[tokio::test]
async fn counter_counts_in_its_session() {
    for way in WAYS {
        let client = Client::connect(way).await;
        for count in 1..=3 {
            let counted = client.count().await;
            assert_eq!(text(&counted), count.to_string(), "{way:?}");
            assert_eq!(counted.structured_content, Some(json!({ "count": count })), "{way:?}");
        }
    }
}

#[tokio::test]
async fn counter_without_a_session_says_which_tool_opens_one() {
    for transport in [Transport::Stdio, Transport::Http] {
        let client = Client::connect((transport, Era::Discover)).await;
        let refused = client.call("counter", json!({})).await;
        assert_eq!(refused.is_error, Some(true), "{transport:?}");
        assert!(text(&refused).contains("`open_session`"), "{transport:?}: {refused:?}");
    }
}

#[tokio::test]
async fn counter_begins_anew_on_a_connection_whose_session_has_ended() {
    let client = Client::connect((Transport::Stdio, Era::Initialize)).await;
    assert_eq!(text(&client.count().await), "1");
    client.call("end_session", json!({})).await;
    assert_eq!(text(&client.count().await), "1");
    assert_eq!(text(&client.count().await), "2");
}

#[tokio::test]
async fn slow_reports_each_step() {
    for way in WAYS {
        let mut client = Client::connect(way).await;
        let done = client.call("slow", json!({ "ms": 20, "steps": 4 })).await;
        assert_eq!(text(&done), "slow done", "{way:?}");
        for step in [1., 2., 3., 4.] {
            let heard = timeout(Duration::from_secs(10), client.progress.recv()).await.expect("it is sent");
            let progress = heard.expect("the client listens");
            assert_eq!((progress.progress, progress.total), (step, Some(4.)), "{way:?}");
        }
    }
}

#[tokio::test]
async fn slow_stops_when_it_is_cancelled() {
    for way in WAYS {
        let mut client = Client::connect(way).await;
        let slow = client.begin("slow", json!({ "ms": 60_000, "steps": 1000 })).await;
        client.progress.recv().await.expect("it has begun");
        slow.cancel(None).await.expect("it is cancelled");
        let mut steps = 1;
        while let Ok(Some(_)) = timeout(Duration::from_secs(1), client.progress.recv()).await {
            steps += 1;
        }
        assert!(steps < 1000, "it went on to its end {way:?}");
        assert_eq!(text(&client.call("echo", json!({ "text": "on" })).await), "on", "{way:?}");
    }
}

#[tokio::test]
async fn slow_refuses_what_takes_too_long() {
    let client = Client::connect((Transport::Stdio, Era::Initialize)).await;
    for (argument, arguments) in [
        ("`ms`", json!({ "ms": 600_001 })),
        ("`steps`", json!({ "ms": 1, "steps": 0 })),
        ("`steps`", json!({ "ms": 1, "steps": 1001 })),
    ] {
        let refused = client.call("slow", arguments.clone()).await;
        assert_eq!(refused.is_error, Some(true), "{arguments}");
        assert!(text(&refused).contains(argument), "{arguments}: {refused:?}");
    }
    assert_eq!(text(&client.call("slow", json!({ "ms": 0, "steps": 1000 })).await), "slow done");
}

/// How long a notification is waited for before it is raised once more: a stream may have opened too late for one.
const PATIENCE: Duration = Duration::from_millis(500);
const ATTEMPTS: usize = 40;

#[tokio::test]
async fn notify_reaches_a_connection() {
    for transport in [Transport::Stdio, Transport::Http] {
        let mut client = Client::connect((transport, Era::Initialize)).await;
        let mut is_heard = false;
        for _ in 0..ATTEMPTS {
            assert_eq!(text(&client.call("notify", json!({})).await), "notified");
            is_heard = is_heard || timeout(PATIENCE, client.changes.recv()).await.is_ok();
            if is_heard {
                break;
            }
        }
        assert!(is_heard, "{transport:?}");
    }
}

#[tokio::test]
async fn who_listens_does_not_hold_the_end_up() {
    let mut client = Client::connect((Transport::Http, Era::Discover)).await;
    let wanted = SubscriptionFilter::builder().tools_list_changed().build();
    let _subscription = client.service.listen(wanted).await.expect("it is accepted");
    let id = client.server.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("it still runs");
    kill_process(id, Signal::TERM).expect("it still runs");
    let ended = timeout(Duration::from_secs(30), client.server.wait()).await.expect("it waits for no subscription");
    assert!(ended.expect("it was started above").success());
}

#[tokio::test]
async fn notify_reaches_who_listens() {
    for transport in [Transport::Stdio, Transport::Http] {
        let client = Client::connect((transport, Era::Discover)).await;
        let wanted = SubscriptionFilter::builder().tools_list_changed().resources_list_changed().build();
        let mut subscription = client.service.listen(wanted).await.expect("it is accepted");
        // The list of resources never changes.
        assert_eq!(subscription.acknowledged(), &SubscriptionFilter::builder().tools_list_changed().build());
        let mut heard = None;
        for _ in 0..ATTEMPTS {
            assert_eq!(text(&client.call("notify", json!({})).await), "notified");
            heard = timeout(PATIENCE, subscription.next()).await.ok();
            if heard.is_some() {
                break;
            }
        }
        let heard = heard.expect("a notification").expect("the subscription is open");
        assert!(matches!(heard, Some(ServerNotification::ToolListChangedNotification(_))), "{transport:?}: {heard:?}");
    }
}

#[tokio::test]
async fn a_change_of_a_resource_reaches_who_listens_for_it() {
    for transport in [Transport::Stdio, Transport::Http] {
        let client = Client::connect((transport, Era::Discover)).await;
        let wanted = SubscriptionFilter::builder().resource_subscription(WATCHED).build();
        let mut subscription = client.service.listen(wanted).await.expect("it is accepted");
        let mut heard = None;
        for _ in 0..ATTEMPTS {
            // Not asked for, and so not told.
            client.call("notify", json!({})).await;
            client.call("test_trigger_resource_change", json!({})).await;
            heard = timeout(PATIENCE, subscription.next()).await.ok();
            if heard.is_some() {
                break;
            }
        }
        let heard = heard.expect("a notification").expect("the subscription is open");
        let Some(ServerNotification::ResourceUpdatedNotification(updated)) = heard else { panic!("{heard:?}") };
        assert_eq!(updated.params.uri, WATCHED, "{transport:?}");
    }
}

const WATCHED: &str = "test://watched-resource";

#[tokio::test]
async fn a_change_of_a_resource_reaches_the_session_that_subscribed() {
    for transport in [Transport::Stdio, Transport::Http] {
        let mut client = Client::connect((transport, Era::Initialize)).await;
        client.service.subscribe(SubscribeRequestParams::new(WATCHED)).await.expect("it is accepted");
        let kept = client.call("get_state", json!({ "name": "everything.subscriptions" })).await;
        assert_eq!(kept.structured_content.expect("an answer")["value"], json!([WATCHED]), "{transport:?}");
        let mut heard = None;
        for _ in 0..ATTEMPTS {
            client.call("test_trigger_resource_change", json!({})).await;
            heard = timeout(PATIENCE, client.updates.recv()).await.ok().flatten();
            if heard.is_some() {
                break;
            }
        }
        assert_eq!(heard.as_deref(), Some(WATCHED), "{transport:?}");
        client.service.unsubscribe(UnsubscribeRequestParams::new(WATCHED)).await.expect("it is accepted");
        while timeout(PATIENCE, client.updates.recv()).await.is_ok() {}
        client.call("test_trigger_resource_change", json!({})).await;
        assert!(timeout(PATIENCE, client.updates.recv()).await.is_err(), "{transport:?}");
    }
}

#[tokio::test]
async fn a_session_hears_the_log_from_its_level_on() {
    for transport in [Transport::Stdio, Transport::Http] {
        let mut client = Client::connect((transport, Era::Initialize)).await;
        client.service.set_level(SetLevelRequestParams::new(LoggingLevel::Critical)).await.expect("it is accepted");
        let kept = client.call("get_state", json!({ "name": "everything.level" })).await;
        assert_eq!(kept.structured_content.expect("an answer")["value"], "critical", "{transport:?}");
        client.call("test_logging_tool", json!({})).await;
        for level in [LoggingLevel::Critical, LoggingLevel::Alert, LoggingLevel::Emergency] {
            let heard = timeout(Duration::from_secs(10), client.messages.recv()).await.expect("it is sent");
            assert_eq!(heard, Some(level), "{transport:?}");
        }
    }
}

#[tokio::test]
async fn a_request_of_2026_hears_the_log_that_it_asks_for() {
    for transport in [Transport::Stdio, Transport::Http] {
        let mut client = Client::connect((transport, Era::Discover)).await;
        client.call("test_logging_tool", json!({})).await;
        let mut asking = call("test_logging_tool", json!({}));
        let mut meta = RequestMetaObject::default();
        meta.set_log_level(LoggingLevel::Alert);
        asking.meta = Some(meta);
        client.service.call_tool(asking).await.expect("an answer");
        for level in [LoggingLevel::Alert, LoggingLevel::Emergency] {
            let heard = timeout(Duration::from_secs(10), client.messages.recv()).await.expect("it is sent");
            assert_eq!(heard, Some(level), "and nothing before it: {transport:?}");
        }
    }
}

#[tokio::test]
async fn boom_is_answered_and_the_session_counts_on() {
    for way in WAYS {
        let client = Client::connect(way).await;
        client.count().await;
        let failed = client.call("boom", client.session.clone()).await;
        assert_eq!(failed.is_error, Some(true), "{way:?}");
        assert_eq!(text(&client.count().await), "2", "{way:?}");
    }
}

#[tokio::test]
async fn it_bears_its_own_name() {
    let help = everything().arg("--help").output().await.expect("it runs");
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    assert!(help.contains("everything --http 127.0.0.1:8787"), "{help}");
    assert!(!help.contains("session-mcp"), "{help}");
    let refused = everything().args(["--idle-timeout", "5"]).output().await.expect("it runs");
    let said = String::from_utf8(refused.stderr).expect("UTF-8");
    assert_eq!(refused.status.code(), Some(2));
    assert!(said.starts_with("everything: the flag `--idle-timeout`"), "{said}");
}
