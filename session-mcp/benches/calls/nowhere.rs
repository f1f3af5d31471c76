//! A journal that keeps nothing.

use async_trait::async_trait;
use session_core::{Appended, Entry, Feed, Follower, Journal, Owner, Position, StoreError, Subject};

/// A journal that keeps nothing. An endpoint always has one; beside this, it shows what the keeping costs.
#[derive(Debug)]
pub(crate) struct Nowhere;

#[async_trait]
impl Journal for Nowhere {
    async fn append(&self, _: &Feed, _: &[u8]) -> Result<Appended, StoreError> {
        Ok(Appended { at: Position::START, after: Position::START })
    }

    async fn read(&self, _: &Feed, _: Position, _: usize) -> Result<Vec<Entry>, StoreError> {
        Ok(Vec::new())
    }

    async fn end(&self, _: &Feed) -> Result<Position, StoreError> {
        Ok(Position::START)
    }

    fn follow(&self, _: &Feed) -> Box<dyn Follower> {
        Box::new(Self)
    }

    async fn ring(&self, _: &Feed) -> Result<(), StoreError> {
        Ok(())
    }

    async fn forget(&self, _: &Owner, _: &Subject) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl Follower for Nowhere {
    async fn rung(&mut self) {
        std::future::pending::<()>().await;
    }
}
