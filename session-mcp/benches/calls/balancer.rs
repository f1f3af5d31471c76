//! The balancer of `deploy/` in front of servers.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use session_test_servers::free_port;

use crate::process::Process;
use crate::processor::micros;

/// `HAProxy` in front of two servers. It is killed when dropped.
pub(crate) struct Balancer {
    child: Child,
    address: String,
}

impl Balancer {
    /// Starts it and waits until it serves; `None` where it is not installed.
    pub(crate) fn start(servers: &[Process; 2]) -> Option<Self> {
        let address = format!("127.0.0.1:{}", free_port());
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/haproxy.cfg"));
        command.env("LISTEN", &address);
        command.env("REPLICA_A", servers[0].address()).env("REPLICA_B", servers[1].address());
        // Debian keeps it where only an administrator looks. A log of every call would be work of its own.
        command.env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin").stderr(Stdio::null());
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().ok()?;
        while TcpStream::connect(&address).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Self { child, address })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// The processor time in microseconds that it had so far.
    pub(crate) fn micros(&self) -> f64 {
        micros(self.child.id())
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
