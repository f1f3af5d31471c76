//! Projects, as tools tell of them in both eras.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use session_mcp::Config;
use session_mcp::project::{ProjectSettings, RegisteredProject};
use tempfile::TempDir;

use crate::common::{Legacy, Modern, Server};

const SHOP: &str = "5f1c6a52-6a59-4a5d-b2a4-1d8c4b9c1a01";

/// Folders of projects, and one of none.
struct Folders {
    _folder: TempDir,
    root: PathBuf,
}

impl Folders {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder can be made");
        let root = folder.path().canonicalize().expect("it was made");
        let folders = Self { _folder: folder, root };
        folders.project("shop", &json!({ "name": "shop", "id": SHOP }));
        folders.project("tea", &json!({ "name": "tea" }));
        fs::create_dir(folders.root.join("bare")).expect("a folder can be made");
        folders
    }

    fn project(&self, name: &str, project: &Value) {
        let config = self.root.join(name).join(".codebase-mcp");
        fs::create_dir_all(&config).expect("a folder can be made");
        let said = json!({ "version": "1.0", "project": project });
        fs::write(config.join("config.json"), said.to_string()).expect("a file can be written");
    }

    fn at(&self, path: impl AsRef<Path>) -> String {
        self.root.join(path).to_str().expect("UTF-8").to_owned()
    }

    async fn server(&self) -> Server {
        let tea = RegisteredProject { root: Some(self.root.join("tea")), ..RegisteredProject::default() };
        let projects = ProjectSettings { registered: vec![tea], ..ProjectSettings::default() };
        Server::with(&Config { allowed_roots: vec![self.root.clone()], projects, ..Config::default() }).await
    }
}

fn told(answer: &Value) -> &Value {
    assert_eq!(answer["isError"], false, "{answer}");
    &answer["structuredContent"]
}

fn refused(answer: &Value) -> (&str, &str) {
    assert_eq!(answer["isError"], true, "{answer}");
    let kind = answer["_meta"]["session-mcp/refusal"]["error"].as_str().expect("a kind");
    (kind, answer["content"][0]["text"].as_str().expect("a sentence"))
}

#[tokio::test]
async fn setting_a_directory_answers_the_project_in_both_eras() {
    let folders = Folders::new();
    let server = folders.server().await;
    let (legacy, modern) = (Legacy::connect(&server).await, Modern::of(&server));
    let arguments = json!({ "directory": folders.at("shop/.codebase-mcp") });
    let (first, second) = (
        legacy.call("set_working_directory", arguments.clone()).await,
        modern.call("set_working_directory", arguments).await,
    );
    for (answer, source) in [(told(&first), "http_session"), (told(&second), "opened")] {
        assert_eq!(answer["working_directory"], folders.at("shop/.codebase-mcp"));
        assert_eq!(answer["config_found"], true);
        assert_eq!(answer["config_path"], folders.at("shop/.codebase-mcp/config.json"));
        assert_eq!((&answer["project_info"]["name"], &answer["project_info"]["id"]), (&json!("shop"), &json!(SHOP)));
        assert_eq!((&answer["resolved_by"], &answer["changed"]), (&json!("config"), &json!(true)));
        assert_eq!((&answer["warnings"], &answer["source"]), (&Value::Null, &json!(source)));
        assert_eq!(answer["session"].is_string(), source == "opened");
    }
    let project = legacy.call("get_project", json!({})).await;
    assert_eq!((&told(&project)["project"]["id"], &told(&project)["source"]), (&json!(SHOP), &json!("http_session")));
    let session = &told(&second)["session"];
    let again =
        modern.call("set_working_directory", json!({ "directory": folders.at("shop"), "session": session })).await;
    assert_eq!((&told(&again)["session"], &told(&again)["source"]), (session, &json!("handle")));
    let project = modern.call("get_project", json!({ "session": session })).await;
    assert_eq!((&told(&project)["project"]["id"], &told(&project)["source"]), (&json!(SHOP), &json!("handle")));
}

