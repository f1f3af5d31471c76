//! What happens to a config file while a session works by it.

use std::fs;

use serde_json::json;
use session_tests::{Link, over_links};

use crate::agent::Agent;
use crate::workshop::Workshop;

over_links! {
    an_edited_config_is_noticed_by_the_next_get_project:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    a_config_that_becomes_invalid_is_an_error_that_names_file_line_and_field:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
    a_config_that_is_gone_is_an_error_until_it_is_back:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
}

const OTHER_ID: &str = "5e0d7c44-93a1-4b62-8f17-2ab8c6e0d935";

fn an_edited_config_is_noticed_by_the_next_get_project(link: Link) {
    let projects = [Workshop::shop(), Workshop::blog()];
    let site = link.site();
    for project in &projects {
        let mut agent = Agent::new(site.connect());
        agent.ask("set_working_directory", json!({ "directory": project.deep() }));
        assert_eq!(agent.ask("get_project", json!({}))["project"], project.info());

        project.write(OTHER_ID, "");
        let told = agent.ask("get_project", json!({}));
        assert_eq!(
            (&told["project"]["id"], &told["switched_from"]),
            (&json!(OTHER_ID), &json!(project.id())),
            "{told}"
        );
        let [directory, config_path, _] = project.record(&project.deep());
        assert_eq!(agent.record(), [directory, config_path, json!(OTHER_ID)]);
        let told = agent.ask("get_project", json!({}));
        assert_eq!((&told["project"]["id"], &told["switched_from"]), (&json!(OTHER_ID), &json!(null)), "told once");
        agent.close();
    }
}

fn a_config_that_becomes_invalid_is_an_error_that_names_file_line_and_field(link: Link) {
    let (shop, blog) = (Workshop::shop(), Workshop::blog());
    let site = link.site();
    for (project, more) in [(&shop, "\n  \"strict_mode\": 1,"), (&blog, "\nstrict_mode = 1")] {
        let mut agent = Agent::new(site.connect());
        agent.ask("set_working_directory", json!({ "directory": project.deep() }));
        project.write(project.id(), more);

        let here = json!({ "directory": project.deep() });
        for (tool, arguments) in [("get_project", json!({})), ("auto_switch_project", here.clone())] {
            let refusal = agent.refusal(tool, arguments);
            for named in [&*project.config_path(), "line 3", "`strict_mode`"] {
                assert!(refusal.contains(named), "{tool} names {named}: {refusal}");
            }
        }
        assert_eq!(agent.record(), project.record(&project.deep()), "it was refused, so nothing has changed");

        let set = agent.ask("set_working_directory", here);
        assert_eq!((&set["config_found"], &set["project_info"]), (&json!(true), &json!(null)), "{set}");
        assert!(set["warnings"].to_string().contains("strict_mode"), "{set}");
        project.write(project.id(), "");
        let told = agent.ask("get_project", json!({}));
        assert_eq!((&told["project"], &told["switched_from"]), (&project.info(), &json!(null)), "it goes on by itself");
        agent.close();
    }
}

fn a_config_that_is_gone_is_an_error_until_it_is_back(link: Link) {
    let shop = Workshop::shop();
    let site = link.site();
    let mut agent = Agent::new(site.connect());
    agent.ask("set_working_directory", json!({ "directory": shop.deep() }));
    fs::remove_file(shop.config_path()).expect("the checkout is ours");
    let refusal = agent.refusal("get_project", json!({}));
    assert!(refusal.contains(&shop.config_path()), "{refusal}");
    shop.write(shop.id(), "");
    let told = agent.ask("get_project", json!({}));
    assert_eq!((&told["project"], &told["switched_from"]), (&shop.info(), &json!(null)), "{told}");
    agent.close();
}
