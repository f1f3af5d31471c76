//! The contract that every backend and every decorator keeps.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use crate::change::Change;
use crate::error::StoreError;
use crate::name::{Locator, SessionKey};
use crate::owner::Owner;
use crate::page::{Listing, Page};
use crate::record::Version;
use crate::session::{NewSession, Session};
use crate::time::{Expired, Timestamp};

/// Keeps sessions.
///
/// This page is the contract. Each promise names the function of [`conformance`](crate::conformance) that proves it;
/// a store is one that passes them all, and there are no capability flags: a backend that cannot keep a promise does
/// not pass. Callers hold `Arc<dyn SessionStore>`; [`SessionStoreExt`](crate::SessionStoreExt) has the short forms.
///
/// # Promises that hold for every method
///
/// - **Absent, expired and ended are one case**: `None`, `false` or [`NotFound`](StoreError::NotFound), whichever the
///   method has. Expiry is decided when reading, not when sweeping. *`absent_expired_and_ended_are_one_case`*
/// - **An unknown locator, an unknown secret and a foreign owner get the same answer.**
///   *`a_foreign_session_is_an_unknown_one`*, *`an_unknown_secret_is_an_unknown_session`*,
///   *`a_locator_serves_only_its_authenticated_owner`*
/// - **Nothing brings an absent session back** but a new `create`. *`nothing_late_brings_a_session_back`*
/// - **Two handles on one backend are one store.** *`two_handles_are_one_store`*
/// - **Dropping a future leaves the old state or the new**, never a mixture.
///   *`a_cancelled_operation_leaves_the_old_or_the_new`*
/// - **A backend that is away is [`Unavailable`](StoreError::Unavailable)**, never "not found".
/// - **What comes from outside is validated by the types** before a store sees it, and an unknown name creates nothing.
///   *`hostile_names_are_refused_before_the_backend`*
/// - **Texts and values come back byte for byte.** *`hostile_texts_are_kept_verbatim`*
/// - **Times are the store's own clock**, in milliseconds; that of the last use may be a millisecond off.
///   *`sub_second_lifetimes_are_kept`*
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync {
    /// Creates a session, with everything it begins with, in one step.
    ///
    /// - It never overwrites a live session. *`create_refuses_a_live_name`*
    /// - A name whose session expired or was ended is as good as new. *`an_absent_name_is_as_good_as_new`*
    /// - It starts at version 1, last used now, with a read-write grant for its name.
    ///   *`a_session_lives_from_create_to_delete`*
    /// - The record keeps the idle timeout it is given. *`both_lifetimes_hold_together`*
    /// - At a principal's limit their own session that was idle longest makes room, if it has been idle for
    ///   [`evict_after`](crate::Limits::evict_after), and is named in the answer; nobody else's ever does.
    ///   *`only_ones_own_idle_session_makes_room`*
    ///
    /// # Errors
    ///
    /// [`AlreadyExists`](StoreError::AlreadyExists); [`Quota`](StoreError::Quota) for each of
    /// [`Limits`](crate::Limits) (*`sessions_are_limited_in_all`*, *`sessions_are_limited_per_principal`*,
    /// *`creation_is_limited_in_rate`*, *`a_session_is_limited_in_size`*), also when two writers reach it together
    /// (*`writers_who_reach_a_limit_together_stay_within_it`*). Where several limits are met, any of them is named.
    /// [`Full`](StoreError::Full).
    async fn create(&self, new: NewSession) -> Result<Created, StoreError>;

    /// Loads a snapshot, in one round trip.
    ///
    /// - [`Load::Touch`] begins the idle timeout anew, [`Load::Peek`] leaves it alone.
    ///   *`touch_slides_and_peek_does_not`*
    /// - A read-only grant never prolongs, whichever is asked. *`a_read_only_grant_reads_and_nothing_else`*
    /// - The absolute lifetime wins over any number of touches. *`both_lifetimes_hold_together`*
    /// - No later change reaches a snapshot. *`a_snapshot_stays_what_it_was`*
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreError::Unavailable) and [`Defect`](StoreError::Defect): what is not there is `None`.
    async fn load(&self, key: &SessionKey, load: Load) -> Result<Option<Session>, StoreError>;

    /// Applies a change and begins the idle timeout anew. *`an_update_slides`*
    ///
    /// - The change is merged in the store: writers of different fields never undo each other.
    ///   *`concurrent_writers_of_different_fields_all_survive`*
    /// - All of it or nothing. *`a_refused_change_changes_nothing`*
    /// - Each applied change counts the version up by one. *`every_change_counts_one_version`*
    /// - With an expected version it is a compare-and-set. *`a_stale_version_is_a_conflict`*,
    ///   *`racing_compare_and_sets_lose_nothing`*
    /// - An added grant opens the session from then on, a revoked one nothing.
    ///   *`an_added_grant_opens_and_a_revoked_one_does_not`*
    /// - A grant ends no later than the session and its giver's own. *`a_grant_ends_with_its_session_and_its_giver`*
    ///
    /// # Errors
    ///
    /// In this order: [`NotFound`](StoreError::NotFound), [`ReadOnly`](StoreError::ReadOnly),
    /// [`Conflict`](StoreError::Conflict), [`Quota`](StoreError::Quota). *`the_first_reason_to_refuse_is_named`*
    /// And [`Full`](StoreError::Full).
    async fn update(&self, key: &SessionKey, change: Change) -> Result<Updated, StoreError>;

    /// Ends a session; `true` for the one caller who ended it. *`a_session_lives_from_create_to_delete`*
    ///
    /// # Errors
    ///
    /// [`ReadOnly`](StoreError::ReadOnly).
    async fn delete(&self, key: &SessionKey) -> Result<bool, StoreError>;

    /// Lists one principal's live sessions, a page of summaries at a time, without touching them.
    ///
    /// A session that lives from the first page to the last is listed exactly once, whatever comes and goes
    /// meanwhile. *`paging_neither_loses_nor_repeats`*, *`a_summary_agrees_with_its_session`*,
    /// *`hundreds_of_sessions_are_listed_and_ended`*
    ///
    /// # Errors
    ///
    /// [`OwnerRequired`](StoreError::OwnerRequired) for the anonymous owner (*`the_anonymous_owner_has_no_list`*),
    /// [`InvalidCursor`](StoreError::InvalidCursor).
    async fn list(&self, owner: &Owner, page: Page) -> Result<Listing, StoreError>;

    /// Ends all sessions that one principal has when it is called, and says how many.
    /// *`end_all_ends_one_owners_sessions`*
    ///
    /// # Errors
    ///
    /// [`OwnerRequired`](StoreError::OwnerRequired) for the anonymous owner.
    async fn end_all(&self, owner: &Owner) -> Result<u64, StoreError>;

    /// Counts the live sessions of all owners. The answer may be as old as `max_staleness`; `ZERO` counts now.
    /// *`count_counts_the_living`*
    ///
    /// A store may count a session that reached its absolute lifetime for up to one idle timeout more.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreError::Unavailable).
    async fn count(&self, max_staleness: Duration) -> Result<u64, StoreError>;

    /// By which limit a principal's own session expired, if it did and the store still knows.
    ///
    /// Best effort, and only for its owner: everybody else, and whoever ended the session themselves, gets `None`.
    /// *`why_absent_tells_only_the_owner`*
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreError::Unavailable).
    async fn why_absent(&self, key: &SessionKey) -> Result<Option<Expired>, StoreError>;

    /// Asks the backend for a sign of life. *`a_healthy_store_answers_a_ping`*
    ///
    /// # Errors
    ///
    /// [`Unavailable`](StoreError::Unavailable).
    async fn ping(&self) -> Result<(), StoreError>;

    /// Whether sessions are kept in this very process, so that asking for one is nothing to be waited for. A hint,
    /// which changes no answer: of a store that is elsewhere, callers ask what they can foresee before they begin
    /// anything.
    fn is_local(&self) -> bool;
}

