//! A thousand sessions that many tasks switch between fifty projects.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use session_core::{Load, Owner, SessionKey, SessionManager, Text};
use session_mcp::{Config, Lifespan, SessionTools, TokioTimer};
use session_test_servers::Server;
use tokio::task::JoinSet;

use crate::caller::Caller;
use crate::dice::Dice;
use crate::ground::{Ground, Place, name};
use crate::history::{Clock, History, Spell};
use crate::unhurried::Unhurried;

const PROJECTS: usize = 50;
const SESSIONS: usize = 1_000;
const TASKS: usize = 8;

/// The sessions that all tasks use at once. Of the others each task has its own.
const SHARED: usize = 8;

/// With which the tasks' sequences of random numbers begin.
const SEED: u64 = 0x0005_e55e_d000;

#[tokio::test(flavor = "multi_thread")]
async fn a_session_switched_at_random_shows_one_project_and_never_anothers_in_memory() {
    race("memory", 1, 7_000).await;
}

/// The tasks are callers of two replicas in turn.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_switched_at_random_shows_one_project_and_never_anothers_in_redis() {
    let redis = Server::start().await;
    race(&redis.url(), 2, 3_000).await;
}

async fn race(store: &str, replicas: usize, operations: usize) {
    let ground = Ground::new(PROJECTS).await;
    let config = Config {
        store: store.parse().expect("a store"),
        allowed_roots: vec![ground.folder().to_owned()],
        ..Config::default()
    };
    let mut servers = Vec::new();
    for _ in 0..replicas {
        servers.push(Replica::start(&config, &ground).await);
    }
    let race = Arc::new(Race::begin(ground, &servers[0]).await);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let replica = &servers[task % replicas];
        let (caller, sessions) = (replica.connect().await, Arc::clone(&replica.sessions));
        let runner = Runner { race: Arc::clone(&race), caller, sessions, task, dice: dice(task) };
        tasks.spawn(runner.run(operations / TASKS));
    }
    tasks.join_all().await;
    race.is_exact(&servers[replicas - 1].sessions).await;
}

/// A server in this process.
struct Replica {
    tools: SessionTools,
    sessions: Arc<SessionManager>,
}

impl Replica {
    async fn start(config: &Config, ground: &Ground) -> Self {
        let lifespan = Lifespan::begin(config).await.expect("the store is there");
        let store = Unhurried(Arc::clone(lifespan.sessions().store()));
        let sessions = SessionManager::new(Arc::new(store), Arc::new(TokioTimer));
        sessions.start().await.expect("the store is there");
        for place in ground.places() {
            // From now on this replica knows it by its name.
            lifespan.projects().find(place.directory.as_ref()).await.expect("the folder is ours");
        }
        Self { tools: lifespan.tools(), sessions: Arc::new(sessions) }
    }

    async fn connect(&self) -> Caller {
        Caller::connect(&self.tools, Arc::clone(&self.sessions)).await
    }
}

#[expect(clippy::print_stderr, reason = "whoever reads of a failure wants the seed")]
fn dice(task: usize) -> Dice {
    let seed = SEED + u64::try_from(task).expect("a few tasks");
    eprintln!("task {task} rolls dice of the seed {seed:#x}");
    Dice::new(seed)
}

struct Race {
    ground: Ground,
    sessions: Vec<Raced>,
    clock: Clock,
}

/// A session and all that was done to it.
struct Raced {
    handle: String,
    key: SessionKey,
    history: Mutex<History>,
    counted: AtomicU64,
}

impl Raced {
    fn record(&self, record: impl FnOnce(&mut History)) {
        record(&mut self.history.lock().expect("no task panics while it writes"));
    }
}

impl Race {
    /// Opens the sessions, each in some project.
    async fn begin(ground: Ground, replica: &Replica) -> Self {
        let (caller, clock) = (replica.connect().await, Clock::default());
        let mut sessions = Vec::new();
        for number in 0..SESSIONS {
            let place = number % ground.places().len();
            let begun = clock.tick();
            let directory = &ground.places()[place].directory;
            let opened = caller.ask("open_session", json!({ "directory": directory })).await;
            assert_eq!(ground.number(&put(&opened)), place);
            let handle = opened["session"].as_str().expect("a handle").to_owned();
            let key = replica.sessions.resolve(Owner::Anonymous, &handle).expect("a handle that was given");
            let raced = Raced { handle, key, history: Mutex::default(), counted: AtomicU64::new(0) };
            raced.record(|history| history.switched(Spell { place, begun, ended: clock.tick() }));
            sessions.push(raced);
        }
        Self { ground, sessions, clock }
    }

