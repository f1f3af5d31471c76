//! What should be.

use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use axum::http::StatusCode;
use proptest::test_runner::TestCaseError;
use proptest::{prop_assert, prop_assert_eq};
use serde_json::{Value, json};
use session_core::{Change, Load, Locator, Owner, Session as Snapshot, SessionKey, SessionName, Text, Timestamp};

use crate::client::{ABSOLUTE, Answer, Client, IDLE, LIMITS};
use crate::operation::{By, DIRECTORIES, NAMES, Operation, What, Who};

type Checked = Result<(), TestCaseError>;

/// What should be on the server.
pub(crate) struct Model {
    now: Timestamp,
    sessions: Vec<Session>,
    names: Vec<Name>,
    /// Until when each principal's creations are accounted for.
    spent: BTreeMap<Owner, Timestamp>,
}

struct Session {
    who: Who,
    locator: Locator,
    last_used: Timestamp,
    ends_at: Timestamp,
    version: u64,
    directory: Option<&'static str>,
    state: BTreeMap<&'static str, String>,
    grants: usize,
    /// Whether somebody ended it, or it made room.
    ended: bool,
}

/// A name that somebody was given.
struct Name {
    text: SessionName,
    session: usize,
    /// Whether it came as an `Mcp-Session-Id`.
    is_id: bool,
    /// Whether its owner got it by the session's locator. Those are taken back where there are too many, first come
    /// first.
    is_resumed: bool,
    is_revoked: bool,
}

/// What a new session meets.
enum Room {
    /// There is some, if this session goes.
    For(Option<usize>),
    Refused,
}

impl Session {
    fn is_live(&self, now: Timestamp) -> bool {
        !self.ended && self.expires_at() > now
    }

    fn expires_at(&self) -> Timestamp {
        self.last_used.after(IDLE).min(self.ends_at)
    }

    fn bytes(&self) -> usize {
        let state: usize = self.state.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        state + self.directory.map_or(0, str::len)
    }

    /// Changes it, unless that makes it larger than it may be.
    fn change(&mut self, now: Timestamp, change: impl FnOnce(&mut Self)) -> bool {
        let (directory, state, bytes) = (self.directory, self.state.clone(), self.bytes());
        change(self);
        let fits = self.bytes() <= LIMITS.session_bytes.max(bytes)
            && self.state.len() <= LIMITS.state_names
            && self.state.values().all(|value| value.len() + 2 <= LIMITS.value_bytes);
        if fits {
            (self.version, self.last_used) = (self.version + 1, now);
        } else {
            (self.directory, self.state) = (directory, state);
        }
        fits
    }
}

impl Model {
    /// An empty model of an empty server, at the time that its store says.
    pub(crate) async fn new(client: &Client) -> Self {
        let nobody = Owner::principal("nobody", "nobody");
        let opened = client.sessions.open(nobody, Change::new()).await.expect("there is room");
        client.sessions.end_all(&nobody).await.expect("memory is always there");
        let now = opened.session.created_at;
        Self { now, sessions: Vec::new(), names: Vec::new(), spent: BTreeMap::new() }
    }

    /// Runs an operation, and holds what it answers and what there is after it against what should be.
    pub(crate) async fn run(&mut self, client: &Client, operation: &Operation) -> Checked {
        // No two uses at one time: who is idle longest must not be a matter of taste.
        self.wait(Duration::from_millis(1)).await;
        match operation {
            Operation::Open { who, directory } => self.open(client, *who, directory.map(|at| DIRECTORIES[at])).await?,
            Operation::Connect { who } => self.connect(client, *who).await?,
            Operation::Use { by, what } => self.use_by(client, by, what).await?,
            Operation::Delete(by) => self.delete(client, by).await?,
            Operation::List { who } => self.list(client, *who).await?,
            Operation::Resume { session, other } if !self.sessions.is_empty() => {
                let session = session.index(self.sessions.len());
                self.resume(client, session, other.unwrap_or(self.sessions[session].who)).await?;
            }
            Operation::Resume { .. } => {}
            Operation::EndAll { who } => self.end_all(client, *who).await?,
            Operation::Wait(time) => self.wait(*time).await,
        }
        self.agrees(client).await
    }

