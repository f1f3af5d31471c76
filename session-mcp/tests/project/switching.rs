//! Switching a session to another project.

use std::path::{Path, PathBuf};

use session_core::{Session as Snapshot, Text};
use session_mcp::project::{ProjectError, ProjectSettings, Projects, RegisteredProject, ResolvedBy, Target};
use session_mcp::{SessionError, TestSession};

use crate::trees::{JSON, Tree, anywhere};
use crate::workers::{SHOP, TEA, record, said, two};

/// What a session works in.
fn triple(session: &Snapshot) -> (Option<PathBuf>, Option<PathBuf>, Option<&str>) {
    let path = |text: &Option<Text>| text.as_ref().map(|text| text.as_path().to_owned());
    (path(&session.working_directory), path(&session.config_path), session.project_id.as_ref().map(Text::as_str))
}

async fn in_shop(projects: &Projects, tree: &Tree) -> TestSession {
    let test = TestSession::open().await.expect("it opens");
    projects.set_working_directory(&test.session(), &tree.at("shop")).await.expect("it is placed");
    test
}

#[tokio::test]
async fn a_switch_is_one_change_of_directory_config_and_project() {
    let (tree, projects) = (two(), anywhere());
    let test = in_shop(&projects, &tree).await;
    let before = record(&test).await.version.get();
    let switch = projects.switch(&test.session(), Target::Directory(&tree.folder("tea/src")), false).await;
    let switch = switch.expect("it is a project");
    assert_eq!((switch.from.as_deref(), switch.from_directory), (Some(SHOP), Some(tree.at("shop"))));
    assert!(switch.updated.is_some() && !switch.dry_run);
    let session = record(&test).await;
    assert_eq!(triple(&session), (Some(tree.at("tea/src")), Some(tree.at("tea").join(JSON)), Some(TEA)));
    assert_eq!(session.version.get(), before + 1, "one change");
}

