//! Pointers to stores are stores.
#![deny(clippy::missing_trait_methods)]

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::change::Change;
use crate::error::StoreError;
use crate::name::SessionKey;
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
        }
    };
}

forward!(Arc);
forward!(Box);