    /// Looks at each session once more: it is where it was last switched to, and has counted all that was counted.
    async fn is_exact(&self, sessions: &SessionManager) {
        for (number, raced) in self.sessions.iter().enumerate() {
            self.peek(sessions, raced).await;
            let counted: Option<u64> = sessions.get(&raced.key, COUNT).await.expect("the session is live");
            assert_eq!(counted.unwrap_or(0), raced.counted.load(Ordering::SeqCst), "counts of session {number}");
            raced.record(|history| {
                if let Some(shown) = history.impossible() {
                    panic!("session {number} showed what it cannot have: {shown:?} of {history:?}");
                }
            });
        }
    }

    /// Looks at the record as the store has it.
    async fn peek(&self, sessions: &SessionManager, raced: &Raced) {
        let begun = self.clock.tick();
        let record = sessions.store().load(&raced.key, Load::Peek).await.expect("the store answers");
        let record = record.expect("the session is live");
        let text = |text: &Option<Text>| text.as_ref().map(|text| text.as_str().to_owned()).unwrap_or_default();
        let place = Place {
            directory: text(&record.working_directory),
            config_path: text(&record.config_path),
            project: text(&record.project_id),
        };
        self.showed(raced, begun, &place);
    }

    #[track_caller]
    fn showed(&self, raced: &Raced, begun: u64, place: &Place) {
        let (place, ended) = (self.ground.number(place), self.clock.tick());
        raced.record(|history| history.showed(Spell { place, begun, ended }));
    }
}

/// What is counted in the sessions besides.
const COUNT: &str = "count";

/// One task, with a connection of its own.
struct Runner {
    race: Arc<Race>,
    caller: Caller,
    sessions: Arc<SessionManager>,
    task: usize,
    dice: Dice,
}

impl Runner {
    async fn run(mut self, operations: usize) {
        let race = Arc::clone(&self.race);
        for _ in 0..operations {
            let raced = &race.sessions[self.pick()];
            let number = self.dice.roll(race.ground.places().len());
            let directory = &race.ground.places()[number].directory;
            match self.dice.roll(10) {
                0..3 => self.switch(raced, number, "auto_switch_project", json!({ "directory": directory })).await,
                3..5 => self.switch(raced, number, "set_working_directory", json!({ "directory": directory })).await,
                5 => {
                    let project = number / 2;
                    // Into the root, whichever of its places the number means.
                    self.switch(raced, project * 2, "auto_switch_project", json!({ "project": name(project) })).await;
                }
                6 => self.only_tell(raced, number).await,
                7 => self.look(raced, "get_project", "/project/config_path", "/project/id").await,
                8 => self.look(raced, "session_info", "/config_path", "/project_id").await,
                _ => race.peek(&self.sessions, raced).await,
            }
            self.count(raced).await;
        }
    }

    /// Half of the time one of those that are shared, else one of its own.
    fn pick(&mut self) -> usize {
        match self.dice.roll(2) {
            0 => self.dice.roll(SHARED),
            _ => SHARED + self.dice.roll((SESSIONS - SHARED) / TASKS) * TASKS + self.task,
        }
    }

    async fn switch(&self, raced: &Raced, number: usize, tool: &'static str, arguments: Value) {
        let begun = self.race.clock.tick();
        let switched = self.ask(raced, tool, arguments).await;
        let ended = self.race.clock.tick();
        raced.record(|history| history.switched(Spell { place: number, begun, ended }));
        assert_eq!(self.race.ground.number(&put(&switched)), number, "{tool} answers {switched}");
    }

    /// Asks what a switch would do, and nothing more.
    async fn only_tell(&self, raced: &Raced, number: usize) {
        let directory = &self.race.ground.places()[number].directory;
        let told = self.ask(raced, "auto_switch_project", json!({ "directory": directory, "dry_run": true })).await;
        assert_eq!((&told["switched"], self.race.ground.number(&put(&told))), (&json!(false), number));
    }

    /// Asks a tool where the session works.
    async fn look(&self, raced: &Raced, tool: &'static str, config_path: &str, project: &str) {
        let begun = self.race.clock.tick();
        let told = self.ask(raced, tool, json!({})).await;
        self.race.showed(raced, begun, &Place::said(&told, config_path, project));
    }

    /// Changes the same session for another reason.
    async fn count(&self, raced: &Raced) {
        let next = |count: Option<u64>| count.unwrap_or(0) + 1;
        self.sessions.update_with(&raced.key, COUNT, next).await.expect("a turn comes");
        raced.counted.fetch_add(1, Ordering::SeqCst);
    }

    async fn ask(&self, raced: &Raced, tool: &'static str, mut arguments: Value) -> Value {
        arguments["session"] = json!(raced.handle);
        self.caller.ask(tool, arguments).await
    }
}

/// Where an answer says that a session was put, or would be.
#[track_caller]
fn put(answer: &Value) -> Place {
    Place::said(answer, "/config_path", "/project_info/id")
}
