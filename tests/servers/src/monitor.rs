//! What a server is told to do.

use std::io;

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::patience::PATIENCE;
use crate::server::{OPERATOR, Server};

type Receiver = BufReader<OwnedReadHalf>;

/// A recording of all commands that a server executes, by `MONITOR`.
///
/// Redis leaves out commands of administration such as `CONFIG`, and what `AUTH` is told. The commands of a script are
/// among the others, after the one that called it. So are those of [`Server::cli`], whose client is the unix socket.
#[derive(Debug)]
pub struct Monitor {
    sender: OwnedWriteHalf,
    commands: JoinHandle<io::Result<Vec<Command>>>,
}

/// A command as the server executed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// The number of its database.
    pub database: u32,
    /// Who gave it: an address and a port, `unix:` and a path, or `lua` for a script.
    pub client: String,
    /// Its name and its arguments.
    pub arguments: Vec<Vec<u8>>,
}

impl Command {
    /// Its name in capital letters.
    #[must_use]
    pub fn name(&self) -> String {
        self.arguments.first().map(|name| String::from_utf8_lossy(name).to_uppercase()).unwrap_or_default()
    }

    /// Whether a script gave it.
    #[must_use]
    pub fn is_of_a_script(&self) -> bool {
        self.client == "lua"
    }

    /// Reads a line such as `+1700000000.123456 [0 127.0.0.1:50000] "GET" "a\x00b"`.
    fn parse(line: &str) -> Option<Self> {
        let (_, from) = line.split_once(" [")?;
        let (database, from) = from.split_once(' ')?;
        let (client, arguments) = from.split_once("] ")?;
        let arguments = unescape(arguments.as_bytes())?;
        Some(Self { database: database.parse().ok()?, client: client.to_owned(), arguments })
    }
}

impl Monitor {
    /// Begins to record. What is sent after this has returned is in the record.
    ///
    /// # Panics
    ///
    /// If the server does not let itself be monitored.
    pub async fn start(server: &Server) -> Self {
        let begun = timeout(PATIENCE, Self::begin(server)).await.expect("the server answers in time");
        begun.expect("the server lets itself be monitored")
    }

    /// Ends it, and returns the commands that the server executed until now, in their order.
    ///
    /// # Panics
    ///
    /// If the server has ended the recording, or does not answer.
    pub async fn finish(mut self) -> Vec<Command> {
        // It is executed after all that were answered before it was sent, and its answer follows their record.
        self.sender.write_all(b"ECHO end\r\n").await.expect("the server listens");
        let commands = timeout(PATIENCE, &mut self.commands).await.expect("the server answers in time");
        commands.expect("nothing in there panics").expect("the server records until the end")
    }

    async fn begin(server: &Server) -> io::Result<Self> {
        let (receiver, mut sender) = UnixStream::connect(server.socket_path()).await?.into_split();
        let mut lines = BufReader::new(receiver).lines();
        for command in [&format!("AUTH {OPERATOR} {OPERATOR}"), "MONITOR"] {
            sender.write_all(format!("{command}\r\n").as_bytes()).await?;
            let answer = next(&mut lines).await?;
            if answer != "+OK" {
                return Err(io::Error::other(answer));
            }
        }
        Ok(Self { sender, commands: tokio::spawn(record(lines)) })
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.commands.abort();
    }
}

async fn record(mut lines: Lines<Receiver>) -> io::Result<Vec<Command>> {
    let mut commands = Vec::new();
    loop {
        let line = next(&mut lines).await?;
        if line.starts_with('$') {
            return Ok(commands);
        }
        commands.push(Command::parse(&line).ok_or_else(|| io::Error::other(format!("not understood: {line}")))?);
    }
}

async fn next(lines: &mut Lines<Receiver>) -> io::Result<String> {
    lines.next_line().await?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

/// Reads texts in quotes, with a blank between them.
fn unescape(quoted: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut texts = Vec::new();
    let mut bytes = quoted.iter().copied();
    while let Some(first) = bytes.next() {
        match first {
            b' ' => continue,
            b'"' => {}
            _ => return None,
        }
        let mut text = Vec::new();
        loop {
            text.push(match bytes.next()? {
                b'"' => break,
                b'\\' => match bytes.next()? {
                    b'n' => b'\n',
                    b'r' => b'\r',
                    b't' => b'\t',
                    b'a' => 0x07,
                    b'b' => 0x08,
                    b'x' => hexadecimal([bytes.next()?, bytes.next()?])?,
                    other => other,
                },
                other => other,
            });
        }
        texts.push(text);
    }
    Some(texts)
}

fn hexadecimal(digits: [u8; 2]) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(&digits).ok()?, 16).ok()
}
