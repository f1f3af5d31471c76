//! One request, tried until it is answered or the time is over.

use std::sync::Arc;

use redis::Pipeline;
use tokio::time::{Instant, sleep_until};

use super::backoff::Backoff;
use super::node::Node;
use super::outcome::{Answered, Cause, Failure, Outcome, Then};
use super::request::{Answer, Request};

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
                Err(then) => then,
            };
            let gone = matches!(then, Then::Leave) && !link.comes_back();
            if gone || !self.pause().await {
                return Err(self.unavailable());
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
                Outcome::Full(error) => return Ok(Err(self.full(error))),
                Outcome::Refused(cause) => return Ok(Err(Failure::Refused { source: Box::new(cause) })),
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
        if !self.uncertain {
            return Failure::Full;
        }
        self.cause = Some(Arc::new(Answered(error)));
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
