//! Pointers to stores are stores, and those to journals are journals.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::change::Change;
use crate::error::StoreError;
use crate::journal::{Appended, Entry, Feed, Follower, Journal, Position};
use crate::name::SessionKey;
use crate::observer::Subject;
use crate::owner::Owner;
use crate::page::{Listing, Page};
use crate::session::{NewSession, Session};
use crate::store::{Created, Load, SessionStore, Updated};
use crate::time::Expired;

macro_rules! forward {
    ($pointer:ident) => {
        #[async_trait]
        impl<S: SessionStore + ?Sized> SessionStore for $pointer<S> {
            async fn create(&self, new: NewSession) -> Result<Created, StoreError> {
                (**self).create(new).await
            }

            async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError> {
                (**self).load(key, load).await
            }

            async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError> {
                (**self).update(key, change).await
            }

            async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError> {
                (**self).delete(key).await
            }

            async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError> {
                (**self).list(owner, page).await
            }

            async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError> {
                (**self).end_all(owner).await
            }

            async fn count(&self, max_staleness: Duration) -> Result<u64, StoreError> {
                (**self).count(max_staleness).await
            }

            async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError> {
                (**self).why_absent(key).await
            }

            async fn ping(&self) -> Result<(), StoreError> {
                (**self).ping().await
            }

            fn is_local(&self) -> bool {
                (**self).is_local()
            }
        }

        #[async_trait]
        impl<J: Journal + ?Sized> Journal for $pointer<J> {
            async fn append(&self, feed: &Feed, entry: &[u8]) -> Result<Appended, StoreError> {
                (**self).append(feed, entry).await
            }

            async fn read(&self, feed: &Feed, after: Position, max: usize) -> Result<Vec<Entry>, StoreError> {
                (**self).read(feed, after, max).await
            }

            async fn end(&self, feed: &Feed) -> Result<Position, StoreError> {
                (**self).end(feed).await
            }

            fn follow(&self, feed: &Feed) -> Box<dyn Follower> {
                (**self).follow(feed)
            }

            async fn ring(&self, feed: &Feed) -> Result<(), StoreError> {
                (**self).ring(feed).await
            }

            async fn forget(&self, owner: &Owner, subject: &Subject) -> Result<(), StoreError> {
                (**self).forget(owner, subject).await
            }
        }
    };
}

forward!(Arc);
forward!(Box);
