//! Setting up a server.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Mutex;

use super::{Mode, OPERATOR, Server, config_path, spawn};
use crate::certificates::Certificates;
use crate::flavor::Flavor;
use crate::port::free_port;

/// What a [`Server`] is started with.
#[derive(Clone, Debug, Default)]
pub struct ServerBuilder {
    flavor: Option<Flavor>,
    password: Option<String>,
    config: String,
    tls: bool,
    mode: Mode,
}

impl ServerBuilder {
    pub(super) fn sentinel() -> Self {
        Self { mode: Mode::Sentinel, ..Self::default() }
    }

    /// Sets the program; without it, [`Flavor::usual`].
    #[must_use]
    pub fn flavor(mut self, flavor: &Flavor) -> Self {
        self.flavor = Some(flavor.clone());
        self
    }

    /// Adds a line to its configuration, such as `appendonly` with `yes`. What is set last counts.
    #[must_use]
    pub fn config(mut self, key: &str, value: impl AsRef<str>) -> Self {
        writeln!(self.config, "{key} {}", value.as_ref()).expect("a string takes all");
        self
    }

    /// Sets the password of the user `default`, for its clients and its replicas.
    #[must_use]
    pub fn password(mut self, password: &str) -> Self {
        self.password = Some(password.to_owned());
        self.config("requirepass", password).config("masterauth", password)
    }

    /// Lets it listen for TLS too, on a port of its own. It asks clients for a certificate but takes those without
    /// one; `tls-auth-clients` with `yes` refuses them.
    ///
    /// The 6.2 of the tests is built without TLS and does not start with this.
    #[must_use]
    pub fn tls(mut self, certificates: &Certificates) -> Self {
        self.tls = true;
        self.config("tls-cert-file", certificates.server().to_string_lossy())
            .config("tls-key-file", certificates.server_key().to_string_lossy())
            .config("tls-ca-cert-file", certificates.authority().to_string_lossy())
            .config("tls-auth-clients", "optional")
    }

    /// Adds a user with rules as `ACL SETUSER` takes them, such as `on >secret ~app:* +get`.
    #[must_use]
    pub fn user(self, name: &str, rules: &str) -> Self {
        self.config("user", format!("{name} {rules}"))
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    ///
    /// If it does not.
    pub async fn start(self) -> Server {
        const TRIES: usize = 5;
        for _ in 1..TRIES {
            let server = self.launch();
            match server.try_ready().await {
                Ok(()) => return server,
                Err(_) if server.log().contains("Address already in use") => {}
                Err(reason) => panic!("{} {reason}; its log:\n{}", server.flavor, server.log()),
            }
        }
        let server = self.launch();
        server.ready().await;
        server
    }

    fn launch(&self) -> Server {
        let flavor = self.flavor.clone().unwrap_or_default();
        let folder = tempfile::Builder::new().prefix("session-server-").tempdir().expect("a folder for the server");
        let port = free_port();
        let tls_port = self.tls.then(free_port);
        fs::write(config_path(folder.path()), self.lines(folder.path(), port, tls_port)).expect("the folder is new");
        let process = Mutex::new(spawn(&flavor, self.mode, folder.path()));
        Server { flavor, folder, port, password: self.password.clone(), tls_port, mode: self.mode, process }
    }

    fn lines(&self, folder: &Path, port: u16, tls_port: Option<u16>) -> String {
        format!(
            "bind 127.0.0.1\nport {port}\n{tls}dir {folder}\nunixsocket {folder}/socket\n{server}\
             user {OPERATOR} on >{OPERATOR} ~* &* +@all\n{config}",
            tls = tls_port.map(|port| format!("tls-port {port}\n")).unwrap_or_default(),
            folder = folder.display(),
            server = if let Mode::Server = self.mode { "save \"\"\nrepl-diskless-sync-delay 0\n" } else { "" },
            config = self.config,
        )
    }
}
