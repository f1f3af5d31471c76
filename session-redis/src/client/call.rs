//! A call of a script.

use redis::{Cmd, Script, ToRedisArgs};

/// A call of a script: its keys, and its arguments in its order. What is added is written where it is sent from.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(super) script: &'static Script,
    pub(super) command: Cmd,
}

impl Call {
    /// A call without arguments.
    pub(crate) fn of(script: &'static Script, keys: &[&str]) -> Self {
        // Room for a change of a few values.
        let mut command = Cmd::with_capacity(32, 512);
        command.arg("EVALSHA").arg(script.get_hash()).arg(keys.len()).arg(keys);
        Self { script, command }
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.add(text)
    }

    pub(crate) fn bytes(self, bytes: &[u8]) -> Self {
        self.add(bytes)
    }

    pub(crate) fn number(self, number: impl ToRedisArgs) -> Self {
        self.add(number)
    }

    /// A number, or nothing.
    pub(crate) fn maybe(self, number: Option<impl ToRedisArgs>) -> Self {
        match number {
            Some(number) => self.add(number),
            None => self.text(""),
        }
    }

    fn add(mut self, argument: impl ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }
}
