//! A server in a process of its own, so that its processor time is nobody else's.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::processor::micros;

/// What tells this program to be a server: this, its kind and its store.
pub(crate) const SERVE: &str = "--serve";

/// A server, or a balancer in front of some. It is killed when dropped.
pub(crate) struct Process {
    child: Child,
    address: String,
}

impl Process {
    /// Starts one and waits until it listens.
    pub(crate) fn start(kind: &str, store: &str) -> Self {
        let program = std::env::current_exe().expect("this program has a path");
        let mut command = Command::new(program);
        command.args([SERVE, kind, store]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("this program can be started again");
        let mut address = String::new();
        let said = BufReader::new(child.stdout.take().expect("it was piped above")).read_line(&mut address);
        said.expect("the server says where it listens");
        Self::at(address.trim().to_owned(), child)
    }

    /// One that listens there already.
    pub(crate) fn at(address: String, child: Child) -> Self {
        Self { child, address }
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

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