    async fn wait(&mut self, time: Duration) {
        tokio::time::advance(time).await;
        self.now = self.now.after(time);
    }

    async fn open(&mut self, client: &Client, who: Who, directory: Option<&'static str>) -> Checked {
        let answer = client.call_by_handle(who, "open_session", json!({ "directory": directory })).await;
        match (self.room(who), answer) {
            (Room::Refused, Answer::Refused(code)) => prop_assert_eq!(code, "quota"),
            (Room::For(gone), Answer::Done(told)) => {
                prop_assert_eq!(&told["source"], "opened");
                prop_assert_eq!(&told["working_directory"], &json!(directory));
                self.begin(client, who, handle(&told)?, false, gone).await?;
                prop_assert_eq!(self.sessions.last().map(|session| session.version), Some(1));
                self.sessions.last_mut().expect("it has begun").directory = directory;
            }
            (_, answer) => return Err(wrong(&answer)),
        }
        Ok(())
    }

    async fn connect(&mut self, client: &Client, who: Who) -> Checked {
        match (self.room(who), client.connect(who).await) {
            (Room::Refused, Err(status)) => prop_assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE),
            (Room::For(gone), Ok(id)) => self.begin(client, who, id, true, gone).await?,
            (_, answer) => return Err(wrong(&answer)),
        }
        Ok(())
    }

    /// Whether there is room for one more session of somebody, and who goes for it.
    fn room(&self, who: Who) -> Room {
        let live = |session: &&Session| session.is_live(self.now);
        if who != Who::Anybody {
            let rate = LIMITS.creation_rate.expect("there is one");
            let earliest =
                self.spent.get(&who.owner()).map(|spent| spent.before(rate.per / rate.count * (rate.count - 1)));
            if earliest.is_some_and(|earliest| earliest > self.now) {
                return Room::Refused;
            }
            let own = || self.sessions.iter().enumerate().filter(|(_, session)| session.who == who && live(session));
            if own().count() as u64 >= LIMITS.sessions_per_principal {
                let idle_longest = own().min_by_key(|(_, session)| session.last_used);
                let goes = idle_longest.filter(|(_, session)| self.now.since(session.last_used) >= LIMITS.evict_after);
                return goes.map_or(Room::Refused, |(index, _)| Room::For(Some(index)));
            }
        }
        let all = self.sessions.iter().filter(live).count() as u64;
        if all < LIMITS.sessions { Room::For(None) } else { Room::Refused }
    }

    async fn begin(
        &mut self,
        client: &Client,
        who: Who,
        name: SessionName,
        is_id: bool,
        gone: Option<usize>,
    ) -> Checked {
        if let Some(gone) = gone {
            self.sessions[gone].ended = true;
        }
        if who != Who::Anybody {
            let rate = LIMITS.creation_rate.expect("there is one");
            let spent = self.spent.entry(who.owner()).or_insert(self.now);
            *spent = (*spent).max(self.now).after(rate.per / rate.count);
        }
        let locator = name.locator();
        prop_assert!(self.sessions.iter().all(|session| session.locator != locator), "a locator is used again");
        // How many changes a handshake takes is the server's affair.
        let version = peek(client, who, &name).await.ok_or_else(|| wrong(&"it is not there"))?.version.get();
        self.names.push(Name { text: name, session: self.sessions.len(), is_id, is_resumed: false, is_revoked: false });
        self.sessions.push(Session {
            who,
            locator,
            last_used: self.now,
            ends_at: self.now.after(ABSOLUTE),
            version,
            directory: None,
            state: BTreeMap::new(),
            grants: 1,
            ended: false,
        });
        Ok(())
    }

    async fn use_by(&mut self, client: &Client, by: &By, what: &What) -> Checked {
        if self.names.is_empty() {
            return Ok(());
        }
        let Name { text: name, session, is_id, is_revoked, .. } = &self.names[by.name.index(self.names.len())];
        let (name, index, is_id, is_revoked) = (name.clone(), *session, *is_id, *is_revoked);
        let who = by.other.unwrap_or(self.sessions[index].who);
        let as_id = is_id != by.swapped;
        let (tool, mut arguments) = asked(what);
        let answer = if as_id {
            client.call_by_id(who, &name, tool, arguments).await
        } else {
            arguments["session"] = name.expose().into();
            client.call_by_handle(who, tool, arguments).await
        };
        let (now, session) = (self.now, &mut self.sessions[index]);
        let opens = session.who == who && session.is_live(now) && !is_revoked;
        // The call itself is a use, whatever comes of it.
        if opens {
            session.last_used = now;
        }
        if as_id {
            if !(opens && is_id) {
                prop_assert!(matches!(answer, Answer::Status(StatusCode::NOT_FOUND)), "{:?}", answer);
                return Ok(());
            }
        } else if !opens {
            return absent(session, who, now, answer);
        }
        let told = used(session, now, what, answer)?;
        if let Some(told) = &told {
            prop_assert_eq!(&told["source"], if as_id { "http_session" } else { "handle" });
        }
        if let (What::Promote(_), Some(told)) = (what, told) {
            self.give(handle(&told)?, index, false)?;
        }
        Ok(())
    }

    fn give(&mut self, name: SessionName, session: usize, is_resumed: bool) -> Checked {
        prop_assert_eq!(name.locator(), self.sessions[session].locator);
        prop_assert!(self.names.iter().all(|given| given.text != name), "a name is given twice");
        self.sessions[session].grants += 1;
        self.names.push(Name { text: name, session, is_id: false, is_resumed, is_revoked: false });
        Ok(())
    }

    async fn delete(&mut self, client: &Client, by: &By) -> Checked {
        if self.names.is_empty() {
            return Ok(());
        }
        let Name { text: name, session, is_id, is_revoked, .. } = &self.names[by.name.index(self.names.len())];
        let session = &mut self.sessions[*session];
        let who = by.other.unwrap_or(session.who);
        let status = client.delete(who, name).await;
        let opens = session.who == who && session.is_live(self.now) && !is_revoked;
        if opens {
            session.last_used = self.now;
        }
        session.ended |= opens && *is_id;
        prop_assert_eq!(status, if opens && *is_id { StatusCode::NO_CONTENT } else { StatusCode::NOT_FOUND });
        Ok(())
    }

    async fn list(&self, client: &Client, who: Who) -> Checked {
        let Some(told) = mine(who, client.call_by_handle(who, "list_sessions", json!({})).await)? else {
            return Ok(());
        };
        let mut listed = BTreeMap::new();
        for session in told["sessions"].as_array().ok_or_else(|| wrong(&told))? {
            let locator = session["locator"].as_str().ok_or_else(|| wrong(&told))?;
            prop_assert!(listed.insert(locator.to_owned(), session).is_none(), "a session is listed twice");
        }
        let own: BTreeMap<String, &Session> =
            self.live(who).map(|session| (session.locator.to_string(), session)).collect();
        prop_assert_eq!(listed.keys().collect::<Vec<_>>(), own.keys().collect::<Vec<_>>());
        for (locator, session) in own {
            let told = listed[&locator];
            prop_assert_eq!(told["working_directory"].as_str(), session.directory);
            prop_assert_eq!(&told["last_used"], &written(session.last_used));
            prop_assert_eq!(&told["expires_at"], &written(session.expires_at()));
            prop_assert_eq!(&told["ends_at"], &written(session.ends_at));
            prop_assert_eq!(&told["version"], session.version);
        }
        Ok(())
    }

    async fn resume(&mut self, client: &Client, index: usize, who: Who) -> Checked {
        let (now, session) = (self.now, &mut self.sessions[index]);
        let locator = session.locator.to_string();
        let answer = client.call_by_handle(who, "open_session", json!({ "resume": locator })).await;
        if who == Who::Anybody {
            return mine(who, answer).map(drop);
        }
        if session.who != who || !session.is_live(now) {
            return absent(session, who, now, answer);
        }
        session.last_used = now;
        if session.grants == LIMITS.grants {
            let of_it = self.names.iter_mut().filter(|name| name.session == index);
            let Some(oldest) = of_it.into_iter().find(|name| name.is_resumed && !name.is_revoked) else {
                let Answer::Refused(code) = answer else { return Err(wrong(&answer)) };
                prop_assert_eq!(code, "quota");
                return Ok(());
            };
            oldest.is_revoked = true;
            session.grants -= 1;
        }
        session.version += 1;
        let directory = session.directory;
        let Answer::Done(told) = answer else { return Err(wrong(&answer)) };
        prop_assert_eq!(&told["source"], "resumed");
        prop_assert_eq!(told["working_directory"].as_str(), directory);
        self.give(handle(&told)?, index, true)
    }

    async fn end_all(&mut self, client: &Client, who: Who) -> Checked {
        let Some(told) = mine(who, client.call_by_handle(who, "end_all_sessions", json!({})).await)? else {
            return Ok(());
        };
        prop_assert_eq!(&told["ended_sessions"], self.live(who).count());
        let now = self.now;
        for session in self.sessions.iter_mut().filter(|session| session.who == who && session.is_live(now)) {
            session.ended = true;
        }
        Ok(())
    }

    fn live(&self, who: Who) -> impl Iterator<Item = &Session> {
        self.sessions.iter().filter(move |session| session.who == who && session.is_live(self.now))
    }

    /// Holds all sessions against what they should be, under each of their names and for everybody.
    async fn agrees(&self, client: &Client) -> Checked {
        for Name { text: name, session, is_revoked, .. } in &self.names {
            let session = &self.sessions[*session];
            for who in Who::ALL {
                let found = peek(client, who, name).await;
                let opens = who == session.who && session.is_live(self.now) && !is_revoked;
                prop_assert_eq!(found.is_some(), opens, "{:?}", who);
                let Some(found) = found else { continue };
                prop_assert_eq!(found.version.get(), session.version);
                prop_assert_eq!((found.last_used(), found.ends_at), (session.last_used, session.ends_at));
                prop_assert_eq!(found.expires_at(), session.expires_at());
                prop_assert_eq!(found.working_directory.as_ref().map(Text::as_str), session.directory);
                prop_assert_eq!(found.grants.len(), session.grants);
                let state = found.state.clients().map(|(name, value)| (name.as_str(), value.as_bytes().to_vec()));
                let known = session.state.iter().map(|(name, value)| (*name, json!(value).to_string().into_bytes()));
                prop_assert!(state.eq(known), "its values are others");
            }
        }
        let live = self.sessions.iter().filter(|session| session.is_live(self.now)).count() as u64;
        prop_assert_eq!(client.sessions.session_count().await.expect("memory is always there"), live);
        Ok(())
    }
}

