//! One server.

mod builder;

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ErrorKind, FromRedisValue, RedisError, RedisResult, Value};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

use crate::flavor::Flavor;
use crate::patience::PATIENCE;
use crate::process::Process;
pub use builder::ServerBuilder;

/// Who gives the commands of [`Server::cli`], whatever password or users a test sets.
pub(crate) const OPERATOR: &str = "operator";

/// A server with a folder, a port and a unix socket of its own. It is killed when dropped.
#[derive(Debug)]
pub struct Server {
    flavor: Flavor,
    folder: TempDir,
    port: u16,
    password: Option<String>,
    tls_port: Option<u16>,
    mode: Mode,
    process: Mutex<Process>,
}

impl Server {
    /// Starts one without persistence and password.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn start() -> Self {
        Self::builder().start().await
    }

    /// Starts one as the builder says.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::default()
    }

    /// A sentinel, which watches nobody yet.
    pub(crate) fn sentinel() -> ServerBuilder {
        ServerBuilder::sentinel()
    }

    /// Its program.
    #[must_use]
    pub fn flavor(&self) -> &Flavor {
        &self.flavor
    }

    /// Its port on 127.0.0.1, the same through all restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Its address as `redis://`, with the password if it has one.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(self.addr())
    }

    /// The same for another address that leads to it, such as that of a [`Proxy`](crate::Proxy).
    #[must_use]
    pub fn url_at(&self, addr: SocketAddr) -> String {
        format!("redis://{}{addr}", self.credentials())
    }

    /// Its address as `rediss://`, with the password if it has one.
    ///
    /// # Panics
    ///
    /// If it was built without [`tls`](ServerBuilder::tls).
    #[must_use]
    pub fn tls_url(&self) -> String {
        format!("rediss://{}127.0.0.1:{}", self.credentials(), self.tls_port())
    }

    /// Its port for TLS on 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it was built without [`tls`](ServerBuilder::tls).
    #[must_use]
    pub fn tls_port(&self) -> u16 {
        self.tls_port.expect("a server built with `tls`")
    }

    /// Where other servers, and the clients of a fleet, are told that it is: the port for TLS if it has one.
    pub(crate) fn told(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.tls_port.unwrap_or(self.port)).into()
    }

    /// `s` for the scheme of a URL if it has a port for TLS.
    pub(crate) fn s(&self) -> &'static str {
        self.tls_port.map_or("", |_| "s")
    }

    /// The part of a URL before the address.
    pub(crate) fn credentials(&self) -> String {
        self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default()
    }

    /// Its unix socket.
    #[must_use]
    pub fn socket_path(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The folder with its configuration and data.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What it logged since it was first started.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read(log_path(self.folder.path())).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// The id of its process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process().id()
    }

    /// Kills it with SIGKILL, and returns when it is gone.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Starts it again with the same port, folder and configuration; if it runs, it is killed first.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn restart(&self) {
        self.launch();
        self.ready().await;
    }

    /// The same without waiting until it answers.
    ///
    /// # Panics
    ///
    /// If the program does not start.
    pub fn launch(&self) {
        let mut process = self.process();
        process.kill();
        *process = spawn(&self.flavor, self.mode, self.folder.path());
    }

    /// Waits until it answers `PING`, which it refuses while it loads its data.
    ///
    /// # Panics
    ///
    /// If it ends instead, or does not answer in time.
    pub async fn ready(&self) {
        if let Err(reason) = self.try_ready().await {
            panic!("{} {reason}; its log:\n{}", self.flavor, self.log());
        }
    }

    /// Stops it with SIGSTOP: its connections stay open, and nothing is answered.
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn stop(&self) {
        self.process().signal(Signal::STOP);
    }

    /// Lets it go on after [`stop`](Self::stop).
    ///
    /// # Panics
    ///
    /// If it has ended.
    pub fn resume(&self) {
        self.process().signal(Signal::CONT);
    }

    /// Gives it a command and returns the answer.
    ///
    /// # Panics
    ///
    /// If it refuses or does not answer.
    pub async fn cli<A: AsRef<[u8]>>(&self, command: &[A]) -> Value {
        self.try_cli(command).await.unwrap_or_else(|error| {
            let name = command.first().map(|name| String::from_utf8_lossy(name.as_ref())).unwrap_or_default();
            panic!("{}: {name}: {error}", self.flavor)
        })
    }

    /// The same, with refusals as errors.
    ///
    /// # Errors
    ///
    /// As the server says; an error of I/O if it does not answer within 20 seconds.
    ///
    /// # Panics
    ///
    /// If the command is empty.
    pub async fn try_cli<A: AsRef<[u8]>>(&self, command: &[A]) -> RedisResult<Value> {
        let (name, arguments) = command.split_first().expect("a command has a name");
        let mut command = redis::cmd(&String::from_utf8_lossy(name.as_ref()));
        for argument in arguments {
            command.arg(argument.as_ref());
        }
        let answer = async { command.query_async(&mut self.connection().await?).await };
        timeout(PATIENCE, answer)
            .await
            .unwrap_or_else(|_| Err(RedisError::from((ErrorKind::Io, "the server does not answer"))))
    }

    /// The answer to a command, if there is one at once. A server that is killed, stopped or busy has none.
    pub(crate) async fn glance<T: FromRedisValue>(&self, command: &[&str]) -> Option<T> {
        let answer = timeout(Duration::from_millis(500), self.try_cli(command)).await.ok()?.ok()?;
        Some(T::from_redis_value(answer).unwrap_or_else(|error| panic!("{}: {error}", self.flavor)))
    }

    /// A section of `INFO` as its lines of names and values.
    ///
    /// # Panics
    ///
    /// As [`cli`](Self::cli).
    pub async fn info(&self, section: &str) -> Vec<(String, String)> {
        let text: String = redis::from_redis_value(self.cli(&["INFO", section]).await).expect("INFO is a text");
        text.lines().filter_map(|line| line.split_once(':')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect()
    }

    /// The processor time that it used so far, user's and system's.
    ///
    /// # Panics
    ///
    /// As [`cli`](Self::cli).
    pub async fn cpu_time(&self) -> Duration {
        let cpu = self.info("cpu").await;
        let seconds = cpu.iter().filter(|(name, _)| name == "used_cpu_user" || name == "used_cpu_sys");
        seconds.map(|(_, value)| Duration::from_secs_f64(value.parse().expect("a time in seconds"))).sum()
    }

    /// The operator, over the unix socket.
    fn operator(&self) -> Client {
        let socket = self.socket_path();
        let url = format!("redis+unix://{}?user={OPERATOR}&pass={OPERATOR}", socket.display());
        Client::open(url).expect("a path is an address")
    }

    async fn connection(&self) -> RedisResult<MultiplexedConnection> {
        let unhurried = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        self.operator().get_multiplexed_async_connection_with_config(&unhurried).await
    }

    async fn try_ready(&self) -> Result<(), &'static str> {
        let ready = timeout(PATIENCE, async {
            loop {
                if self.process().ended().is_some() {
                    return Err("ended");
                }
                if self.try_cli(&["PING"]).await.is_ok() {
                    return Ok(());
                }
                sleep(Duration::from_millis(5)).await;
            }
        });
        ready.await.unwrap_or(Err("does not answer"))
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the program is started as.
#[derive(Clone, Copy, Debug, Default)]
enum Mode {
    #[default]
    Server,
    Sentinel,
}

fn spawn(flavor: &Flavor, mode: Mode, folder: &Path) -> Process {
    let log = File::options().create(true).append(true).open(log_path(folder)).expect("the folder is the server's");
    let again = log.try_clone().expect("a file has more than one handle");
    let mut command = Command::new(flavor);
    command.arg(config_path(folder));
    if let Mode::Sentinel = mode {
        command.arg("--sentinel");
    }
    Process::spawn(command.stdin(Stdio::null()).stdout(log).stderr(again))
}

fn config_path(folder: &Path) -> PathBuf {
    folder.join("server.conf")
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}
