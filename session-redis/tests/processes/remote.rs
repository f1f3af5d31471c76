//! A store in another process.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Access, Change, Created, Expired, Listing, Load, NewSession, Owner, Page, Session, SessionKey, SessionStore,
    StoreError, Updated,
};
use tokio::sync::oneshot;

use crate::child::{ENTRY, PARENT};
use crate::names::Names;
use crate::wire::{
    Answer, Answered, Asked, Beginning, Question, Refusal, WireChange, WireExpired, WireKey, WireNew, WireOwner,
    WirePage,
};

/// A store in another process, which ends with it.
pub(crate) struct Remote {
    names: Arc<Names>,
    line: Arc<Mutex<Line>>,
    process: Mutex<Child>,
}

/// The connection to the other process.
struct Line {
    stream: TcpStream,
    asked: u64,
    /// Who waits for which answer; `None` once there will be no more.
    waiting: Option<HashMap<u64, oneshot::Sender<Result<Answer, StoreError>>>>,
}

impl Remote {
    /// Starts the process and tells it which store it is.
    pub(crate) fn start(beginning: &Beginning, names: Arc<Names>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let here = listener.local_addr().expect("it is bound").to_string();
        let this = env::current_exe().expect("this program has a path");
        let mut process = Command::new(this)
            .args([ENTRY, "--exact", "--ignored", "--nocapture"])
            .env(PARENT, here)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("this program starts again");
        let mut stream = connection(&listener, &mut process);
        write(&mut stream, beginning);
        let answers = BufReader::new(stream.try_clone().expect("a connection"));
        let line = Arc::new(Mutex::new(Line { stream, asked: 0, waiting: Some(HashMap::new()) }));
        thread::spawn({
            let line = Arc::clone(&line);
            move || listen(answers, &line)
        });
        Self { names, line, process: Mutex::new(process) }
    }

    async fn ask(&self, question: Question) -> Result<Answer, StoreError> {
        let answer = {
            let mut line = lock(&self.line);
            line.asked += 1;
            let number = line.asked;
            let (sender, answer) = oneshot::channel();
            let waiting = line.waiting.as_mut().expect("the other process runs");
            waiting.insert(number, sender);
            write(&mut line.stream, &Asked { number, question });
            answer
        };
        answer.await.expect("the other process runs")
    }

    fn key(&self, key: &SessionKey) -> WireKey {
        WireKey::of(key, &self.names)
    }
}

/// Waits for the process to connect, unless it ends before.
fn connection(listener: &TcpListener, process: &mut Child) -> TcpStream {
    listener.set_nonblocking(true).expect("a socket");
    let stream = loop {
        if let Ok((stream, _)) = listener.accept() {
            break stream;
        }
        let ended = process.try_wait().expect("it is a child of this process");
        assert!(ended.is_none(), "the other process ended before it began: {ended:?}");
        thread::sleep(Duration::from_millis(2));
    };
    stream.set_nonblocking(false).expect("a connection");
    stream.set_nodelay(true).expect("a connection");
    stream
}

/// Hands out answers until the process ends.
fn listen(answers: BufReader<TcpStream>, line: &Mutex<Line>) {
    for answer in answers.lines().map_while(Result::ok) {
        let Answered { number, answer } = serde_json::from_str(&answer).expect("the child is of the same program");
        let waiting = lock(line).waiting.as_mut().and_then(|waiting| waiting.remove(&number));
        // Who dropped the question does not wait.
        let _ = waiting.expect("it was asked").send(answer.map_err(Refusal::read));
    }
    lock(line).waiting = None;
}

fn write(stream: &mut TcpStream, message: &impl serde::Serialize) {
    let mut line = serde_json::to_vec(message).expect("it is all texts and numbers");
    line.push(b'\n');
    stream.write_all(&line).expect("the other process runs");
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Remote {
    fn drop(&mut self) {
        let mut process = lock(&self.process);
        let _ = process.kill();
        let _ = process.wait();
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote").finish_non_exhaustive()
    }
}

/// The answer to a question of this kind.
macro_rules! answered {
    ($answer:expr, $kind:ident) => {
        match $answer? {
            Answer::$kind(answer) => answer,
            _ => panic!("the answer is that to another question"),
        }
    };
}

#[async_trait]
impl SessionStore for Remote {
    async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
        let question = Question::Create(WireNew::of(&new, &self.names));
        Ok(answered!(self.ask(question).await, Created).read(Access::Secret(new.secret()), &self.names))
    }

    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
        let question = Question::Load { key: self.key(key), touch: load == Load::Touch };
        Ok(answered!(self.ask(question).await, Loaded).map(|session| session.read(key.access(), &self.names)))
    }

    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
        let question = Question::Update(self.key(key), WireChange::of(&change, key.locator(), &self.names));
        Ok(answered!(self.ask(question).await, Updated).read())
    }

    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
        Ok(answered!(self.ask(Question::Delete(self.key(key))).await, Deleted))
    }

    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
        let question = Question::List(WireOwner::of(owner), WirePage::of(&page));
        Ok(answered!(self.ask(question).await, Listed).read())
    }

    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
        Ok(answered!(self.ask(Question::EndAll(WireOwner::of(owner))).await, Number))
    }

    async fn count(&self, max_staleness: Duration) -> Result<u64, StoreError> {
        Ok(answered!(self.ask(Question::Count { max_staleness }).await, Number))
    }

    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
        Ok(answered!(self.ask(Question::WhyAbsent(self.key(key))).await, WhyAbsent).map(WireExpired::read))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        answered!(self.ask(Question::Ping).await, Pong);
        Ok(())
    }

    fn is_local(&self) -> bool {
        false
    }
}