#[tokio::test]
async fn a_directory_without_a_config_is_set_and_told_to_have_none() {
    let folders = Folders::new();
    let server = folders.server().await;
    let legacy = Legacy::connect(&server).await;
    let answer = legacy.call("set_working_directory", json!({ "directory": folders.at("bare") })).await;
    let answer = told(&answer);
    assert_eq!((&answer["config_found"], &answer["project_info"]), (&json!(false), &Value::Null));
    assert!(
        answer["skipped"].to_string().contains(folders.root.to_str().expect("UTF-8")),
        "it says where the search stopped: {answer}"
    );
    let answer = legacy.call("get_project", json!({})).await;
    let (kind, said) = refused(&answer);
    assert_eq!(kind, "no_project");
    assert!(said.contains("`auto_switch_project`"), "{said}");
}

#[tokio::test]
async fn opening_takes_a_directory_or_a_known_project() {
    let folders = Folders::new();
    let server = folders.server().await;
    let modern = Modern::of(&server);
    let opened = modern.call("open_session", json!({ "directory": folders.at("shop") })).await;
    let opened = told(&opened);
    assert_eq!((&opened["project_info"]["id"], &opened["resolved_by"]), (&json!(SHOP), &json!("config")));
    assert_eq!(opened["working_directory"], folders.at("shop"));

    let opened = modern.call("open_session", json!({ "project": "tea" })).await;
    let opened = told(&opened);
    assert_eq!(opened["resolved_by"], "argument_derived_id");
    assert_eq!(opened["working_directory"], folders.at("tea"));
    assert_eq!(opened["project_info"]["id_derived"], true);
    let where_it_is = modern.call("get_working_directory", json!({ "session": opened["session"] })).await;
    assert_eq!(told(&where_it_is)["working_directory"], folders.at("tea"));

    let both = modern.call("open_session", json!({ "project": "tea", "directory": folders.at("shop") })).await;
    assert_eq!(refused(&both).0, "invalid_argument");
    let unknown = modern.call("open_session", json!({ "project": "nothing-of-the-kind" })).await;
    assert_eq!(refused(&unknown).0, "unknown_project");
    assert_eq!(server.sessions.session_count().await.expect("it runs"), 2, "what is refused opens none");
}

#[tokio::test]
async fn a_handle_that_opens_nothing_is_refused_also_where_nothing_would_be_changed() {
    let folders = Folders::new();
    let dry = json!({ "version": "1.0", "project": { "name": "shop", "id": SHOP }, "dry_run": true });
    fs::write(folders.at("shop/.codebase-mcp/config.json"), dry.to_string()).expect("a file can be written");
    let server = folders.server().await;
    let modern = Modern::of(&server);
    let handle = modern.call("open_session", json!({})).await["structuredContent"]["session"].take();
    told(&modern.call("end_session", json!({ "session": handle })).await);
    for (tool, arguments) in [
        ("set_working_directory", json!({ "directory": folders.at("shop"), "session": handle })),
        ("list_projects", json!({ "session": handle })),
        ("get_project", json!({ "project": "tea", "session": handle })),
    ] {
        assert_eq!(refused(&modern.call(tool, arguments).await).0, "not_found", "{tool}");
    }
    let opened = modern.call("open_session", json!({ "directory": folders.at("shop") })).await;
    assert_eq!((&told(&opened)["changed"], &told(&opened)["working_directory"]), (&json!(false), &Value::Null));
}