/// How a load is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "a load counts as a use or does not")]
pub enum Load {
    /// As a use of the session: the idle timeout begins anew.
    Touch,
    /// As a look at it: the idle timeout runs on.
    Peek,
}

/// What a `create` did.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Created {
    /// The new session.
    pub session: Session,
    /// Sessions of the same principal that went on this occasion.
    pub gone: Vec<Gone>,
}

impl Created {
    /// A creation in whose course `gone` went.
    #[must_use]
    pub fn new(session: Session, gone: Vec<Gone>) -> Self {
        Self { session, gone }
    }
}

/// A session that a `create` of the same principal removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gone {
    /// Which.
    pub locator: Locator,
    /// By which limit it had expired, or `None` if it was live and made room.
    pub expired: Option<Expired>,
}

impl Gone {
    /// A session that had expired by this limit, or was live and made room.
    #[must_use]
    pub fn new(locator: Locator, expired: Option<Expired>) -> Self {
        Self { locator, expired }
    }
}

/// What an `update` did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Updated {
    /// The session's version since.
    pub version: Version,
    /// When it was done, on the store's clock.
    pub at: Timestamp,
    /// When the session ends for this caller if it is not used again; see [`Session::expires_at`].
    pub expires_at: Timestamp,
}

impl Updated {
    /// A change at `at` that led to this version.
    #[must_use]
    pub fn new(version: Version, at: Timestamp, expires_at: Timestamp) -> Self {
        Self { version, at, expires_at }
    }
}
