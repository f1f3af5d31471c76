//! One request, tried until it is answered or the time is over.

use std::sync::Arc;

use redis::{Pipeline, Value};
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::cluster::Cluster;
use super::error::ConnectError;
use super::link::Trouble;
use super::node::Node;
use super::outcome::{Answered, Cause, Failure, Outcome, Then};
use super::request::{Answer, Request};

/// How many times a request follows redirections before it waits a little.
const HOPS: u32 = 5;

/// One request on its way.
pub(crate) struct Delivery<'a> {
    request: &'a Request,
    until: Instant,
    backoff: Backoff,
    /// With texts in place of hashes, once a server did not know a script.
    texts: Option<Pipeline>,
    uncertain: bool,
    cause: Option<Cause>,
}

impl<'a> Delivery<'a> {
    /// A request that has until then.
    pub(crate) fn new(request: &'a Request, until: Instant) -> Self {
        Self { request, until, backoff: Backoff::new(), texts: None, uncertain: false, cause: None }
    }

    /// Delivers it to this node.
    pub(crate) async fn to(mut self, node: &Node) -> Result<Answer, Failure> {
        let link = node.link(self.request);
        loop {
            let then = match self.attempt(node).await {
                Ok(answer) => return answer,
                Err(Then::Doubt(error)) => return Err(self.refused(Arc::new(error))),
                Err(then) => then,
            };
            // The caller's connection is left only when it is closed.
            let gone = matches!(then, Then::Leave) && !link.comes_back();
            if gone || !self.pause().await {
                return Err(self.unavailable());
            }
        }
    }

    /// Delivers it to the node of this cluster that holds its slot.
    pub(crate) async fn through(mut self, cluster: &Cluster) -> Result<Answer, Failure> {
        let mut redirected = None;
        let (mut hops, mut doubted) = (0, false);
        loop {
            let Some(member) = redirected.take().or_else(|| cluster.holder(self.request.slot())) else {
                cluster.refresh();
                self.cause = Some(Arc::new(Trouble::NoSlots));
                if self.pause().await {
                    continue;
                }
                return Err(self.unavailable());
            };
            match self.attempt(&member.node).await {
                Ok(answer) => return answer,
                Err(Then::Ask { to, replies }) => {
                    if let Some(other) = cluster.named(&to, &member)
                        && let Some(answer) = self.ask(&other.node, replies).await
                    {
                        return answer;
                    }
                }
                // Somebody else may be at the address of a master that was replaced.
                Err(Then::Doubt(error)) => {
                    cluster.refresh();
                    cluster.refreshed(self.until).await;
                    // A cluster named it, so who is no cluster is a stranger, though not all nodes may know that yet.
                    let is_stranger = matches!(error, ConnectError::IsNoCluster | ConnectError::IsSentinel);
                    if (is_stranger || !doubted) && self.pause().await {
                        doubted |= !is_stranger;
                        continue;
                    }
                    return Err(self.refused(Arc::new(error)));
                }
                Err(Then::Move(to)) => {
                    cluster.refresh();
                    redirected = cluster.named(&to, &member);
                    hops += 1;
                    // Nodes that send one another's callers away do not agree yet.
                    if hops % HOPS != 0 {
                        continue;
                    }
                }
                Err(Then::Wait | Then::Leave | Then::SendTexts) => cluster.refresh(),
            }
            if !self.pause().await {
                return Err(self.unavailable());
            }
        }
    }

    /// Asks another node for the steps that the one before does not hold any more, and puts the replies together.
    ///
    /// `None` if it has no answer either: the whole request has to be sent again.
    async fn ask(&mut self, node: &Node, mut replies: Vec<Value>) -> Option<Result<Answer, Failure>> {
        let asked = self.request.asked(&replies);
        let (request, places) = self.request.asking(&asked);
        let wrote = self.request.wrote(&replies);
        let mut part = Delivery { uncertain: self.uncertain, ..Delivery::new(&request, self.until) };
        match part.attempt(node).await {
            Ok(Ok(mut answer)) => {
                for (step, place) in asked.into_iter().zip(places) {
                    replies[step] = std::mem::replace(answer.replies.get_mut(place)?, Value::Nil);
                }
                Some(Ok(Answer { replies, ..answer }))
            }
            Ok(Err(failure)) => Some(Err(failure)),
            Err(Then::Doubt(error)) => Some(Err(part.refused(Arc::new(error)))),
            Err(_) => {
                self.uncertain |= part.uncertain || wrote;
                self.cause = part.cause;
                None
            }
        }
    }

    /// Tries once, and again at once if only a script's text was missing.
    pub(crate) async fn attempt(&mut self, node: &Node) -> Result<Result<Answer, Failure>, Then> {
        let link = node.link(self.request);
        loop {
            let steps = self.texts.as_ref().unwrap_or(self.request.steps());
            match link.attempt(self.request, steps, self.until).await {
                Outcome::Answered(replies) => return Ok(Ok(Answer { replies, uncertain: self.uncertain })),
                Outcome::Never(error) => return Err(Then::Doubt(error)),
                Outcome::Full(error) => return Ok(Err(self.full(error))),
                Outcome::Refused { unknown, cause } => {
                    self.uncertain |= unknown;
                    return Ok(Err(self.refused(cause)));
                }
                Outcome::Again { unknown, cause, then } => {
                    self.uncertain |= unknown;
                    self.cause = Some(cause);
                    if !matches!(then, Then::SendTexts) || self.texts.is_some() {
                        return Err(then);
                    }
                    self.texts = Some(self.request.with_texts());
                }
            }
        }
    }

    /// Waits a little. `false` if there is no time left after that.
    pub(crate) async fn pause(&mut self) -> bool {
        let next = Instant::now() + self.backoff.next();
        sleep_until(next.min(self.until)).await;
        next < self.until
    }

    /// An earlier attempt may have been executed while there was memory: then nobody knows.
    fn full(&mut self, error: redis::ServerError) -> Failure {
        if self.uncertain { self.unknown(Arc::new(Answered(error))) } else { Failure::Full }
    }

    /// A part of it, or an earlier attempt while it was allowed, may have been executed: then nobody knows.
    fn refused(&mut self, cause: Cause) -> Failure {
        if self.uncertain { self.unknown(cause) } else { Failure::Refused { source: Box::new(cause) } }
    }

    fn unknown(&mut self, cause: Cause) -> Failure {
        self.cause = Some(cause);
        Failure::Unavailable { maybe_applied: true, source: self.source() }
    }

    /// The time is over.
    pub(crate) fn unavailable(mut self) -> Failure {
        Failure::Unavailable { maybe_applied: self.uncertain, source: self.source() }
    }

    fn source(&mut self) -> Option<session_core::BoxError> {
        self.cause.take().map(|cause| Box::new(cause) as _)
    }
}
