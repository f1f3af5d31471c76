//! The balancer of `deploy/` in front of servers.

use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use session_test_servers::free_port;

use crate::process::Process;

/// Starts `HAProxy` in front of two servers and waits until it serves; `None` where it is not installed.
pub(crate) fn start(servers: &[Process; 2]) -> Option<Process> {
    let address = format!("127.0.0.1:{}", free_port());
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/haproxy.cfg"));
    command.env("LISTEN", &address);
    command.env("REPLICA_A", servers[0].address()).env("REPLICA_B", servers[1].address());
    // Debian keeps it where only an administrator looks. A log of every call would be work of its own.
    command.env("PATH", "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin").stderr(Stdio::null());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().ok()?;
    let begun = Instant::now();
    while TcpStream::connect(&address).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(10), "HAProxy does not serve");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(Process::at(address, child))
}
