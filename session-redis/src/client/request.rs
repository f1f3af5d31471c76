//! What goes to a server and what comes back.

use std::time::Duration;

use redis::{Arg, Cmd, Pipeline, Script, Value};

use super::call::Call;

/// What goes to the server in one round trip. All its keys are in one slot. What has to be one step is a script.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    slot: u16,
    steps: Pipeline,
    scripts: Vec<(usize, &'static Script)>,
    /// How long it may block, if it is sent over a connection of its own.
    blocks: Option<Duration>,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    /// One reply for each step, in order. A step's own error, such as `WRONGTYPE`, is a `ServerError` in its place.
    pub(crate) replies: Vec<Value>,
    /// Whether an earlier attempt may have been executed without our learning its answer.
    pub(crate) uncertain: bool,
}

impl Request {
    /// A request without steps, for keys in this slot. Only a cluster looks at it.
    pub(crate) fn new(slot: u16) -> Self {
        Self { slot, steps: Pipeline::with_capacity(4), scripts: Vec::new(), blocks: None }
    }

    /// Adds a command.
    pub(crate) fn command(mut self, command: Cmd) -> Self {
        self.steps.add_command(command);
        self
    }

    /// Adds a call of a script: by its hash, and again with its text if the server does not know it.
    pub(crate) fn script(mut self, call: Call) -> Self {
        self.scripts.push((self.steps.len(), call.script));
        self.command(call.command)
    }

    /// Sends it over a connection of its own at each node, so that a command that blocks so long (`WAIT`) holds up
    /// nobody else.
    pub(crate) fn alone(mut self, blocks: Duration) -> Self {
        self.blocks = Some(blocks);
        self
    }

    pub(crate) fn slot(&self) -> u16 {
        self.slot
    }

    /// How long it may block, if it is sent alone.
    pub(crate) fn blocks(&self) -> Option<Duration> {
        self.blocks
    }

    pub(crate) fn steps(&self) -> &Pipeline {
        &self.steps
    }

    /// The steps with scripts' texts in place of their hashes.
    pub(crate) fn with_texts(&self) -> Pipeline {
        let mut steps = Pipeline::with_capacity(self.steps.len());
        for (index, command) in self.steps.cmd_iter().enumerate() {
            steps.add_command(self.with_text(index, command));
        }
        steps
    }

    fn with_text(&self, index: usize, command: &Cmd) -> Cmd {
        let Some((_, script)) = self.scripts.iter().find(|(step, _)| *step == index) else { return command.clone() };
        let load = Cmd::load_script(script);
        let mut eval = redis::cmd("EVAL");
        for argument in load.args_iter().skip(2).chain(command.args_iter().skip(2)) {
            if let Arg::Simple(argument) = argument {
                eval.arg(argument);
            }
        }
        eval
    }

    /// Whether a step that can write was executed, going by its reply.
    pub(crate) fn wrote(&self, replies: &[Value]) -> bool {
        let failed = |reply: &Value| matches!(reply, Value::ServerError(_));
        let mut steps = self.steps.cmd_iter().zip(replies);
        steps.any(|(command, reply)| !failed(reply) && !READS.contains(&name(command)))
    }

    /// The steps that were answered `ASK`, or all of them if it is sent alone: what waits for replicas has to wait for
    /// those of the node that executed the rest.
    pub(crate) fn asked(&self, replies: &[Value]) -> Vec<usize> {
        let asks = |reply: &Value| matches!(reply, Value::ServerError(error) if error.code() == "ASK");
        let steps = 0..self.steps.len().min(replies.len());
        steps.filter(|step| self.blocks.is_some() || asks(&replies[*step])).collect()
    }

    /// A request for these steps only, with `ASKING` before each of them, and which of its replies are the steps'.
    pub(crate) fn asking(&self, steps: &[usize]) -> (Self, Vec<usize>) {
        let mut request = Self { blocks: self.blocks, ..Self::new(self.slot) };
        let mut places = Vec::with_capacity(steps.len());
        for (step, command) in self.steps.cmd_iter().enumerate().filter(|(step, _)| steps.contains(step)) {
            request.steps.cmd("ASKING");
            let place = request.steps.len();
            places.push(place);
            request
                .scripts
                .extend(self.scripts.iter().filter(|(at, _)| *at == step).map(|(_, script)| (place, *script)));
            request.steps.add_command(command.clone());
        }
        (request, places)
    }
}

/// Commands of ours that change nothing when they are executed.
const READS: [&[u8]; 12] = [
    b"ASKING", b"GET", b"HGETALL", b"HMGET", b"PTTL", b"PUBLISH", b"SCAN", b"TIME", b"WAIT", b"XRANGE", b"ZRANGE",
    b"ZSCORE",
];

fn name(command: &Cmd) -> &[u8] {
    match command.args_iter().next() {
        Some(Arg::Simple(name)) => name,
        _ => &[],
    }
}
