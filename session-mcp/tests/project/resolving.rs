//! Which project a call is about: who is asked, in which order, and what an answer says of it.

use std::fs;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use session_core::{BoxError, Change, Mode, NewGrant, Text};
use session_mcp::project::{
    ProjectError, ProjectSettings, ProjectTracker, Projects, RegisteredProject, Resolution, ResolvedBy, Target,
    TrackedProject,
};
use session_mcp::{SessionError, TestSession};

use crate::trees::{JSON, TOML, Tree, anywhere, toml};
use crate::workers::{SHOP, TEA, record, said, two};

async fn placed(projects: &Projects, directory: &Path) -> TestSession {
    let test = TestSession::open().await.expect("it opens");
    projects.set_working_directory(&test.session(), directory).await.expect("it is placed");
    test
}

async fn resolve(projects: &Projects, test: &TestSession) -> Resolution {
    projects.resolve(&test.session(), None).await.expect("it has a project")
}

async fn refused(projects: &Projects, test: &TestSession) -> ProjectError {
    match projects.resolve(&test.session(), None).await {
        Err(SessionError::Project(error)) => error,
        other => panic!("it should have been refused: {other:?}"),
    }
}

fn by(resolution: &Resolution) -> (&str, &str) {
    (&resolution.project.id, resolution.resolved_by.as_str())
}