/// Which tool does something, and its arguments but for the handle.
fn asked(what: &What) -> (&'static str, Value) {
    match *what {
        What::Promote(directory) => ("open_session", json!({ "directory": directory.map(|at| DIRECTORIES[at]) })),
        What::Place(directory) => ("set_working_directory", json!({ "directory": DIRECTORIES[directory] })),
        What::Where => ("get_working_directory", json!({})),
        What::Info => ("session_info", json!({})),
        What::Set { name, bytes } => ("set_state", json!({ "name": NAMES[name], "value": value(name, bytes) })),
        What::Get { name } => ("get_state", json!({ "name": NAMES[name] })),
        What::Remove { name } => ("delete_state", json!({ "name": NAMES[name] })),
        What::End => ("end_session", json!({})),
    }
}

/// A value that takes so many bytes.
fn value(name: usize, bytes: usize) -> String {
    NAMES[name][..1].repeat(bytes - 2)
}

/// Does to a session of the model what was done to the session, and compares the answer; `None` for a refusal.
fn used(session: &mut Session, now: Timestamp, what: &What, answer: Answer) -> Result<Option<Value>, TestCaseError> {
    let done = match *what {
        What::Promote(directory) => {
            // It is read before anything is given.
            session.last_used = now;
            let fits = session.grants < LIMITS.grants;
            fits && session.change(now, |session| {
                session.directory = directory.map(|at| DIRECTORIES[at]).or(session.directory);
            })
        }
        What::Place(directory) => session.change(now, |session| session.directory = Some(DIRECTORIES[directory])),
        What::Set { name, bytes } => session.change(now, |session| {
            session.state.insert(NAMES[name], value(name, bytes));
        }),
        What::Remove { name } => session.change(now, |session| {
            session.state.remove(NAMES[name]);
        }),
        What::Where | What::Info | What::Get { .. } => {
            session.last_used = now;
            true
        }
        What::End => {
            session.ended = true;
            true
        }
    };
    let told = match (done, answer) {
        (true, Answer::Done(told)) => told,
        (false, Answer::Refused(code)) => {
            prop_assert_eq!(code, "quota");
            return Ok(None);
        }
        (_, answer) => return Err(wrong(&answer)),
    };
    match *what {
        What::Promote(_) | What::Where => prop_assert_eq!(&told["working_directory"], &json!(session.directory)),
        What::Place(directory) => prop_assert_eq!(&told["working_directory"], DIRECTORIES[directory]),
        What::Set { .. } | What::Remove { .. } => prop_assert_eq!(&told["version"], session.version),
        What::Get { name } => {
            let known = session.state.get(NAMES[name]);
            prop_assert_eq!((&told["found"], &told["value"]), (&json!(known.is_some()), &json!(known)));
        }
        What::Info => {
            prop_assert_eq!(&told["working_directory"], &json!(session.directory));
            prop_assert_eq!(&told["state_names"], &json!(session.state.keys().collect::<Vec<_>>()));
            prop_assert_eq!(&told["version"], session.version);
        }
        What::End => prop_assert_eq!(&told["ended"], true),
    }
    Ok(Some(told))
}

