//! What `set_working_directory` makes of a directory: the table of behaviour that the library began with, and what has
//! been added to it.

use std::path::Path;

use session_core::{Session as Snapshot, Text};
use session_mcp::project::{DirectoryError, Outcome, Placed, ProjectError, Projects, ResolvedBy};
use session_mcp::{SessionError, TestSession};

use crate::trees::{JSON, Tree, anywhere};
use crate::workers::{SHOP, TEA, record, said};

async fn place(projects: &Projects, test: &TestSession, directory: &Path) -> Result<Placed, SessionError> {
    projects.set_working_directory(&test.session(), directory).await
}

fn paths(session: &Snapshot) -> [Option<&Path>; 2] {
    [&session.working_directory, &session.config_path].map(|text| text.as_ref().map(Text::as_path))
}

#[tokio::test]
async fn a_config_found_in_the_directory_itself_or_levels_above_it_is_the_sessions() {
    let (tree, projects) = (Tree::new(), anywhere());
    let file = tree.file(Path::new("shop").join(JSON), &said("shop", Some(SHOP), ""));
    for directory in ["shop", "shop/src", "shop/a/b/c/d/e/f"] {
        let (directory, test) = (tree.folder(directory), TestSession::open().await.expect("it opens"));
        let placed = place(&projects, &test, &directory).await.expect("it is placed");
        let project = placed.placement.project.expect("a project");
        assert_eq!((project.id.as_str(), project.name.as_deref()), (SHOP, Some("shop")));
        assert_eq!(project.root, Some(tree.at("shop")));
        assert_eq!(placed.placement.resolved_by.map(ResolvedBy::as_str), Some("config"));
        assert!(placed.placement.warnings.is_empty(), "{:?}", placed.placement.warnings);
        let session = record(&test).await;
        assert_eq!(paths(&session), [Some(&*directory), Some(&*file)]);
        assert_eq!(session.project_id.as_ref().map(Text::as_str), Some(SHOP));
        assert!(session.set_at.is_some());
    }
}

#[tokio::test]
async fn without_a_config_the_directory_is_set_and_the_project_of_another_one_is_left() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.project("shop", "shop");
    let (shop, bare) = (tree.folder("shop"), tree.folder("bare"));
    let test = TestSession::open().await.expect("it opens");
    place(&projects, &test, &shop).await.expect("it is placed");
    let placed = place(&projects, &test, &bare).await.expect("it is placed");
    assert_eq!((&placed.placement.project, &placed.placement.config_path), (&None, &None));
    let session = record(&test).await;
    assert_eq!((paths(&session), &session.project_id), ([Some(&*bare), None], &None));
}

#[tokio::test]
async fn an_invalid_config_still_sets_the_directory_and_is_reported() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.project(".", "outer");
    let file = tree.file(Path::new("shop").join(JSON), "{ \"version\": \"1.0\",\n  \"project\": { \"name\": 7 } }");
    let (shop, test) = (tree.at("shop"), TestSession::open().await.expect("it opens"));
    let placed = place(&projects, &test, &shop).await.expect("it is placed");
    assert_eq!(placed.placement.project, None, "the one further up is another project's");
    let [warning] = &*placed.placement.warnings else { panic!("{:?}", placed.placement.warnings) };
    let words = [file.to_str().expect("UTF-8"), "line 2", "`project.name`"];
    assert!(words.iter().all(|word| warning.contains(word)), "{warning}");
    let session = record(&test).await;
    assert_eq!((paths(&session), &session.project_id), ([Some(&*shop), Some(&*file)], &None));

    let refused = projects.resolve(&test.session(), None).await.expect_err("nobody knows which project it is");
    assert!(matches!(refused, SessionError::Project(ProjectError::Config(_))), "{refused}");
    tree.file(Path::new("shop").join(JSON), &said("shop", Some(SHOP), ""));
    let resolved = projects.resolve(&test.session(), None).await.expect("it is corrected");
    assert_eq!((resolved.project.id.as_str(), resolved.switched_from), (SHOP, None));
}

#[tokio::test]
async fn a_path_that_is_relative_missing_or_no_directory_is_refused_and_changes_nothing() {
    let (tree, projects) = (Tree::new(), anywhere());
    let shop = tree.folder("shop");
    let (file, gone) = (tree.file("file", ""), tree.at("gone"));
    let test = TestSession::open().await.expect("it opens");
    place(&projects, &test, &shop).await.expect("it is placed");
    let before = record(&test).await;
    let long = format!("/{}", "x".repeat(5000));
    for (path, error) in [
        (Path::new("shop"), DirectoryError::Relative),
        (Path::new("./shop"), DirectoryError::Relative),
        (&gone, DirectoryError::Missing),
        (&file, DirectoryError::NotADirectory),
        (Path::new(""), DirectoryError::NotText),
        (Path::new("/\0"), DirectoryError::NotText),
        (Path::new(&long), DirectoryError::NotText),
    ] {
        match place(&projects, &test, path).await {
            Err(SessionError::Project(ProjectError::Argument(refused))) => assert_eq!(refused, error, "{path:.20?}"),
            other => panic!("{path:.20?}: {other:?}"),
        }
    }
    let after = record(&test).await;
    assert_eq!((paths(&after), after.version), (paths(&before), before.version));
}

#[tokio::test]
async fn a_path_with_detours_is_kept_as_what_it_means() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.project("shop", "shop");
    let src = tree.folder("shop/src");
    let detour = tree.link("short/cut", &src).join("..").join("src/.");
    let test = TestSession::open().await.expect("it opens");
    let placed = place(&projects, &test, &detour).await.expect("it is placed");
    assert_eq!(placed.placement.working_directory.as_deref(), Some(&*src));
    assert_eq!(paths(&record(&test).await)[0], Some(&*src));
}

