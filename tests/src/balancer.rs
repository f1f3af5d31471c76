//! A balancer in front of replicas, set up by the very files that `deploy/` offers.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::server::HttpServer;

/// A balancer that sends each request to the next replica. It is ended when dropped.
#[derive(Debug)]
pub struct Balancer {
    process: Child,
    url: String,
    _folder: TempDir,
}

impl Balancer {
    /// `HAProxy` at this port of loopback.
    ///
    /// # Panics
    ///
    /// If it does not start, or is not installed.
    #[must_use]
    pub fn haproxy(port: u16, replicas: &[&HttpServer]) -> Self {
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(deploy().join("haproxy.cfg")).env("LISTEN", format!("127.0.0.1:{port}"));
        for (name, replica) in ["REPLICA_A", "REPLICA_B", "REPLICA_C"].into_iter().zip(replicas) {
            command.env(name, replica.address());
        }
        Self::begin(command, port, folder())
    }

    /// nginx at this port of loopback.
    ///
    /// # Panics
    ///
    /// If it does not start, or is not installed.
    #[must_use]
    pub fn nginx(port: u16, replicas: &[&HttpServer]) -> Self {
        let folder = folder();
        let here = folder.path();
        fs::copy(deploy().join("nginx.conf"), here.join("nginx.conf")).expect("the folder is ours");
        let listen = format!("listen 127.0.0.1:{port};\naccess_log off;\n");
        fs::write(here.join("nginx.listen.conf"), listen).expect("the folder is ours");
        let servers =
            replicas.iter().map(|replica| format!("server {} max_fails=1 fail_timeout=1s;\n", replica.address()));
        fs::write(here.join("nginx.replicas.conf"), servers.collect::<String>()).expect("the folder is ours");
        let mut command = Command::new("nginx");
        let options = format!("pid {}/pid; daemon off;", here.display());
        command.arg("-p").arg(here).arg("-c").arg(here.join("nginx.conf")).args(["-e", "stderr", "-g", &options]);
        Self::begin(command, port, folder)
    }

    fn begin(mut command: Command, port: u16, folder: TempDir) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        // Debian keeps them where only an administrator looks.
        command.env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin").stdin(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| panic!("{program} is not installed: {error}"));
        let balancer = Self { process, url: format!("http://127.0.0.1:{port}/mcp"), _folder: folder };
        let begun = Instant::now();
        while TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))).is_err() {
            assert!(begun.elapsed() < PATIENCE, "{program} does not listen");
            sleep(Duration::from_millis(20));
        }
        balancer
    }

    /// Where clients connect to.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // Not with SIGKILL, which would leave the workers of nginx behind.
        let _ = kill_process(Pid::from_child(&self.process), Signal::TERM);
        let _ = self.process.wait();
    }
}

const PATIENCE: Duration = Duration::from_secs(10);

fn folder() -> TempDir {
    tempfile::tempdir().expect("the system has room for a temporary folder")
}

fn deploy() -> PathBuf {
    Path::new(&std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests")).join("../deploy")
}
