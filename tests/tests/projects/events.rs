//! What an observer is told of switches.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use session_core::{Event, Observer, Owner, Reason, Subject};
use session_mcp::{Config, Lifespan};
use session_tests::Checkout;
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::workshop::Workshop;

/// Keeps which sessions were switched.
#[derive(Debug, Default)]
struct Switches(Mutex<Vec<Subject>>);

impl Observer for Switches {
    fn observe(&self, event: &Event) {
        if event.reason == Reason::Switched {
            self.0.lock().expect("nobody panics while it writes").push(event.subject);
        }
    }
}

impl Switches {
    /// Those since this was last asked.
    fn take(&self) -> Vec<Subject> {
        std::mem::take(&mut self.0.lock().expect("nobody panics while it writes"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_switch_is_told_once_and_nothing_else_is() {
    let switches = Arc::new(Switches::default());
    let observer: Arc<dyn Observer> = switches.clone();
    let lifespan = Lifespan::observed(&Config::default(), observer).await.expect("a store in memory is there");
    let caller = Caller::connect(&lifespan.tools(), lifespan.sessions()).await;
    let (shop, blog) = (Workshop::shop(), Workshop::blog());
    let opened = caller.ask("open_session", json!({})).await;
    let in_session = |arguments: Value| {
        let mut arguments = arguments;
        arguments["session"] = opened["session"].clone();
        arguments
    };
    let handle = opened["session"].as_str().expect("a handle");
    let key = lifespan.sessions().resolve(Owner::Anonymous, handle).expect("a handle that was given");
    let it = Subject::One(key.locator());
    assert_eq!(switches.take(), [], "a session that has no project was not switched");

    let to = |project: &Workshop| in_session(json!({ "directory": project.deep() }));
    caller.ask("set_working_directory", to(&shop)).await;
    assert_eq!(switches.take(), [it]);
    for tool in ["set_working_directory", "auto_switch_project", "open_session"] {
        for directory in [shop.deep(), shop.root().to_owned()] {
            caller.ask(tool, in_session(json!({ "directory": directory }))).await;
        }
    }
    caller.ask("open_session", in_session(json!({ "project": shop.id() }))).await;
    assert_eq!(switches.take(), [], "it works in other folders of the same project");
    caller.ask("auto_switch_project", to(&blog)).await;
    assert_eq!(switches.take(), [it]);

    caller.ask("auto_switch_project", to(&blog)).await;
    assert_eq!(switches.take(), [], "it was there already");
    let mut dry_run = to(&shop);
    dry_run["dry_run"] = json!(true);
    caller.ask("auto_switch_project", dry_run).await;
    caller.ask("get_project", in_session(json!({}))).await;
    caller.ask("set_state", in_session(json!({ "name": "cart", "value": 1 }))).await;
    caller.call("auto_switch_project", in_session(json!({ "directory": "/nowhere" }))).await.expect_err("no directory");
    assert_eq!(switches.take(), []);

    blog.write(shop.id(), "");
    for _ in 0..2 {
        caller.ask("get_project", in_session(json!({}))).await;
    }
    assert_eq!(switches.take(), [it], "the first saw that the config had changed");

    let bare = Checkout::new();
    for taken in [vec![it], Vec::new()] {
        caller.ask("set_working_directory", in_session(json!({ "directory": bare.path() }))).await;
        assert_eq!(switches.take(), taken, "what has no project is left none");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_switches_are_told_as_were_answered_however_many_callers_there_are() {
    let switches = Arc::new(Switches::default());
    let observer: Arc<dyn Observer> = switches.clone();
    let lifespan = Lifespan::observed(&Config::default(), observer).await.expect("a store in memory is there");
    let projects = Arc::new([Workshop::shop(), Workshop::blog()]);
    let opened = Caller::connect(&lifespan.tools(), lifespan.sessions()).await.ask("open_session", json!({})).await;
    let answered = Arc::new(AtomicU64::new(0));
    let mut callers = JoinSet::new();
    for number in 0..8 {
        let (caller, projects) = (Caller::connect(&lifespan.tools(), lifespan.sessions()).await, Arc::clone(&projects));
        let (session, answered) = (opened["session"].clone(), Arc::clone(&answered));
        callers.spawn(async move {
            for round in 0..25 {
                let directory = projects[(number + round) % 2].deep();
                let answer =
                    caller.ask("auto_switch_project", json!({ "directory": directory, "session": session })).await;
                let is_switched = answer["switched"].as_bool().expect("it says so");
                answered.fetch_add(u64::from(is_switched), Ordering::SeqCst);
            }
        });
    }
    callers.join_all().await;
    let (told, answered) = (switches.take().len(), answered.load(Ordering::SeqCst));
    assert!(answered >= 2, "they switched it to and fro");
    assert_eq!(u64::try_from(told).expect("a count"), answered);
}
