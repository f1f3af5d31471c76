//! A worktree is a checkout of its own, wherever it is.

use serde_json::json;
use session_tests::{Link, over_links};

use crate::agent::Agent;
use crate::workshop::Workshop;

over_links! {
    a_worktree_without_a_config_is_no_project_of_the_checkout_it_is_in:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    a_worktree_with_the_config_is_the_project_at_a_root_of_its_own:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
}

fn a_worktree_without_a_config_is_no_project_of_the_checkout_it_is_in(link: Link) {
    let shop = Workshop::shop();
    let before_the_config = shop.checkout().worktree("worktrees/before", "HEAD^");
    let site = link.site();
    let mut agent = Agent::new(site.connect());
    agent.ask("set_working_directory", json!({ "directory": shop.deep() }));

    let refusal = agent.refusal("auto_switch_project", json!({ "directory": before_the_config }));
    assert!(refusal.contains(&before_the_config), "{refusal}");
    assert_eq!(agent.record(), shop.record(&shop.deep()), "it was refused, so nothing has changed");

    let set = agent.ask("set_working_directory", json!({ "directory": before_the_config }));
    assert_eq!((&set["config_found"], &set["project_info"]), (&json!(false), &json!(null)), "{set}");
    assert!(set["skipped"].to_string().contains(&before_the_config), "it says where the search stopped: {set}");
    assert_eq!(agent.record(), [json!(before_the_config), json!(null), json!(null)]);
    let refusal = agent.refusal("get_project", json!({}));
    assert!(refusal.contains("set_working_directory") && !refusal.contains(shop.id()), "{refusal}");
    agent.close();
}

fn a_worktree_with_the_config_is_the_project_at_a_root_of_its_own(link: Link) {
    let shop = Workshop::shop();
    let worktree = shop.checkout().worktree("worktrees/feature", "HEAD");
    let site = link.site();
    let mut agent = Agent::new(site.connect());
    agent.ask("set_working_directory", json!({ "directory": shop.deep() }));

    let deep = format!("{worktree}/src/parts/deep");
    let switched = agent.ask("auto_switch_project", json!({ "directory": deep }));
    assert_eq!((&switched["switched"], &switched["from"]), (&json!(true), &json!(shop.id())), "{switched}");
    let told = agent.ask("get_project", json!({}));
    assert_eq!((&told["project"]["id"], &told["project"]["root"]), (&json!(shop.id()), &json!(worktree)), "{told}");
    let [directory, config_path, _] = agent.record();
    assert_eq!((directory, config_path), (json!(deep), json!(format!("{worktree}/.codebase-mcp/config.json"))));
    agent.close();
}
