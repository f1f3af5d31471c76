//! Which server the sentinels call the master.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use redis::{Value, cmd};
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::dial::{Address, DialError, Dialer};
use super::error::ConnectError;
use super::link::{Link, Patience, Target, Trouble};
use super::node::Node;
use super::outcome::{Cause, Outcome};
use super::request::Request;
use crate::url::Endpoint;

/// The sentinels, and the name they know the master by.
#[derive(Debug)]
pub(crate) struct Sentinels {
    links: Vec<Link>,
    master: String,
    question: Request,
}

/// Follows the master in the background, until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    task: AbortHandle,
}

/// What one sentinel says.
enum Vote {
    /// This is the master.
    For(Endpoint),
    /// It knows no master of that name.
    Unknown,
    /// It says nothing, for now.
    Silent(Cause),
    /// It will not say.
    Refused(ConnectError),
}

/// How often the sentinels are asked when nobody doubts.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long a sentinel may take; then it counts as silent.
const BOUND: Duration = Duration::from_millis(500);

/// How long to wait at least between two questions, however great the doubts.
const LEAST: Duration = Duration::from_millis(20);

impl Sentinels {
    /// The sentinels at these addresses.
    pub(crate) fn at(sentinels: &[Endpoint], master: &str, dialer: &Arc<Dialer>, patience: Patience) -> Self {
        let links = sentinels.iter().map(|sentinel| {
            let target = Target::fixed(Address::Tcp(sentinel.clone()));
            Link::new(Arc::clone(dialer), target, Patience { insists: false, ..patience })
        });
        let mut question = cmd("SENTINEL");
        question.arg("get-master-addr-by-name").arg(master);
        Self { links: links.collect(), master: master.to_owned(), question: Request::new(0).command(question) }
    }

    /// Asks all of them, until then at the latest, and returns what more than half of those that were given agree on.
    ///
    /// # Errors
    ///
    /// [`DialError`] if they do not agree, or too many are silent.
    async fn master(&self, until: Instant) -> Result<Endpoint, DialError> {
        let until = until.min(Instant::now() + BOUND);
        let mut votes: FuturesUnordered<_> = self.links.iter().map(|link| self.ask(link, until)).collect();
        let (mut named, mut unknown, mut silent, mut refused) = (Vec::new(), 0, None, None);
        let majority = self.links.len() / 2 + 1;
        while let Some(vote) = votes.next().await {
            match vote {
                Vote::For(endpoint) => {
                    named.push(endpoint);
                    let last = named.last();
                    if named.iter().filter(|endpoint| Some(*endpoint) == last).count() >= majority {
                        return Ok(named.swap_remove(named.len() - 1));
                    }
                }
                Vote::Unknown => unknown += 1,
                Vote::Silent(cause) => silent = Some(cause),
                Vote::Refused(error) => refused = Some(error),
            }
        }
        if unknown >= majority {
            return Err(DialError::Never(ConnectError::UnknownMaster { master: self.master.clone() }));
        }
        Err(match refused {
            Some(error) => DialError::Never(error),
            None => DialError::NotNow(silent.unwrap_or_else(|| Arc::new(Trouble::NoMaster))),
        })
    }

    async fn ask(&self, sentinel: &Link, until: Instant) -> Vote {
        match sentinel.attempt(&self.question, self.question.steps(), until).await {
            Outcome::Answered(replies) => match replies.first() {
                Some(Value::Nil) => Vote::Unknown,
                Some(reply) => endpoint(reply).map_or_else(|| Vote::Silent(Arc::new(Trouble::NoMaster)), Vote::For),
                None => Vote::Silent(Arc::new(Trouble::Silence)),
            },
            Outcome::Again { cause, .. } => Vote::Silent(cause),
            Outcome::Full(_) => Vote::Silent(Arc::new(Trouble::NoMaster)),
            Outcome::Never(error) => Vote::Refused(error),
            Outcome::Refused { cause, .. } => Vote::Refused(ConnectError::SentinelCredentials { source: cause }),
        }
    }

    /// The master as a node, and what makes the node follow it. Waits until then for the sentinels to name one.
    ///
    /// # Errors
    ///
    /// [`DialError`] if they do not.
    pub(crate) async fn follow(
        self,
        dialer: &Arc<Dialer>,
        patience: Patience,
        until: Instant,
    ) -> Result<(Node, Watch), DialError> {
        let first = loop {
            match self.master(until).await {
                Ok(master) => break master,
                Err(DialError::NotNow(_)) if Instant::now() + LEAST < until => sleep(LEAST).await,
                Err(error) => return Err(error),
            }
        };
        let (current, address) = watch::channel(Some(Address::Tcp(first)));
        let doubts = Arc::new(Notify::new());
        let node = Node::at(&Target { address, doubts: Arc::clone(&doubts) }, dialer, patience);
        let task = tokio::spawn(self.watch(current, doubts, node.clone())).abort_handle();
        Ok((node, Watch { task }))
    }

    async fn watch(self, current: watch::Sender<Option<Address>>, doubts: Arc<Notify>, node: Node) {
        loop {
            tokio::select! {
                () = sleep(INTERVAL) => {}
                () = async { tokio::join!(doubts.notified(), sleep(LEAST)); } => {}
            }
            // Whoever is silent now may say it next time.
            let Ok(master) = self.master(Instant::now() + BOUND).await else { continue };
            let master = Some(Address::Tcp(master));
            let moved = current.send_if_modified(|current| {
                let moved = *current != master;
                *current = master;
                moved
            });
            if moved {
                let cause: Cause = Arc::new(Trouble::Elsewhere);
                node.links().iter().for_each(|link| link.leave(&cause));
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address in an answer: host and port as texts.
fn endpoint(reply: &Value) -> Option<Endpoint> {
    let Value::Array(parts) = reply else { return None };
    let text = |value: &Value| match value {
        Value::BulkString(text) => String::from_utf8(text.clone()).ok(),
        _ => None,
    };
    let (host, port) = (text(parts.first()?)?, text(parts.get(1)?)?);
    Some(Endpoint { host, port: port.parse().ok()? })
}
