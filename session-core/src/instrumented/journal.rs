//! A journal that says what it does.

use async_trait::async_trait;

use super::{Instrumented, Operation, Outcome};
use crate::error::StoreError;
use crate::journal::{Appended, Entry, Feed, Follower, Journal, Position};
use crate::observer::Subject;
use crate::owner::Owner;

/// Following takes as long as nothing happens, and is not reported.
#[async_trait]
impl<J: Journal> Journal for Instrumented<J> {
    async fn append(&self, feed: &Feed, entry: &[u8]) -> Result<Appended, StoreError> {
        self.observe(Operation::Append, self.inner.append(feed, entry), |_| Outcome::Done).await
    }

    async fn read(&self, feed: &Feed, after: Position, max: usize) -> Result<Vec<Entry>, StoreError> {
        self.observe(Operation::Read, self.inner.read(feed, after, max), |_| Outcome::Done).await
    }

    async fn end(&self, feed: &Feed) -> Result<Position, StoreError> {
        self.observe(Operation::End, self.inner.end(feed), |_| Outcome::Done).await
    }

    fn follow(&self, feed: &Feed) -> Box<dyn Follower> {
        self.inner.follow(feed)
    }

    async fn ring(&self, feed: &Feed) -> Result<(), StoreError> {
        self.observe(Operation::Ring, self.inner.ring(feed), |()| Outcome::Done).await
    }

    async fn forget(&self, owner: &Owner, subject: &Subject) -> Result<(), StoreError> {
        self.observe(Operation::Forget, self.inner.forget(owner, subject), |()| Outcome::Done).await
    }
}