#[tokio::test]
async fn a_switch_to_where_the_session_is_changes_nothing() {
    let (tree, projects) = (two(), anywhere());
    let test = in_shop(&projects, &tree).await;
    let before = record(&test).await.version;
    for target in [Target::Here, Target::Directory(&tree.at("shop")), Target::Project("shop")] {
        let switch = projects.switch(&test.session(), target, false).await.expect("it is there");
        assert!(switch.updated.is_none() && !switch.dry_run, "{target:?}");
    }
    assert_eq!(record(&test).await.version, before);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_switched_and_changes_nothing() {
    let (tree, projects) = (two(), anywhere());
    let test = in_shop(&projects, &tree).await;
    let before = record(&test).await;
    let dry = projects.switch(&test.session(), Target::Directory(&tree.at("tea")), true).await.expect("it is told");
    assert!(dry.dry_run && dry.updated.is_none());
    assert_eq!(dry.placement.project.map(|project| project.id).as_deref(), Some(TEA));
    tree.file(Path::new("tea").join(JSON), &said("tea", Some(TEA), r#", "dry_run": true"#));
    let configured = projects.switch(&test.session(), Target::Directory(&tree.at("tea")), false).await;
    assert!(configured.expect("it is told").dry_run, "the project's own wish");
    let after = record(&test).await;
    assert_eq!((triple(&after), after.version), (triple(&before), before.version));
}

#[tokio::test]
async fn a_switch_is_the_callers_decision_and_so_overrules_auto_switch_and_strict_mode() {
    let (tree, projects) = (two(), anywhere());
    let shy = r#", "auto_switch": false, "strict_mode": true"#;
    tree.file(Path::new("tea").join(JSON), &said("tea", Some(TEA), shy));
    let test = in_shop(&projects, &tree).await;
    projects.switch(&test.session(), Target::Directory(&tree.at("tea")), false).await.expect("it is decided");
    assert_eq!(record(&test).await.project_id.as_ref().map(Text::as_str), Some(TEA));
    projects.switch(&test.session(), Target::Directory(&tree.at("shop")), false).await.expect("and left");
    assert_eq!(record(&test).await.project_id.as_ref().map(Text::as_str), Some(SHOP));
}

#[tokio::test]
async fn what_is_no_project_is_an_error_and_the_session_stays() {
    let (tree, projects) = (two(), anywhere());
    let test = in_shop(&projects, &tree).await;
    let before = record(&test).await;
    let bare = tree.folder("bare");
    let broken = tree.file(Path::new("broken").join(JSON), "{").parent().and_then(Path::parent).map(Path::to_owned);
    for (target, is_expected) in [
        (Target::Directory(&bare), (|error| matches!(error, ProjectError::NoConfig { .. })) as fn(&_) -> bool),
        (Target::Directory(broken.as_deref().expect("a folder")), |error| matches!(error, ProjectError::Config(_))),
        (Target::Directory(Path::new("tea")), |error| matches!(error, ProjectError::Argument(_))),
        (Target::Project("tea"), |error| matches!(error, ProjectError::Unknown { .. })),
    ] {
        match projects.switch(&test.session(), target, false).await {
            Err(SessionError::Project(error)) => assert!(is_expected(&error), "{target:?}: {error}"),
            other => panic!("{target:?}: {other:?}"),
        }
    }
    let after = record(&test).await;
    assert_eq!((triple(&after), after.version), (triple(&before), before.version));
    let without = projects.switch(&TestSession::without(), Target::Directory(&tree.at("tea")), false).await;
    assert!(matches!(without, Err(SessionError::NoSession)), "{without:?}");
}

fn with_registered(projects: &[RegisteredProject]) -> Projects {
    let settings = ProjectSettings { registered: projects.to_vec(), ..ProjectSettings::default() };
    Projects::new(&[], &settings).expect("valid")
}

fn here(root: PathBuf) -> RegisteredProject {
    RegisteredProject { root: Some(root), ..RegisteredProject::default() }
}

#[tokio::test]
async fn a_registered_project_is_switched_to_by_its_name_or_its_id() {
    let tree = two();
    let bare = tree.folder("bare");
    let billing = RegisteredProject { id: Some("bill-1".to_owned()), name: Some("billing".to_owned()), root: None };
    let projects = with_registered(&[here(tree.at("tea")), here(bare.clone()), billing]);
    for word in ["tea", TEA] {
        let test = in_shop(&projects, &tree).await;
        let switch = projects.switch(&test.session(), Target::Project(word), false).await.expect("it is registered");
        assert_eq!(switch.placement.resolved_by.map(ResolvedBy::as_str), Some("argument"));
        let config_path = tree.at("tea").join(JSON);
        assert_eq!(triple(&record(&test).await), (Some(tree.at("tea")), Some(config_path), Some(TEA)));
    }
    let test = in_shop(&projects, &tree).await;
    let switch = projects.switch(&test.session(), Target::Project("bare"), false).await.expect("it is registered");
    assert_eq!(switch.placement.resolved_by.map(ResolvedBy::as_str), Some("argument_derived_id"));
    let session = record(&test).await;
    let (directory, config_path, id) = triple(&session);
    assert_eq!((directory, config_path), (Some(bare), None));
    assert_eq!(id, switch.placement.project.as_ref().map(|project| project.id.as_str()));
    let resolved = projects.resolve(&test.session(), None).await.expect("it was chosen");
    assert_eq!((Some(&*resolved.project.id), resolved.resolved_by.as_str()), (id, "session_derived_id"));

    let again = projects.switch(&test.session(), Target::Project("bare"), false).await.expect("it is registered");
    assert!(again.updated.is_none(), "it is there already");
    let listed = projects.list(&test.session()).await.expect("a list");
    assert_eq!(listed.iter().filter(|known| known.project.name.as_deref() == Some("bare")).count(), 1);
    assert_eq!(resolved.resolved_by.as_str(), "session_derived_id");

    projects.switch(&test.session(), Target::Project("billing"), false).await.expect("it is registered");
    assert_eq!(triple(&record(&test).await), (None, None, Some("bill-1")), "nothing of the project before is left");
    let resolved = projects.resolve(&test.session(), None).await.expect("it was chosen");
    assert_eq!((&*resolved.project.id, resolved.project.name.as_deref()), ("bill-1", Some("billing")));
}

#[tokio::test]
async fn a_name_that_means_several_projects_is_refused_with_all_of_them() {
    let tree = two();
    let twin = "5f1c6a52-6a59-4a5d-b2a4-1d8c4b9c1a03";
    tree.file(Path::new("twin").join(JSON), &said("tea", Some(twin), ""));
    tree.file(Path::new("checkout").join(JSON), &said("other", Some(TEA), ""));
    let projects = with_registered(&[here(tree.at("tea")), here(tree.at("twin")), here(tree.at("checkout"))]);
    let test = in_shop(&projects, &tree).await;
    for (word, candidates) in [("tea", ["tea", "twin"]), (TEA, ["tea", "checkout"])] {
        match projects.switch(&test.session(), Target::Project(word), false).await {
            Err(SessionError::Project(error @ ProjectError::Ambiguous { .. })) => {
                let sentence = error.to_string();
                for candidate in candidates {
                    assert!(sentence.contains(tree.at(candidate).to_str().expect("UTF-8")), "{word}: {sentence}");
                }
            }
            other => panic!("{word}: {other:?}"),
        }
    }
    let named = projects.resolve(&test.session(), Some(TEA)).await.expect("one project in two checkouts");
    assert_eq!((&*named.project.id, named.project.root), (TEA, None), "which of them is not guessed");
    projects.switch(&test.session(), Target::Project(twin), false).await.expect("its id is its own");
    let still = projects.switch(&test.session(), Target::Project("tea"), false).await;
    assert!(matches!(still, Err(SessionError::Project(ProjectError::Ambiguous { .. }))), "nobody's is meant by itself");
    projects.switch(&test.session(), Target::Directory(&tree.at("checkout")), false).await.expect("it is a project");
    let own = projects.switch(&test.session(), Target::Project(TEA), false).await.expect("the session's own checkout");
    assert!(own.updated.is_none());
}

#[tokio::test]
async fn a_session_that_kept_its_project_is_brought_back_to_its_directory_by_name() {
    let tree = two();
    tree.file(Path::new("off").join(JSON), &said("off", None, r#", "auto_switch": false"#));
    let projects = with_registered(&[here(tree.at("tea"))]);
    let test = TestSession::open().await.expect("it opens");
    for directory in ["tea", "off"] {
        projects.set_working_directory(&test.session(), &tree.at(directory)).await.expect("it is placed");
    }
    projects.switch(&test.session(), Target::Project("tea"), false).await.expect("it is registered");
    let config_path = tree.at("tea").join(JSON);
    assert_eq!(triple(&record(&test).await), (Some(tree.at("tea")), Some(config_path), Some(TEA)));
}

#[tokio::test]
async fn a_registered_directory_is_a_project_of_its_own_and_what_it_says_counts_at_once() {
    let tree = two();
    let inner = tree.folder("shop/inner");
    let projects = with_registered(&[here(inner.clone())]);
    let test = in_shop(&projects, &tree).await;
    projects.list(&test.session()).await.expect("a list");
    projects.switch(&test.session(), Target::Project("inner"), false).await.expect("not the one around it");
    assert_eq!(triple(&record(&test).await).0, Some(inner.clone()));
    let file = tree.file(Path::new("shop/inner").join(JSON), &said("inner", Some(TEA), r#", "strict_mode": true"#));
    projects.switch(&test.session(), Target::Project("inner"), false).await.expect("it has a config file now");
    assert_eq!(triple(&record(&test).await), (Some(inner), Some(file), Some(TEA)));
}

#[tokio::test]
async fn a_switch_to_a_registered_directory_within_another_project_lasts() {
    for strict in ["", r#", "strict_mode": true"#] {
        let tree = two();
        tree.file(Path::new("shop").join(JSON), &said("shop", Some(SHOP), strict));
        let inner = tree.folder("shop/inner");
        let projects = with_registered(&[here(inner.clone()), here(tree.at("tea"))]);
        let test = in_shop(&projects, &tree).await;
        let switch = projects.switch(&test.session(), Target::Project("inner"), false).await.expect("it is registered");
        let before = record(&test).await;
        assert_eq!(triple(&before).0, Some(inner.clone()));
        for named in [None, Some("inner"), None] {
            let resolved = projects.resolve(&test.session(), named).await.expect("it was chosen");
            assert_eq!(Some(&resolved.project), switch.placement.project.as_ref());
            let by = if named.is_some() { "argument_derived_id" } else { "session_derived_id" };
            assert_eq!((resolved.resolved_by.as_str(), &*resolved.warnings), (by, &[] as &[String]));
        }
        let after = record(&test).await;
        assert_eq!((triple(&after), after.version), (triple(&before), before.version));
        let other = projects.resolve(&test.session(), Some("tea")).await.expect("inner is not strict");
        assert!(other.warnings.iter().any(|warning| warning.contains("inner")), "{other:?}");

        let file = tree.file(Path::new("shop/inner").join(JSON), &said("inner", Some(TEA), ""));
        let resolved = projects.resolve(&test.session(), None).await.expect("it has a config file now");
        assert_eq!((resolved.resolved_by.as_str(), resolved.project.config_path), ("config", Some(file)));
    }
}

#[tokio::test]
async fn a_registered_directory_is_chosen_by_name_and_not_by_being_there() {
    let tree = two();
    let inner = tree.folder("shop/inner");
    let projects = with_registered(&[here(inner.clone())]);
    let test = TestSession::open().await.expect("it opens");
    let placed = projects.set_working_directory(&test.session(), &inner).await.expect("it is placed").placement;
    assert_eq!(placed.project.map(|project| project.id).as_deref(), Some(SHOP), "what the config file says");
    projects.switch(&test.session(), Target::Project("inner"), false).await.expect("it is registered");
    projects.switch(&test.session(), Target::Here, false).await.expect("what the config file says is asked for");
    assert_eq!(record(&test).await.project_id.as_ref().map(Text::as_str), Some(SHOP));
}

#[tokio::test]
async fn projects_are_listed_that_are_registered_or_were_seen_beneath_the_roots() {
    let (tree, other) = (two(), Tree::new());
    other.file(Path::new("private").join(JSON), &said("private", None, ""));
    let settings = ProjectSettings { registered: vec![here(tree.at("tea"))], ..ProjectSettings::default() };
    let names = async |projects: &Projects, test: &TestSession| {
        let listed = projects.list(&test.session()).await.expect("a list");
        listed.into_iter().map(|known| (known.project.name.unwrap_or_default(), known.is_current)).collect::<Vec<_>>()
    };
    let of = |entries: &[(&str, bool)]| entries.iter().map(|(name, is)| ((*name).to_owned(), *is)).collect::<Vec<_>>();

    let confined = Projects::new(&[tree.root().to_owned()], &settings).expect("valid");
    let fresh = TestSession::open().await.expect("it opens");
    assert_eq!(names(&confined, &fresh).await, of(&[("tea", false)]), "no folder is searched");
    let test = in_shop(&confined, &tree).await;
    assert_eq!(names(&confined, &test).await, of(&[("shop", true), ("tea", false)]));
    assert_eq!(names(&confined, &fresh).await, of(&[("shop", false), ("tea", false)]), "the roots are for everybody");
    std::fs::remove_dir_all(tree.at("shop")).expect("it can be removed");
    assert_eq!(names(&confined, &fresh).await, of(&[("tea", false)]), "what is gone is none");

    let anywhere = Projects::new(&[], &settings).expect("valid");
    let own = TestSession::open().await.expect("it opens");
    anywhere.set_working_directory(&own.session(), &other.at("private")).await.expect("it is placed");
    assert_eq!(names(&anywhere, &own).await, of(&[("private", true), ("tea", false)]));
    assert_eq!(names(&anywhere, &fresh).await, of(&[("tea", false)]), "what one works in is nobody else's affair");
}