/// What a principal is told of all of theirs. Nobody in particular is told which callers are.
fn mine(who: Who, answer: Answer) -> Result<Option<Value>, TestCaseError> {
    match (who, answer) {
        (Who::Anybody, Answer::Refused(code)) if code == "principal_required" => Ok(None),
        (Who::Alice | Who::Bob, Answer::Done(told)) => Ok(Some(told)),
        (_, answer) => Err(wrong(&answer)),
    }
}

/// What somebody is told for whom a session is not there: by which limit it ended, if it was theirs and expired.
fn absent(session: &Session, who: Who, now: Timestamp, answer: Answer) -> Checked {
    let Answer::Refused(code) = answer else { return Err(wrong(&answer)) };
    let expired = session.who == who && who != Who::Anybody && !session.ended && session.expires_at() <= now;
    prop_assert!(code == "not_found" || (expired && code == "expired"), "{}", code);
    Ok(())
}

/// A point in time as answers have it.
fn written(time: Timestamp) -> String {
    humantime::format_rfc3339_millis(UNIX_EPOCH + Duration::from_millis(time.as_millis())).to_string()
}

/// The handle in an answer.
fn handle(told: &Value) -> Result<SessionName, TestCaseError> {
    told["session"].as_str().and_then(|handle| handle.parse().ok()).ok_or_else(|| wrong(&told))
}

/// A session as it is under one of its names, for somebody, without using it.
async fn peek(client: &Client, who: Who, name: &SessionName) -> Option<Snapshot> {
    let key = SessionKey::by_name(who.owner(), name);
    client.sessions.store().load(&key, Load::Peek).await.expect("memory is always there")
}

fn wrong(answer: &dyn std::fmt::Debug) -> TestCaseError {
    TestCaseError::fail(format!("it answered {answer:?}"))
}
