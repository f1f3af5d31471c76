//! A process that ends with the value that started it.

use std::process::{Child, Command, ExitStatus};

use rustix::process::{Pid, Signal, kill_process};

#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> Self {
        Self(
            command
                .spawn()
                .unwrap_or_else(|error| panic!("{} does not start: {error}", command.get_program().display())),
        )
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.0.try_wait().expect("it is a child of this process")
    }

    /// Sends it a signal.
    pub(crate) fn signal(&mut self, signal: Signal) {
        // Once it was waited for, its id can be that of another process.
        assert!(self.ended().is_none(), "the server has ended");
        kill_process(Pid::from_child(&self.0), signal).expect("it is a child of this process");
    }

    /// Ends it with SIGKILL, stopped or not, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