/// A tracker that knows one project, or fails.
#[derive(Debug)]
struct Board(Option<&'static str>);

#[async_trait]
impl ProjectTracker for Board {
    async fn current_project(&self, _: Option<&Path>) -> Result<Option<TrackedProject>, BoxError> {
        match self.0 {
            Some("") => Ok(None),
            Some(id) => Ok(Some(TrackedProject { id: id.to_owned(), name: Some("tracked".to_owned()) })),
            None => Err("the board is closed".into()),
        }
    }
}

fn registered(tree: &Tree) -> ProjectSettings {
    let here = |root: PathBuf| RegisteredProject { root: Some(root), ..RegisteredProject::default() };
    let elsewhere = RegisteredProject { id: Some("bill-1".to_owned()), name: Some("billing".to_owned()), root: None };
    ProjectSettings {
        registered: vec![here(tree.at("shop")), here(tree.folder("bare")), elsewhere],
        default: Some("billing".to_owned()),
        ..ProjectSettings::default()
    }
}

#[tokio::test]
async fn each_tier_is_asked_when_those_before_it_do_not_tell() {
    let tree = two();
    let settings = registered(&tree);
    let projects = Projects::new(&[], &settings).expect("valid").with_tracker(Board(Some("tracked-1")));
    let test = placed(&projects, &tree.at("tea")).await;

    let named = projects.resolve(&test.session(), Some("shop")).await.expect("it is registered");
    assert_eq!(by(&named), (SHOP, "argument"));
    assert!(named.warnings.iter().any(|warning| warning.contains(TEA)), "the directory is another's: {named:?}");
    assert_eq!(by(&resolve(&projects, &test).await), (TEA, "config"));

    let bare = placed(&projects, &tree.at("bare")).await;
    let tracked = resolve(&projects, &bare).await;
    assert_eq!((by(&tracked), tracked.project.name.as_deref()), (("tracked-1", "tracker"), Some("tracked")));
    assert!(tracked.skipped.iter().any(|skipped| skipped.starts_with("config: ")), "{:?}", tracked.skipped);

    let projects = Projects::new(&[], &settings).expect("valid").with_tracker(Board(Some("")));
    let default = resolve(&projects, &bare).await;
    assert_eq!((by(&default), default.project.name.as_deref()), (("bill-1", "default"), Some("billing")));
    assert!(default.skipped.iter().any(|skipped| skipped.starts_with("tracker: ")), "{:?}", default.skipped);

    let nobodys = projects.resolve(&TestSession::without(), None).await.expect("the default");
    assert_eq!(by(&nobodys), ("bill-1", "default"));
    assert!(nobodys.skipped.iter().any(|skipped| skipped.starts_with("session: ")), "{:?}", nobodys.skipped);
}

#[tokio::test]
async fn a_tracker_that_fails_is_passed_over_and_said_to_be() {
    let tree = two();
    let projects = Projects::new(&[], &registered(&tree)).expect("valid").with_tracker(Board(None));
    let resolution = projects.resolve(&TestSession::without(), None).await.expect("the default");
    assert_eq!(by(&resolution), ("bill-1", "default"));
    let said = resolution.skipped.join("\n");
    assert!(said.contains("tracker") && !said.contains("closed"), "its own words are the operator's: {said}");
}

#[tokio::test]
async fn where_nobody_tells_it_is_an_error_that_says_who_was_asked() {
    let (tree, projects) = (Tree::new(), anywhere());
    let test = placed(&projects, &tree.folder("bare")).await;
    let error = refused(&projects, &test).await;
    assert!(matches!(error, ProjectError::Unresolved { .. }), "{error}");
    let said = error.to_string();
    for who in ["config: ", "tracker: ", "default: ", "`set_working_directory`"] {
        assert!(said.contains(who), "{who}: {said}");
    }
}

#[tokio::test]
async fn a_project_that_nobody_knows_is_not_taken_for_granted() {
    let (tree, projects) = (two(), anywhere());
    let test = placed(&projects, &tree.at("shop")).await;
    for said in [TEA, "tea", "", "/"] {
        let answer = projects.resolve(&test.session(), Some(said)).await;
        assert!(matches!(answer, Err(SessionError::Project(ProjectError::Unknown { .. }))), "{said}: {answer:?}");
    }
    assert_eq!(by(&projects.resolve(&test.session(), Some("shop")).await.expect("its own")), (SHOP, "argument"));
    let shouted = SHOP.to_uppercase();
    assert_eq!(by(&projects.resolve(&test.session(), Some(&shouted)).await.expect("its own")), (SHOP, "argument"));
}

#[tokio::test]
async fn a_strict_project_lets_no_call_name_another() {
    let tree = two();
    tree.file(Path::new("tea").join(JSON), &said("tea", Some(TEA), r#", "strict_mode": true"#));
    let projects = Projects::new(&[], &registered(&tree)).expect("valid");
    let test = placed(&projects, &tree.at("tea")).await;
    let answer = projects.resolve(&test.session(), Some("shop")).await;
    let Err(SessionError::Project(ProjectError::Mismatch { pinned, found, config_path })) = answer else {
        panic!("{answer:?}")
    };
    assert_eq!((&*pinned, &*found, config_path), (SHOP, TEA, tree.at("tea").join(JSON)));
    assert_eq!(by(&projects.resolve(&test.session(), Some("tea")).await.expect("its own")), (TEA, "argument"));
}

#[tokio::test]
async fn a_changed_config_is_noticed_at_the_next_use() {
    let (tree, projects) = (two(), anywhere());
    let test = placed(&projects, &tree.folder("shop/src")).await;
    tree.file(Path::new("shop").join(JSON), &said("tea", Some(TEA), ""));
    let resolution = resolve(&projects, &test).await;
    assert_eq!((by(&resolution), resolution.switched_from.as_deref()), ((TEA, "config"), Some(SHOP)));
    assert_eq!(record(&test).await.project_id.as_ref().map(Text::as_str), Some(TEA), "and the session is switched");
    let again = resolve(&projects, &test).await;
    assert_eq!((by(&again), &again.switched_from), ((TEA, "config"), &None), "once");
}

#[tokio::test]
async fn a_config_that_appears_nearer_is_noticed_at_the_next_use() {
    let (tree, projects) = (two(), anywhere());
    let test = placed(&projects, &tree.folder("shop/src/deep")).await;
    let nearer = tree.file(Path::new("shop/src").join(TOML), "version = \"1.0\"\n[project]\nname = \"nearer\"\n");
    let resolution = resolve(&projects, &test).await;
    assert_eq!(resolution.project.config_path.as_deref(), Some(&*nearer));
    assert_eq!(resolution.switched_from.as_deref(), Some(SHOP));
    assert_eq!(record(&test).await.config_path.as_ref().map(Text::as_path), Some(&*nearer));
}

#[tokio::test]
async fn a_config_that_is_gone_is_an_error_and_nothing_further_up_or_by_default_takes_its_place() {
    let tree = two();
    tree.project(".", "outer");
    let projects = Projects::new(&[], &registered(&tree)).expect("valid").with_tracker(Board(Some("tracked-1")));
    let test = placed(&projects, &tree.folder("tea/src")).await;
    let file = tree.at("tea").join(JSON);
    fs::remove_file(&file).expect("it is there");
    let error = refused(&projects, &test).await;
    assert!(matches!(&error, ProjectError::Gone { config_path } if *config_path == file), "{error}");
    fs::write(&file, said("tea", Some(TEA), "")).expect("the folder is there");
    assert_eq!(by(&resolve(&projects, &test).await), (TEA, "config"), "it is back at once");
}

#[tokio::test]
async fn a_config_that_gives_way_to_one_of_another_name_beside_it_is_none_that_is_gone() {
    let (tree, projects) = (two(), anywhere());
    let test = placed(&projects, &tree.folder("shop/src")).await;
    fs::remove_file(tree.at("shop").join(JSON)).expect("it is there");
    let beside = tree.file(Path::new("shop").join(TOML), &toml("renamed"));
    let resolution = resolve(&projects, &test).await;
    assert_eq!(resolution.project.config_path, Some(beside));
    assert_eq!(resolution.switched_from.as_deref(), Some(SHOP));
}

#[tokio::test]
async fn a_move_within_one_project_is_said() {
    let (tree, projects) = (two(), anywhere());
    tree.file(Path::new("other").join(JSON), &said("shop", Some(SHOP), ""));
    let test = placed(&projects, &tree.at("shop")).await;
    fs::rename(tree.at("shop"), tree.at("moved")).expect("it can be moved");
    tree.link("shop", tree.at("other"));
    let resolution = resolve(&projects, &test).await;
    assert_eq!((by(&resolution), &resolution.switched_from), ((SHOP, "config"), &None));
    let said = resolution.warnings.join("\n");
    for path in [tree.at("shop"), tree.at("other")] {
        assert!(said.contains(path.to_str().expect("UTF-8")), "{said}");
    }
}

#[tokio::test]
async fn an_explicit_project_is_told_beside_what_is_the_matter_with_the_directory() {
    let tree = two();
    let projects = Projects::new(&[], &registered(&tree)).expect("valid");
    let test = placed(&projects, &tree.at("tea")).await;
    tree.file(Path::new("tea").join(JSON), "{");
    let resolution = projects.resolve(&test.session(), Some("billing")).await.expect("it is registered");
    assert_eq!(by(&resolution), ("bill-1", "argument"));
    assert!(resolution.warnings.iter().any(|warning| warning.contains("config.json")), "{resolution:?}");
    fs::remove_dir_all(tree.at("tea")).expect("it can be removed");
    let resolution = projects.resolve(&test.session(), Some("billing")).await.expect("it is registered");
    assert!(resolution.warnings.iter().any(|warning| warning.contains("working directory")), "{resolution:?}");
}

#[tokio::test]
async fn a_change_that_the_config_is_against_is_told_and_not_made() {
    for (more, word) in [(r#", "auto_switch": false"#, "auto_switch"), (r#", "dry_run": true"#, "dry_run")] {
        let (tree, projects) = (two(), anywhere());
        let test = placed(&projects, &tree.at("shop")).await;
        let before = record(&test).await.version;
        tree.file(Path::new("shop").join(JSON), &said("tea", Some(TEA), more));
        let resolution = resolve(&projects, &test).await;
        assert_eq!(by(&resolution), (SHOP, "session"), "{word}");
        let said = resolution.warnings.join("\n");
        assert!(said.contains(word) && said.contains(TEA), "{said}");
        assert_eq!(record(&test).await.version, before, "{word}");
    }
}

#[tokio::test]
async fn a_change_to_a_strict_project_is_an_error_until_somebody_switches() {
    let (tree, projects) = (two(), anywhere());
    let test = placed(&projects, &tree.at("shop")).await;
    tree.file(Path::new("shop").join(JSON), &said("tea", Some(TEA), r#", "strict_mode": true"#));
    let error = refused(&projects, &test).await;
    assert!(
        matches!(&error, ProjectError::Mismatch { pinned, found, .. } if pinned == SHOP && found == TEA),
        "{error}"
    );
    projects.switch(&test.session(), Target::Here, false).await.expect("the caller's own decision");
    assert_eq!(by(&resolve(&projects, &test).await), (TEA, "config"));
}

#[tokio::test]
async fn where_a_strict_project_is_not_switched_to_nobody_else_is_asked() {
    let tree = two();
    for (more, answer) in [(r#", "auto_switch": false"#, Some("bill-1")), (STRICT_AND_SHY, None)] {
        tree.file(Path::new("tea").join(JSON), &said("tea", Some(TEA), more));
        let projects = Projects::new(&[], &registered(&tree)).expect("valid");
        let test = placed(&projects, &tree.at("tea")).await;
        match projects.resolve(&test.session(), None).await {
            Ok(resolution) => {
                assert_eq!(Some(&*resolution.project.id), answer);
                assert!(resolution.skipped.iter().any(|skipped| skipped.contains("auto_switch")), "{resolution:?}");
            }
            Err(error) => {
                assert_eq!(answer, None, "{error}");
                assert!(error.to_string().contains("auto_switch_project"), "{error}");
            }
        }
    }
}

const STRICT_AND_SHY: &str = r#", "auto_switch": false, "strict_mode": true"#;

#[tokio::test]
async fn a_handle_that_may_only_read_is_told_the_project_and_switches_nothing() {
    let (tree, projects) = (two(), anywhere());
    let test = placed(&projects, &tree.at("shop")).await;
    let (key, grant) = (test.session().key().expect("it has one"), NewGrant::new(Mode::ReadOnly));
    let (name, _) = test.manager().promote(&key, grant, Change::new()).await.expect("there is room");
    let reader = test.by_handle(name);
    tree.file(Path::new("shop").join(JSON), &said("tea", Some(TEA), ""));
    let resolution = projects.resolve(&reader, None).await.expect("it may read");
    assert_eq!((by(&resolution), &resolution.switched_from), ((SHOP, "session"), &None));
    let said = resolution.warnings.join("\n");
    assert!(said.contains("only read") && said.contains(TEA), "{said}");
    assert_eq!(record(&test).await.project_id.as_ref().map(Text::as_str), Some(SHOP));
}

#[tokio::test]
async fn a_directory_that_became_a_link_to_elsewhere_is_followed_and_said() {
    let (tree, projects) = (two(), anywhere());
    let test = placed(&projects, &tree.at("shop")).await;
    fs::rename(tree.at("shop"), tree.at("moved")).expect("it can be moved");
    tree.link("shop", tree.at("tea"));
    let resolution = resolve(&projects, &test).await;
    assert_eq!((by(&resolution), resolution.switched_from.as_deref()), ((TEA, "config"), Some(SHOP)));
    assert_eq!(record(&test).await.working_directory.as_ref().map(Text::as_path), Some(&*tree.at("tea")));
}

#[tokio::test]
async fn a_directory_that_is_gone_or_outside_of_the_roots_by_now_is_an_error() {
    let (tree, everywhere) = (two(), anywhere());
    let confined = Projects::new(&[tree.at("tea")], &ProjectSettings::default()).expect("it is there");
    let test = placed(&everywhere, &tree.at("shop")).await;
    let error = refused(&confined, &test).await;
    let said = error.to_string();
    assert!(said.contains("allowed roots") && said.contains(tree.at("tea").to_str().expect("UTF-8")), "{said}");
    assert!(said.contains("working directory"), "{said}");
    fs::remove_dir_all(tree.at("shop")).expect("it can be removed");
    assert!(matches!(refused(&everywhere, &test).await, ProjectError::WorkingDirectory(_)));
}

#[tokio::test]
async fn a_project_that_the_application_set_by_itself_is_the_sessions() {
    let projects = anywhere();
    let test = TestSession::open().await.expect("it opens");
    let id = Text::new("from-the-application").expect("a text");
    test.session().update(Change::new().project_id(id)).await.expect("it may");
    assert_eq!(by(&resolve(&projects, &test).await), ("from-the-application", "session"));
}

#[tokio::test]
async fn a_default_that_means_several_projects_is_refused_at_the_start() {
    let tree = two();
    let twin = "5f1c6a52-6a59-4a5d-b2a4-1d8c4b9c1a03";
    tree.file(Path::new("twin").join(JSON), &said("shop", Some(twin), ""));
    let mut settings = ProjectSettings { default: Some("shop".to_owned()), ..registered(&tree) };
    settings.registered.push(RegisteredProject { root: Some(tree.at("twin")), ..RegisteredProject::default() });
    let refused = Projects::new(&[], &settings).expect_err("it is either").to_string();
    assert!(refused.contains("`projects.default`") && refused.contains("the id"), "{refused}");
    settings.default = Some(twin.to_owned());
    let projects = Projects::new(&[], &settings).expect("the id is one's own");
    assert_eq!(by(&projects.resolve(&TestSession::without(), None).await.expect("the default")), (twin, "default"));
}

#[tokio::test]
async fn a_default_that_became_another_project_is_an_error() {
    let tree = two();
    let settings = ProjectSettings { default: Some("shop".to_owned()), ..registered(&tree) };
    let projects = Projects::new(&[], &settings).expect("valid");
    assert_eq!(by(&projects.resolve(&TestSession::without(), None).await.expect("the default")), (SHOP, "default"));
    tree.file(Path::new("shop").join(JSON), &said("tea", Some(TEA), ""));
    let answer = projects.resolve(&TestSession::without(), None).await;
    let Err(SessionError::Project(error @ ProjectError::Unresolved { .. })) = answer else { panic!("{answer:?}") };
    assert!(error.to_string().contains("default: "), "{error}");
}

#[tokio::test]
async fn a_project_that_is_kept_is_still_said_with_its_name_and_that_its_id_is_derived() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.file(Path::new("plain").join(JSON), &said("plain", None, ""));
    for shy in ["off", "off/too"] {
        tree.file(Path::new(shy).join(JSON), &said("off", None, r#", "auto_switch": false"#));
    }
    let test = placed(&projects, &tree.at("plain")).await;
    let plain = resolve(&projects, &test).await.project;
    for shy in ["off", "off/too"] {
        let kept = projects.set_working_directory(&test.session(), &tree.at(shy)).await.expect("it is placed");
        assert_eq!(kept.placement.project.as_ref(), Some(&plain), "{shy}");
        assert_eq!(kept.placement.resolved_by.map(ResolvedBy::as_str), Some("session_derived_id"));
        let resolution = resolve(&projects, &test).await;
        assert_eq!((&resolution.project, resolution.resolved_by.as_str()), (&plain, "session_derived_id"), "{shy}");
    }
    tree.file(Path::new("plain").join(JSON), &said("other", Some(SHOP), ""));
    let resolution = resolve(&projects, &test).await;
    assert_eq!(by(&resolution), (&*plain.id, "session_derived_id"), "it is still derived");
    assert_eq!(resolution.project.name, None, "and nobody is called that any more");

    let test = placed(&projects, &tree.project("same", "same").parent().expect("a folder").join("..")).await;
    let id = resolve(&projects, &test).await.project.id;
    tree.file(Path::new("same").join(JSON), &said("same", Some(TEA), r#", "auto_switch": false"#));
    assert_eq!(by(&resolve(&projects, &test).await), (&*id, "session_derived_id"));
}

#[tokio::test]
async fn a_registered_project_that_cannot_be_looked_at_is_told_to_whoever_may_mean_it() {
    let tree = two();
    let projects = Projects::new(&[], &registered(&tree)).expect("valid");
    let (test, file) = (placed(&projects, &tree.at("tea")).await, tree.at("shop").join(JSON));
    tree.file(Path::new("tea").join(JSON), &said("shop", Some(TEA), ""));
    let ambiguous = projects.resolve(&test.session(), Some("shop")).await;
    assert!(matches!(ambiguous, Err(SessionError::Project(ProjectError::Ambiguous { .. }))), "{ambiguous:?}");

    for break_it in [
        |file: &Path| fs::write(file, "{"),
        |file: &Path| fs::remove_dir_all(file.parent().and_then(Path::parent).expect("it is in a folder")),
    ] {
        break_it(&file).expect("it is ours");
        let is_told =
            |words: &[String]| words.iter().any(|word| word.contains(tree.at("shop").to_str().expect("UTF-8")));
        let named = projects.resolve(&test.session(), Some("shop")).await.expect("one is left");
        assert!(by(&named) == (TEA, "argument") && is_told(&named.warnings), "{named:?}");
        let switch = projects.switch(&test.session(), Target::Project("shop"), true).await.expect("one is left");
        assert!(is_told(&switch.placement.warnings), "{switch:?}");
        match projects.resolve(&test.session(), Some(SHOP)).await {
            Err(SessionError::Project(error @ ProjectError::Unknown { .. })) => assert!(is_told(&[error.to_string()])),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_default_that_is_not_registered_and_settings_that_mean_nothing_are_refused_at_the_start() {
    let tree = two();
    let refused = |settings: ProjectSettings| Projects::new(&[], &settings).expect_err("it means nothing").to_string();
    let default = ProjectSettings { default: Some("unknown".to_owned()), ..registered(&tree) };
    assert!(refused(default).contains("`projects.default`"));
    let names = |names: &[&str]| ProjectSettings {
        config_names: names.iter().map(PathBuf::from).collect(),
        ..ProjectSettings::default()
    };
    for name in ["config", "/etc/config.toml", "../config.toml", "a/../b.toml"] {
        assert!(refused(names(&[name])).contains("`projects.config_names`"), "{name}");
    }
    assert!(refused(names(&[])).contains("`projects.config_names`"));
    assert!(refused(ProjectSettings { max_levels: 0, ..ProjectSettings::default() }).contains("`projects.max_levels`"));
    let both = RegisteredProject { root: Some(tree.at("shop")), id: Some("a".to_owned()), name: None };
    let nobodys = |root: &Path| RegisteredProject { root: Some(root.to_owned()), ..RegisteredProject::default() };
    let long = RegisteredProject { id: Some("x".repeat(256)), ..RegisteredProject::default() };
    let home = tree.folder("home");
    for odd in
        [both, long, nobodys(Path::new("/")), nobodys(&home), nobodys(Path::new("shop")), RegisteredProject::default()]
    {
        let settings =
            ProjectSettings { registered: vec![odd], home: Some(home.clone()), ..ProjectSettings::default() };
        assert!(refused(settings).contains("number 1"));
    }
    let missing = Projects::new(&[tree.at("missing")], &ProjectSettings::default()).expect_err("it is not there");
    assert!(missing.to_string().contains("missing"), "{missing}");
}
