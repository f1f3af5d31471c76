//! Two agents at once, each in a checkout of its own, and then in the other's.

use std::mem::swap;

use serde_json::json;
use session_test_servers::Server;
use session_tests::{Client, HttpServer, Link, Sdk, over_links};

use crate::agent::Agent;
use crate::workshop::Workshop;

over_links! {
    each_agent_works_in_its_own_project_until_they_change_places:
        mcp_1_stdio mcp_1_http mcp_2_stdio mcp_2_http;
}

fn each_agent_works_in_its_own_project_until_they_change_places(link: Link) {
    let site = link.site();
    change_places(site.connect(), site.connect());
}

#[test]
fn agents_of_both_protocol_eras_change_places_at_one_server() {
    let server = HttpServer::start();
    change_places(Client::connect(Sdk::Mcp1, server.url()), Client::connect(Sdk::Mcp2, server.url()));
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_of_both_protocol_eras_change_places_at_two_servers_on_one_redis() {
    let redis = Server::start().await;
    let [one, two] = [(); 2].map(|()| HttpServer::configured(&[("STORE", &redis.url())]));
    change_places(Client::connect(Sdk::Mcp1, one.url()), Client::connect(Sdk::Mcp2, two.url()));
}

/// How often they do. Each time both call at once.
const ROUNDS: u64 = 6;

fn change_places(first: Client, second: Client) {
    let (shop, blog) = (Workshop::shop(), Workshop::blog());
    let mut agents = [Agent::new(first), Agent::new(second)];
    let mut projects = [&shop, &blog];

    for (agent, project) in agents.iter_mut().zip(projects) {
        agent.begin("set_working_directory", json!({ "directory": project.deep() }));
    }
    for (agent, project) in agents.iter_mut().zip(projects) {
        let set = agent.finish();
        assert_eq!((&set["working_directory"], &set["config_found"]), (&json!(project.deep()), &json!(true)), "{set}");
        assert_eq!((&set["config_path"], &set["changed"]), (&json!(project.config_path()), &json!(true)), "{set}");
        assert_eq!((&set["project_info"], &set["resolved_by"]), (&project.info(), &json!("config")), "{set}");
        agent.ask("set_state", json!({ "name": "whose", "value": project.name() }));
    }
    let owners = projects;

    for _ in 0..ROUNDS {
        for (agent, project) in agents.iter_mut().zip(projects) {
            works_in(agent, project);
        }
        let [one, two] = &mut projects;
        swap(one, two);
        for (agent, project) in agents.iter_mut().zip(projects) {
            agent.begin("auto_switch_project", json!({ "directory": project.deep() }));
        }
        for ((agent, project), before) in agents.iter_mut().zip(projects).zip(projects.iter().rev()) {
            let switched = agent.finish();
            assert_eq!((&switched["switched"], &switched["from"]), (&json!(true), &json!(before.id())), "{switched}");
            assert_eq!((&switched["project_info"], &switched["resolved_by"]), (&project.info(), &json!("config")));
        }
    }
    for ((mut agent, project), owner) in agents.into_iter().zip(projects).zip(owners) {
        works_in(&mut agent, project);
        assert_eq!(agent.ask("get_state", json!({ "name": "whose" }))["value"], owner.name(), "it is the same session");
        agent.close();
    }
}

#[track_caller]
fn works_in(agent: &mut Agent, project: &Workshop) {
    let told = agent.ask("get_project", json!({}));
    assert_eq!((&told["project"], &told["resolved_by"]), (&project.info(), &json!("config")), "{told}");
    assert_eq!((&told["working_directory"], &told["switched_from"]), (&json!(project.deep()), &json!(null)), "{told}");
    assert_eq!(agent.record(), project.record(&project.deep()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_placed_at_one_server_is_resolved_and_switched_at_another_on_the_same_redis() {
    let redis = Server::start().await;
    let [one, two] = [(); 2].map(|()| HttpServer::configured(&[("STORE", &redis.url())]));
    let (shop, blog) = (Workshop::shop(), Workshop::blog());

    let mut here = Agent::new(Client::connect(Sdk::Mcp1, one.url()));
    here.ask("set_working_directory", json!({ "directory": shop.deep() }));
    let mut there = Agent::with_session(Client::connect(Sdk::Mcp2, two.url()), here.handle());
    works_in(&mut there, &shop);

    there.ask("auto_switch_project", json!({ "directory": blog.deep() }));
    works_in(&mut here, &blog);
    here.close();
    there.close();
}
