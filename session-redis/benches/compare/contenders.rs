//! Who is compared: our store, what it sends, and what people would use instead.

use std::sync::Arc;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, IntoConnectionInfo as _, Pipeline, Value, pipe};
use session_core::{Load, SessionStore as _};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::Server;
use time::OffsetDateTime;
use tower_sessions_core::SessionStore as _;
use tower_sessions_redis_store::RedisStore as TowerStore;
use tower_sessions_redis_store::fred::clients::Client;
use tower_sessions_redis_store::fred::interfaces::ClientLike as _;
use tower_sessions_redis_store::fred::types::Builder;
use tower_sessions_redis_store::fred::types::config::{Config, TcpConfig};

use crate::recording::Recording;
use crate::sessions::{DAY, Planned, state_name};

/// What is done with a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Touch,
    Peek,
    Update,
    End,
}

impl Operation {
    /// All of them, as the life of a session goes.
    pub(crate) const ALL: [Self; 5] = [Self::Create, Self::Touch, Self::Peek, Self::Update, Self::End];
}

/// One of those who are compared.
pub(crate) enum Contender {
    /// Our store, which is sent each session in full.
    Ours(RedisStore),
    /// Our store with a process that knows the sessions it reads.
    Known(RedisStore),
    /// What our store sends, built and sent with the library alone. Nobody looks at the answers.
    Commands(MultiplexedConnection, Arc<Recording>),
    /// A read of the same session that asks nobody what the name may do.
    Unchecked(MultiplexedConnection, Arc<Recording>),
    /// The store of tower-sessions, used as its middleware does for a request.
    Towers(TowerStore<Client>),
}

impl Contender {
    pub(crate) async fn ours(server: &Server) -> Self {
        Self::Ours(store(server, 0).await)
    }

    pub(crate) async fn known(server: &Server) -> Self {
        Self::Known(store(server, RedisConfig::DEFAULT_CACHE).await)
    }

    pub(crate) async fn commands(server: &Server, recording: &Arc<Recording>) -> Self {
        Self::Commands(connection(server).await, recording.clone())
    }

    pub(crate) async fn unchecked(server: &Server, recording: &Arc<Recording>) -> Self {
        Self::Unchecked(connection(server).await, recording.clone())
    }

    pub(crate) async fn towers(server: &Server) -> Self {
        let config = Config::from_url(&server.url()).expect("the server's URL is one");
        let client = Builder::from_config(config)
            .with_connection_config(|config| config.tcp = TcpConfig { nodelay: Some(true), ..TcpConfig::default() })
            .build()
            .expect("a configuration of one server");
        client.init().await.expect("the server is there");
        Self::Towers(TowerStore::new(client))
    }

    /// What it is called in a table.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Ours(_) => "session-redis",
            Self::Known(_) => "of known sessions",
            Self::Commands(..) => "its commands alone",
            Self::Unchecked(..) => "an unchecked read",
            Self::Towers(_) => "tower-sessions",
        }
    }

    pub(crate) async fn perform(&self, operation: Operation, session: &Planned) {
        match self {
            // It reads what another contender wrote.
            Self::Known(_) if !matches!(operation, Operation::Touch | Operation::Peek) => {}
            Self::Ours(store) | Self::Known(store) => of_ours(store, operation, session).await,
            Self::Commands(connection, recording) => send(connection, &recording.commands(operation, session)).await,
            Self::Unchecked(connection, recording) => {
                let name = recording.name(session);
                let mut commands = pipe();
                commands.cmd("TIME").cmd("PTTL").arg(name).cmd("HGETALL").arg(name);
                match operation {
                    Operation::Touch => drop(commands.cmd("PEXPIRE").arg(name).arg(DAY.as_secs() * 1_000)),
                    Operation::Peek => {}
                    // It reads what another contender wrote.
                    _ => return,
                }
                send(connection, &commands).await;
            }
            Self::Towers(store) => of_towers(store, operation, session).await,
        }
    }
}

async fn store(server: &Server, cache: u64) -> RedisStore {
    let config: RedisConfig = server.url().parse().expect("the server's URL is one");
    RedisStore::connect(RedisConfig { cache, ..config }).await.expect("the server is there")
}

/// Does it with our store.
pub(crate) async fn of_ours(store: &RedisStore, operation: Operation, session: &Planned) {
    let key = &session.key;
    match operation {
        Operation::Create => drop(store.create(session.new.clone()).await.expect("there is room")),
        Operation::Touch => assert!(store.load(key, Load::Touch).await.expect("the server answers").is_some()),
        Operation::Peek => assert!(store.load(key, Load::Peek).await.expect("the server answers").is_some()),
        Operation::Update => drop(store.update(key, session.change.clone()).await.expect("it is live")),
        Operation::End => assert!(store.delete(key).await.expect("the server answers")),
    }
}

/// Does what the middleware of tower-sessions does for a session that ends after some inactivity.
async fn of_towers(store: &TowerStore<Client>, operation: Operation, session: &Planned) {
    let loaded = async || store.load(&session.towers.id).await.expect("the server answers").expect("it is live");
    match operation {
        Operation::Create => store.create(&mut session.towers.clone()).await.expect("there is room"),
        Operation::Touch => {
            let mut record = loaded().await;
            record.expiry_date = OffsetDateTime::now_utc() + DAY;
            store.save(&record).await.expect("the server answers");
        }
        Operation::Peek => drop(loaded().await),
        Operation::Update => {
            let mut record = loaded().await;
            record.data.insert(state_name(0).as_str().to_owned(), session.next_value.clone().into());
            record.expiry_date = OffsetDateTime::now_utc() + DAY;
            store.save(&record).await.expect("the server answers");
        }
        Operation::End => store.delete(&session.towers.id).await.expect("the server answers"),
    }
}

async fn send(connection: &MultiplexedConnection, commands: &Pipeline) {
    let answers = connection.clone().send_packed_commands(commands, 0, commands.len()).await;
    let answers = answers.expect("the server answers");
    assert!(!answers.iter().any(|answer| matches!(answer, Value::ServerError(_))), "the server refuses none");
}

/// The library's connection as it is, but for the delay of small packets that it leaves on.
async fn connection(server: &Server) -> MultiplexedConnection {
    let address = server.url().into_connection_info().expect("the server's URL is one");
    let address = address.set_tcp_settings(TcpSettings::default().set_nodelay(true));
    let unhurried = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let client = redis::Client::open(address).expect("an address");
    client.get_multiplexed_async_connection_with_config(&unhurried).await.expect("the server is there")
}
