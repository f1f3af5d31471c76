//! Which projects and directories an agent can choose.

use serde_json::{Value, json};
use session_tests::{Link, over_links};

use crate::agent::Agent;
use crate::workshop::Workshop;

over_links! {
    a_dry_run_changes_nothing:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    projects_that_were_worked_in_beneath_allowed_roots_are_listed_and_chosen_by_name_or_id:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    what_one_agent_worked_in_beneath_allowed_roots_another_chooses:
        mcp_1_http mcp_2_http;
    a_directory_outside_the_allowed_roots_is_refused_with_the_roots:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
}

fn a_dry_run_changes_nothing(link: Link) {
    let (shop, blog) = (Workshop::shop(), Workshop::blog());
    let site = link.site();
    let mut agent = Agent::new(site.connect());
    agent.ask("set_working_directory", json!({ "directory": shop.deep() }));
    let before = agent.ask("session_info", json!({}))["version"].take();

    let told = agent.ask("auto_switch_project", json!({ "directory": blog.deep(), "dry_run": true }));
    assert_eq!((&told["switched"], &told["dry_run"]), (&json!(false), &json!(true)), "{told}");
    assert_eq!((&told["project_info"], &told["from"]), (&blog.info(), &json!(shop.id())), "what it would do: {told}");
    assert_eq!(agent.record(), shop.record(&shop.deep()));

    blog.write(blog.id(), "dry_run = true");
    let told = agent.ask("auto_switch_project", json!({ "directory": blog.deep() }));
    assert_eq!((&told["switched"], &told["dry_run"]), (&json!(false), &json!(true)), "the config says so: {told}");
    let set = agent.ask("set_working_directory", json!({ "directory": blog.deep() }));
    assert_eq!((&set["changed"], &set["project_info"]), (&json!(false), &blog.info()), "{set}");
    assert!(set["warnings"].to_string().contains(&blog.config_path()), "{set}");

    assert_eq!(agent.record(), shop.record(&shop.deep()));
    assert_eq!(agent.ask("session_info", json!({}))["version"], before, "nothing was written");
    agent.close();
}

fn projects_that_were_worked_in_beneath_allowed_roots_are_listed_and_chosen_by_name_or_id(link: Link) {
    let (shop, blog) = (Workshop::shop(), Workshop::blog());
    let site = link.site_confined_to(&[shop.root(), blog.root()]);
    let mut agent = Agent::new(site.connect());
    agent.ask("set_working_directory", json!({ "directory": shop.deep() }));
    assert_eq!(listed(&mut agent), [current(&shop)], "nobody has worked in the other yet");
    agent.ask("set_working_directory", json!({ "directory": blog.deep() }));
    assert_eq!(listed(&mut agent), [current(&blog), shop.info()]);

    for (said, project) in [(shop.name(), &shop), (blog.id(), &blog)] {
        let switched = agent.ask("auto_switch_project", json!({ "project": said }));
        assert_eq!((&switched["switched"], &switched["resolved_by"]), (&json!(true), &json!("argument")), "{switched}");
        assert_eq!(agent.record(), project.record(project.root()));
    }
    let refusal = agent.refusal("auto_switch_project", json!({ "project": "Elsewhere" }));
    assert!(refusal.contains("list_projects"), "{refusal}");
    agent.close();
}

fn what_one_agent_worked_in_beneath_allowed_roots_another_chooses(link: Link) {
    let (shop, blog) = (Workshop::shop(), Workshop::blog());
    let site = link.site_confined_to(&[shop.root(), blog.root()]);
    let mut agents = [Agent::new(site.connect()), Agent::new(site.connect())];
    for (agent, project) in agents.iter_mut().zip([&shop, &blog]) {
        agent.ask("set_working_directory", json!({ "directory": project.deep() }));
    }
    let [first, second] = &mut agents;
    assert_eq!(listed(first), [blog.info(), current(&shop)]);
    assert_eq!(listed(second), [current(&blog), shop.info()]);
    first.ask("auto_switch_project", json!({ "project": blog.name() }));
    assert_eq!(first.record(), blog.record(blog.root()));
    assert_eq!(second.record(), blog.record(&blog.deep()), "it stays where it is");
    agents.into_iter().for_each(Agent::close);
}

fn a_directory_outside_the_allowed_roots_is_refused_with_the_roots(link: Link) {
    let (shop, blog, elsewhere) = (Workshop::shop(), Workshop::blog(), Workshop::blog());
    let way_out = format!("{}/way-out", shop.root());
    std::os::unix::fs::symlink(elsewhere.root(), &way_out).expect("the checkout is ours");
    let site = link.site_confined_to(&[shop.root(), blog.root()]);
    let mut agent = Agent::new(site.connect());
    agent.ask("set_working_directory", json!({ "directory": shop.deep() }));

    let outside = [elsewhere.deep(), way_out, format!("{}/..", shop.root()), "/".to_owned()];
    for directory in outside {
        for tool in ["set_working_directory", "auto_switch_project", "open_session"] {
            let refusal = agent.refusal(tool, json!({ "directory": directory }));
            assert!(refusal.contains(shop.root()) && refusal.contains(blog.root()), "{tool} to {directory}: {refusal}");
            assert!(!refusal.contains(elsewhere.root()), "{tool} tells nothing of what is outside: {refusal}");
        }
    }
    assert_eq!(agent.record(), shop.record(&shop.deep()));
    agent.close();
}

/// What `list_projects` answers.
#[track_caller]
fn listed(agent: &mut Agent) -> Vec<Value> {
    agent.ask("list_projects", json!({}))["projects"].as_array().expect("a list").clone()
}

/// A project as the list shows it to who works in it.
fn current(project: &Workshop) -> Value {
    let mut info = project.info();
    info["current"] = json!(true);
    info
}
