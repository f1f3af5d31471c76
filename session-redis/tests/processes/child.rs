//! The other process: a store that does what it is asked.

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use session_core::{Load, SessionStore as _};
use session_redis::RedisStore;
use tokio::runtime::Runtime;

use crate::wire::{
    Answer, Answered, Asked, Beginning, Question, Refusal, WireCreated, WireExpired, WireListing, WireSession,
    WireUpdated,
};

/// How this program is told to be the other process.
pub(crate) const ENTRY: &str = "child::serve";
/// The variable that holds where its parent listens.
pub(crate) const PARENT: &str = "SESSION_TEST_PARENT";

/// Serves the parent until it is gone.
#[test]
#[ignore = "the other process of these tests; nothing without one of them"]
fn serve() {
    let Ok(parent) = env::var(PARENT) else { return };
    let stream = TcpStream::connect(parent).expect("the parent listens");
    stream.set_nodelay(true).expect("a connection");
    let answers = Arc::new(Mutex::new(stream.try_clone().expect("a connection")));
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let beginning: Beginning = read(&lines.next().expect("the parent begins"));
    let runtime = Runtime::new().expect("the system has threads");
    let store = runtime.block_on(RedisStore::connect(beginning.read())).expect("the servers are there");
    for line in lines {
        let Asked { number, question } = read(&line);
        let (store, answers) = (store.clone(), Arc::clone(&answers));
        runtime.spawn(async move {
            let answer = answer(&store, question).await;
            say(&answers, &Answered { number, answer });
        });
    }
}

async fn answer(store: &RedisStore, question: Question) -> Result<Answer, Refusal> {
    let answer = match question {
        Question::Create(new) => {
            store.create(new.read()).await.map(|created| Answer::Created(WireCreated::of(&created)))
        }
        Question::Load { key, touch } => {
            let load = if touch { Load::Touch } else { Load::Peek };
            let loaded = store.load(&key.read(), load).await;
            loaded.map(|session| Answer::Loaded(session.as_ref().map(WireSession::of)))
        }
        Question::Update(key, change) => {
            let updated = store.update(&key.read(), change.read()).await;
            updated.map(|updated| Answer::Updated(WireUpdated::of(&updated)))
        }
        Question::Delete(key) => store.delete(&key.read()).await.map(Answer::Deleted),
        Question::List(owner, page) => {
            store.list(&owner.read(), page.read()).await.map(|listing| Answer::Listed(WireListing::of(&listing)))
        }
        Question::EndAll(owner) => store.end_all(&owner.read()).await.map(Answer::Number),
        Question::Count { max_staleness } => store.count(max_staleness).await.map(Answer::Number),
        Question::WhyAbsent(key) => {
            store.why_absent(&key.read()).await.map(|why| Answer::WhyAbsent(why.map(WireExpired::of)))
        }
        Question::Ping => store.ping().await.map(Answer::Pong),
    };
    answer.map_err(Refusal::of)
}

fn read<T: serde::de::DeserializeOwned>(line: &str) -> T {
    serde_json::from_str(line).expect("the parent is of the same program")
}

/// Writes a line. A parent that is gone does not listen, and this process ends.
fn say(parent: &Mutex<TcpStream>, answered: &Answered) {
    let mut line = serde_json::to_vec(answered).expect("it is all texts and numbers");
    line.push(b'\n');
    let _ = parent.lock().expect("nobody panics meanwhile").write_all(&line);
}