#[tokio::test]
async fn projects_are_listed_a_page_at_a_time() {
    let folders = Folders::new();
    for number in 0..60 {
        folders.project(&format!("p{number:02}"), &json!({ "name": format!("p{number:02}") }));
    }
    let server = folders.server().await;
    let legacy = Legacy::connect(&server).await;
    for number in 0..60 {
        let directory = folders.at(format!("p{number:02}"));
        told(&legacy.call("set_working_directory", json!({ "directory": directory })).await);
    }
    let (mut names, mut arguments) = (Vec::new(), json!({}));
    loop {
        let page = legacy.call("list_projects", arguments).await;
        let page = told(&page);
        names.extend(page["projects"].as_array().expect("a list").iter().map(|project| project["name"].clone()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        arguments = json!({ "cursor": next });
    }
    let expected: Vec<_> = (0..60).map(|number| json!(format!("p{number:02}"))).chain([json!("tea")]).collect();
    assert_eq!(names, expected);
    assert_eq!(refused(&legacy.call("list_projects", json!({ "cursor": "x" })).await).0, "invalid_argument");
}

#[tokio::test]
async fn switching_tells_from_where_and_to_where() {
    let folders = Folders::new();
    let server = folders.server().await;
    let legacy = Legacy::connect(&server).await;
    legacy.call("set_working_directory", json!({ "directory": folders.at("shop") })).await;
    for (arguments, switched) in [
        (json!({ "project": "tea", "dry_run": true }), false),
        (json!({ "project": "tea", "dry_run": false }), true),
        (json!({ "project": "tea" }), false),
    ] {
        let is_dry = arguments["dry_run"] == true;
        let answer = legacy.call("auto_switch_project", arguments).await;
        let answer = told(&answer);
        assert_eq!((&answer["switched"], &answer["dry_run"]), (&json!(switched), &json!(is_dry)), "{answer}");
        assert_eq!(answer["project_info"]["name"], "tea");
        assert_eq!(answer["from"] == SHOP, is_dry || switched, "{answer}");
    }
    let listed = legacy.call("list_projects", json!({})).await;
    let names: Vec<_> = told(&listed)["projects"].as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 2, "{listed}");
    assert_eq!((&names[0]["name"], &names[0]["current"]), (&json!("shop"), &Value::Null));
    assert_eq!((&names[1]["name"], &names[1]["current"]), (&json!("tea"), &json!(true)));
    assert_eq!((&names[0]["id_derived"], &names[1]["id_derived"]), (&Value::Null, &json!(true)));
    for wrong in [json!({ "dry_run": "yes" }), json!({ "project": 7 }), json!({ "project": "a", "directory": "/" })] {
        assert_eq!(refused(&legacy.call("auto_switch_project", wrong).await).0, "invalid_argument");
    }
    let without = Modern::of(&server).call("auto_switch_project", json!({ "project": "tea" })).await;
    assert_eq!(refused(&without).0, "no_session");
}

#[tokio::test]
async fn a_directory_outside_of_the_roots_is_refused_with_the_roots_at_every_tool() {
    let folders = Folders::new();
    let server = folders.server().await;
    let legacy = Legacy::connect(&server).await;
    let detour = folders.at("shop/../../..");
    for outside in ["/", "/etc", "/no/such/place", &*detour] {
        for tool in ["set_working_directory", "open_session", "auto_switch_project"] {
            let answer = legacy.call(tool, json!({ "directory": outside })).await;
            let (kind, said) = refused(&answer);
            assert_eq!(kind, "outside_allowed_roots", "{tool} {outside}");
            assert!(said.contains("`directory`") && said.contains(folders.root.to_str().expect("UTF-8")), "{said}");
        }
    }
    let info = legacy.call("session_info", json!({})).await;
    assert_eq!(told(&info)["working_directory"], Value::Null, "nothing was set");
}

#[tokio::test]
async fn what_a_session_works_in_is_confined_at_each_use() {
    let folders = Folders::new();
    let server = folders.server().await;
    let legacy = Legacy::connect(&server).await;
    legacy.call("set_working_directory", json!({ "directory": folders.at("shop") })).await;
    fs::rename(folders.at("shop"), folders.at("moved")).expect("it can be moved");
    std::os::unix::fs::symlink("/etc", folders.at("shop")).expect("a link can be made");
    for tool in ["get_working_directory", "get_project", "auto_switch_project"] {
        let answer = legacy.call(tool, json!({})).await;
        assert_eq!(refused(&answer).0, "outside_allowed_roots", "{tool}");
    }
    let named = legacy.call("get_project", json!({ "project": "tea" })).await;
    assert_eq!(refused(&named).0, "outside_allowed_roots", "whatever the call names");
    for tool in ["session_info", "open_session"] {
        let answer = legacy.call(tool, json!({})).await;
        assert_eq!(told(&answer)["working_directory"], Value::Null, "{tool}");
    }
    fs::remove_file(folders.at("shop")).expect("it is a link");
    let gone = legacy.call("get_working_directory", json!({})).await;
    assert_eq!(told(&gone)["working_directory"], folders.at("shop"));
    assert!(told(&gone)["warnings"][0].as_str().is_some_and(|said| said.contains("exists")), "{gone}");
    assert_eq!(refused(&legacy.call("get_project", json!({})).await).0, "directory_gone");
    let named = legacy.call("get_project", json!({ "project": "tea" })).await;
    assert_eq!(told(&named)["working_directory"], Value::Null, "it is not to be worked in: {named}");
    assert!(told(&named)["warnings"][0].as_str().is_some_and(|said| said.contains("exists")), "{named}");
}
