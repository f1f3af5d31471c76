//! What our store sends for an operation, as the server sees it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use redis::{Cmd, Pipeline};
use session_redis::{RedisConfig, RedisStore};
use session_test_servers::{Monitor, Server};

use crate::contenders::{Operation, of_ours};
use crate::sessions::Planned;

/// For each operation on each session the commands that our store sends for it, to be sent again and again.
#[derive(Debug)]
pub(crate) struct Recording {
    sessions: Vec<Recorded>,
}

#[derive(Debug, Default)]
struct Recorded {
    /// In the order of [`Operation::ALL`].
    operations: Vec<Vec<Command>>,
    /// The version that the session has.
    version: AtomicU64,
}

type Command = Vec<Vec<u8>>;

/// Where `update.lua` is told which write it is and which version the writer knows, behind the hash of the script, the
/// number of keys and the key.
const WRITE: usize = 4 + 3;
const KNOWN: usize = 4 + 4;

impl Recording {
    /// Lets a store do everything once with each session, and notes what the server is told.
    pub(crate) async fn of(server: &Server, sessions: &[Planned]) -> Self {
        let mut config: RedisConfig = server.url().parse().expect("the server's URL is one");
        config.key_prefix = "raw".parse().expect("a prefix");
        // A creation says until when it may arrive, and these arrive for as long as the benchmark takes.
        config.deadline = Duration::from_secs(60 * 60);
        let store = RedisStore::connect(config).await.expect("the server is there");
        // Then the server knows the scripts, and the store the time.
        for operation in Operation::ALL {
            of_ours(&store, operation, &sessions[0]).await;
        }
        server.cli(&["FLUSHDB", "SYNC"]).await;
        let mut recorded: Vec<Recorded> = sessions.iter().map(|_| Recorded::default()).collect();
        for operation in Operation::ALL {
            let monitor = Monitor::start(server).await;
            for session in sessions {
                of_ours(&store, operation, session).await;
            }
            let commands = monitor.finish().await.into_iter().filter(|command| !command.is_of_a_script());
            let commands: Vec<Command> = commands.map(|command| command.arguments).collect();
            let each = commands.len() / sessions.len();
            assert_eq!(commands.len(), each * sessions.len(), "{operation:?} is as many commands each time");
            for (recorded, commands) in recorded.iter_mut().zip(commands.chunks(each)) {
                recorded.operations.push(commands.to_vec());
            }
        }
        Self { sessions: recorded }
    }

    /// The commands for an operation on a session.
    pub(crate) fn commands(&self, operation: Operation, session: &Planned) -> Pipeline {
        let session = &self.sessions[session.number];
        let recorded = &session.operations[operation as usize];
        let mut commands = Pipeline::with_capacity(recorded.len());
        if let Operation::Create = operation {
            session.version.store(1, Ordering::Relaxed);
        }
        for arguments in recorded {
            if let Operation::Update = operation {
                // Or it would be the same write once more, which the server answers without writing anything.
                let version = session.version.fetch_add(1, Ordering::Relaxed).to_string().into_bytes();
                let mut arguments: Vec<&[u8]> = arguments.iter().map(Vec::as_slice).collect();
                (arguments[WRITE], arguments[KNOWN]) = (&version, &version);
                commands.add_command(command(&arguments));
            } else {
                commands.add_command(command(arguments));
            }
        }
        commands
    }

    /// What the server calls a session.
    pub(crate) fn name(&self, session: &Planned) -> &[u8] {
        &self.sessions[session.number].operations[Operation::Touch as usize][0][3]
    }

    /// The version that a session must have after all that was sent.
    pub(crate) fn version(&self, session: &Planned) -> u64 {
        self.sessions[session.number].version.load(Ordering::Relaxed)
    }
}

fn command(arguments: &[impl AsRef<[u8]>]) -> Cmd {
    let bytes = arguments.iter().map(|argument| argument.as_ref().len()).sum();
    let mut command = Cmd::with_capacity(arguments.len(), bytes);
    for argument in arguments {
        command.arg(argument.as_ref());
    }
    command
}