#[tokio::test]
async fn a_project_without_an_id_has_the_same_one_whoever_looks_and_another_one_in_another_place() {
    let (tree, other) = (Tree::new(), Tree::new());
    let mut ids = Vec::new();
    for (tree, projects) in [(&tree, anywhere()), (&tree, anywhere()), (&other, anywhere())] {
        tree.project("shop", "shop");
        let test = TestSession::open().await.expect("it opens");
        let placed = place(&projects, &test, &tree.folder("shop/src")).await.expect("it is placed").placement;
        assert_eq!(placed.resolved_by.map(ResolvedBy::as_str), Some("config_derived_id"));
        let project = placed.project.expect("a project");
        assert!(project.is_id_derived && project.id.as_bytes()[14] == b'5', "a UUID of version 5: {}", project.id);
        ids.push(project.id);
    }
    assert!(ids[0] == ids[1] && ids[0] != ids[2], "{ids:?}");
}

#[tokio::test]
async fn what_is_odd_about_a_config_is_a_warning() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.file(Path::new("shop").join(JSON), &said("shop", None, r#", "auto_swich": false"#));
    let test = TestSession::open().await.expect("it opens");
    let placed = place(&projects, &test, &tree.at("shop")).await.expect("it is placed");
    assert!(placed.placement.warnings.iter().any(|warning| warning.contains("auto_switch")), "{placed:?}");
}

#[tokio::test]
async fn a_dry_run_tells_the_project_and_changes_nothing() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.file(Path::new("shop").join(JSON), &said("shop", Some(SHOP), r#", "dry_run": true"#));
    let test = TestSession::open().await.expect("it opens");
    let before = record(&test).await.version;
    let placed = place(&projects, &test, &tree.at("shop")).await.expect("it is told");
    assert!(matches!(placed.outcome, Outcome::Unchanged));
    assert_eq!(placed.placement.project.map(|project| project.id).as_deref(), Some(SHOP));
    assert!(placed.placement.warnings.iter().any(|warning| warning.contains("dry_run")), "it says why");
    let after = record(&test).await;
    assert_eq!((after.version, &after.working_directory), (before, &None));
    let nobodys = projects.set_working_directory(&TestSession::without(), &tree.at("shop")).await.expect("it is told");
    assert!(matches!(nobodys.outcome, Outcome::Unchanged), "no session is opened either");
}

#[tokio::test]
async fn where_auto_switch_is_off_the_session_keeps_its_project_and_is_told_so() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.file(Path::new("shop").join(JSON), &said("shop", Some(SHOP), ""));
    let file = tree.file(Path::new("tea").join(JSON), &said("tea", Some(TEA), r#", "auto_switch": false"#));

    let fresh = TestSession::open().await.expect("it opens");
    let placed = place(&projects, &fresh, &tree.at("tea")).await.expect("it is placed").placement;
    assert_eq!(placed.project, None);
    assert!(placed.warnings.iter().any(|warning| warning.contains("auto_switch_project")), "{:?}", placed.warnings);
    let session = record(&fresh).await;
    assert_eq!((paths(&session), &session.project_id), ([Some(&*tree.at("tea")), Some(&*file)], &None));

    let pinned = TestSession::open().await.expect("it opens");
    place(&projects, &pinned, &tree.at("shop")).await.expect("it is placed");
    let placed = place(&projects, &pinned, &tree.at("tea")).await.expect("it is placed").placement;
    assert_eq!(placed.project.map(|project| project.id).as_deref(), Some(SHOP));
    assert_eq!(placed.resolved_by.map(ResolvedBy::as_str), Some("session"));
    let session = record(&pinned).await;
    assert_eq!(paths(&session), [Some(&*tree.at("tea")), None], "that config file is of another project");
    assert_eq!(session.project_id.as_ref().map(Text::as_str), Some(SHOP));
    std::fs::remove_file(&file).expect("it is there");
    let resolved = projects.resolve(&pinned.session(), None).await.expect("the session has a project");
    assert_eq!((&*resolved.project.id, resolved.resolved_by.as_str()), (SHOP, "session"));
}

#[tokio::test]
async fn a_directory_that_is_set_by_itself_has_no_project_of_another() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.project("shop", "shop");
    let test = TestSession::open().await.expect("it opens");
    place(&projects, &test, &tree.at("shop")).await.expect("it is placed");
    test.session().set_working_directory(&tree.folder("bare")).await.expect("it may");
    let session = record(&test).await;
    assert_eq!((paths(&session), &session.project_id), ([Some(&*tree.at("bare")), None], &None));
}

#[tokio::test]
async fn a_strict_project_refuses_a_session_that_stays_in_another() {
    let (tree, projects) = (Tree::new(), anywhere());
    tree.file(Path::new("shop").join(JSON), &said("shop", Some(SHOP), ""));
    let strict = r#", "auto_switch": false, "strict_mode": true"#;
    tree.file(Path::new("tea").join(JSON), &said("tea", None, strict));
    let test = TestSession::open().await.expect("it opens");
    place(&projects, &test, &tree.at("shop")).await.expect("it is placed");
    let before = record(&test).await;
    let refused = place(&projects, &test, &tree.at("tea")).await.expect_err("they do not match");
    assert!(
        matches!(&refused, SessionError::Project(ProjectError::Mismatch { pinned, .. }) if pinned == SHOP),
        "{refused}"
    );
    let after = record(&test).await;
    assert_eq!((paths(&after), after.version), (paths(&before), before.version));
}
