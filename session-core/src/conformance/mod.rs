//! The rules of [`SessionStore`](crate::SessionStore) and of [`Journal`](crate::Journal), one function each, to be run
//! against any store and any journal.
//!
//! A [`Harness`] makes stores and lets time elapse. With it, [`conformance_tests!`](crate::conformance_tests) gives one
//! named test per rule; [`RULES`] is the same list for a program. A rule panics where a store breaks it. A minor
//! release can add a rule, where the contract was not proven as far as it reaches.
//!
//! For journals there are a [`JournalHarness`], [`journal_conformance_tests!`](crate::journal_conformance_tests) and
//! [`JOURNAL_RULES`], which work alike.
//!
//! ```
//! use std::{sync::Arc, time::Duration};
//!
//! use session_core::conformance::{BoxFuture, Harness};
//! use session_core::{Limits, SessionStore};
//!
//! # mod my_store { pub fn handles(_: session_core::Limits, _: usize) -> Vec<std::sync::Arc<dyn session_core::SessionStore>> { Vec::new() } }
//! struct MyHarness;
//!
//! #[async_trait::async_trait]
//! impl Harness for MyHarness {
//!     async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
//!         my_store::handles(limits, count)
//!     }
//!
//!     async fn elapse(&self, duration: Duration) {
//!         tokio::time::sleep(duration).await;
//!     }
//!
//!     fn tick(&self) -> Duration {
//!         Duration::from_secs(60)
//!     }
//!
//!     fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
//!         let task = tokio::spawn(task);
//!         Box::pin(async { task.await.expect("the task keeps the rule") })
//!     }
//! }
//!
//! mod conformance {
//!     session_core::conformance_tests! {
//!         #[tokio::test(start_paused = true)]
//!         super::MyHarness
//!     }
//! }
//! ```

#![expect(clippy::missing_panics_doc, reason = "every rule panics where a store breaks it, as said above")]

mod expiry;
mod grants;
mod harness;
mod interruption;
mod journal;
mod lifecycle;
mod limits;
mod listing;
mod merging;
mod names;
mod owners;

pub use harness::{BoxFuture, Harness};
pub use journal::JournalHarness;

use journal::{bounds, ending, following, order, reading};

/// One rule, for programs that run them by name.
pub struct Rule<H: ?Sized = dyn Harness> {
    /// What the rule says, as a function of this module is called.
    pub name: &'static str,
    /// Runs it; panics where what the harness makes breaks it.
    pub run: for<'a> fn(&'a H) -> BoxFuture<'a, ()>,
}

/// One rule of a journal.
pub type JournalRule = Rule<dyn JournalHarness>;

impl<H: ?Sized> Clone for Rule<H> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<H: ?Sized> Copy for Rule<H> {}

impl<H: ?Sized> std::fmt::Debug for Rule<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

macro_rules! rules {
    (
        $dollar:tt
        $(#[$rules_doc:meta])* $rules:ident: $kind:ty;
        $(#[$tests_doc:meta])* $tests:ident;
        $($file:ident: $($rule:ident)+;)+
    ) => {
        $($(pub use $file::$rule;)+)+

        $(#[$rules_doc])*
        pub const $rules: &[$kind] = &[
            $($(Rule { name: stringify!($rule), run: |harness| Box::pin($rule(harness)) },)+)+
        ];

        $(#[$tests_doc])*
        #[macro_export]
        macro_rules! $tests {
            ($dollar(#[$dollar($dollar attribute:tt)*])+ $dollar harness:expr) => {
                $crate::$tests! { @ [$dollar(#[$dollar($dollar attribute)*])+] [$dollar harness] $($($rule)+)+ }
            };
            (@ $dollar attributes:tt $dollar harness:tt $dollar($dollar rule:ident)+) => {
                $dollar($crate::$tests! { @@ $dollar attributes $dollar harness $dollar rule })+
            };
            (@@ [$dollar($dollar attributes:tt)+] [$dollar harness:expr] $dollar rule:ident) => {
                $dollar($dollar attributes)+
                async fn $dollar rule() {
                    $crate::conformance::$dollar rule(&$dollar harness).await;
                }
            };
        }
    };
}

rules! { $
    /// All rules of a store.
    RULES: Rule;

    /// Makes a test of each rule of a store: the attributes that make a function a test, then an expression that makes
    /// a [`Harness`](crate::conformance::Harness).
    conformance_tests;

    lifecycle:
        a_session_lives_from_create_to_delete
        create_refuses_a_live_name
        an_absent_name_is_as_good_as_new
        absent_expired_and_ended_are_one_case
        nothing_late_brings_a_session_back
        two_handles_are_one_store
        count_counts_the_living
        a_healthy_store_answers_a_ping;
    expiry:
        touch_slides_and_peek_does_not
        an_update_slides
        sub_second_lifetimes_are_kept
        both_lifetimes_hold_together
        why_absent_tells_only_the_owner;
    merging:
        concurrent_writers_of_different_fields_all_survive
        every_change_counts_one_version
        a_refused_change_changes_nothing
        the_first_reason_to_refuse_is_named
        a_stale_version_is_a_conflict
        racing_compare_and_sets_lose_nothing
        a_snapshot_stays_what_it_was;
    grants:
        an_added_grant_opens_and_a_revoked_one_does_not
        a_read_only_grant_reads_and_nothing_else
        a_grant_ends_with_its_session_and_its_giver;
    limits:
        sessions_are_limited_in_all
        sessions_are_limited_per_principal
        only_ones_own_idle_session_makes_room
        creation_is_limited_in_rate
        a_session_is_limited_in_size
        writers_who_reach_a_limit_together_stay_within_it;
    names:
        hostile_names_are_refused_before_the_backend
        hostile_texts_are_kept_verbatim;
    owners:
        a_foreign_session_is_an_unknown_one
        an_unknown_secret_is_an_unknown_session
        a_locator_serves_only_its_authenticated_owner
        the_anonymous_owner_has_no_list;
    listing:
        paging_neither_loses_nor_repeats
        a_summary_agrees_with_its_session
        hundreds_of_sessions_are_listed_and_ended
        end_all_ends_one_owners_sessions;
    interruption:
        a_cancelled_operation_leaves_the_old_or_the_new;
}

rules! { $
    /// All rules of a journal.
    JOURNAL_RULES: JournalRule;

    /// Makes a test of each rule of a journal: the attributes that make a function a test, then an expression that
    /// makes a [`JournalHarness`](crate::conformance::JournalHarness).
    journal_conformance_tests;

    order:
        entries_come_back_in_order
        feeds_are_apart;
    reading:
        reading_goes_on_where_it_was
        reading_from_the_end_reads_what_is_new;
    bounds:
        a_feed_is_bounded_in_entries_and_bytes
        an_entry_larger_than_a_feed_is_refused
        entries_go_after_their_time;
    following:
        a_follower_is_rung_by_another_handle
        a_ring_adds_nothing
        a_ring_is_not_lost;
    ending:
        an_ended_session_leaves_no_entries
        the_end_of_all_rings_all;
}
