//! The conformance suite can fail: for each rule there is a store that breaks that rule and keeps all others.

mod journal;
mod model;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use session_core::conformance::{BoxFuture, Harness, RULES, Rule};
use session_core::{Limits, SessionStore};

use model::{Fault, ModelStore};

/// Each fault, and the one rule it breaks.
const FAULTS: &[(Fault, &str)] = &[
    (Fault::ForgetsWhenTheDirectoryWasSet, "a_session_lives_from_create_to_delete"),
    (Fault::OverwritesUnderAnotherSecret, "create_refuses_a_live_name"),
    (Fault::AnswersConflictForTheAbsent, "absent_expired_and_ended_are_one_case"),
    (Fault::ResurrectsInARace, "nothing_late_brings_a_session_back"),
    (Fault::SecondHandleTouchesForItself, "two_handles_are_one_store"),
    (Fault::CountsOnce, "count_counts_the_living"),
    (Fault::PingFails, "a_healthy_store_answers_a_ping"),
    (Fault::PeekSlides, "touch_slides_and_peek_does_not"),
    (Fault::UpdateDoesNotSlide, "an_update_slides"),
    (Fault::RoundsLifetimesToSeconds, "sub_second_lifetimes_are_kept"),
    (Fault::TouchProlongsTheAbsoluteLifetime, "both_lifetimes_hold_together"),
    (Fault::TellsStrangersWhy, "why_absent_tells_only_the_owner"),
    (Fault::LastWriterOfTextsWins, "concurrent_writers_of_different_fields_all_survive"),
    (Fault::EmptyChangesCountNothing, "every_change_counts_one_version"),
    (Fault::AppliesPartOfARefusedChange, "a_refused_change_changes_nothing"),
    (Fault::AcceptsAVersionToCome, "a_stale_version_is_a_conflict"),
    (Fault::ComparesBeforeItWaits, "racing_compare_and_sets_lose_nothing"),
    (Fault::RevokedNamesStillRead, "an_added_grant_opens_and_a_revoked_one_does_not"),
    (Fault::ReadersProlong, "a_read_only_grant_reads_and_nothing_else"),
    (Fault::GrantsOutliveTheirGivers, "a_grant_ends_with_its_session_and_its_giver"),
    (Fault::NoLimitInAllForPrincipals, "sessions_are_limited_in_all"),
    (Fault::ExpiredSessionsKeepTheirPlace, "sessions_are_limited_per_principal"),
    (Fault::EvictsTheOldest, "only_ones_own_idle_session_makes_room"),
    (Fault::RefusedCreationsCost, "creation_is_limited_in_rate"),
    (Fault::CountsWhatIsWrittenOver, "a_session_is_limited_in_size"),
    (Fault::ChecksLimitsBeforeItWaits, "writers_who_reach_a_limit_together_stay_within_it"),
    (Fault::AcceptsAnyCursor, "hostile_names_are_refused_before_the_backend"),
    (Fault::TrimsTexts, "hostile_texts_are_kept_verbatim"),
    (Fault::FindsByLocatorAlone, "a_foreign_session_is_an_unknown_one"),
    (Fault::GuessesProlong, "an_unknown_secret_is_an_unknown_session"),
    (Fault::LocatorsServeTheAnonymous, "a_locator_serves_only_its_authenticated_owner"),
    (Fault::AnonymousListIsEmpty, "the_anonymous_owner_has_no_list"),
    (Fault::PagesByOffset, "paging_neither_loses_nor_repeats"),
    (Fault::EndAllCountsTheExpired, "end_all_ends_one_owners_sessions"),
    (Fault::InheritsFromTheExpired, "an_absent_name_is_as_good_as_new"),
    (Fault::NamesALimitFirst, "the_first_reason_to_refuse_is_named"),
    (Fault::SummariesForgetTheProject, "a_summary_agrees_with_its_session"),
    (Fault::PagesAsLargeAsAsked, "hundreds_of_sessions_are_listed_and_ended"),
    (Fault::WritesInTwoSteps, "a_cancelled_operation_leaves_the_old_or_the_new"),
];

/// Rules that no store can break, and why.
const EXCEPTIONS: &[(&str, &str)] = &[(
    "a_snapshot_stays_what_it_was",
    "a snapshot is a pointer to a record without interior mutability: the compiler keeps this promise",
)];

#[test]
fn a_store_without_a_fault_keeps_every_rule() {
    for rule in RULES {
        assert!(keeps(None, rule), "the model breaks {rule:?}");
    }
}

#[test]
fn every_rule_is_broken_by_a_fault_or_is_an_explained_exception() {
    for rule in RULES {
        let faults = FAULTS.iter().filter(|(_, broken)| *broken == rule.name).count();
        let exceptions = EXCEPTIONS.iter().filter(|(name, _)| *name == rule.name).count();
        assert_eq!(faults + exceptions, 1, "{rule:?} has {faults} faults and {exceptions} exceptions");
    }
}

#[test]
fn each_fault_breaks_its_own_rule_and_no_other() {
    let verdicts = FAULTS.iter().flat_map(|(fault, broken)| {
        RULES.iter().filter_map(move |rule| match (keeps(Some(*fault), rule), rule.name == *broken) {
            (true, true) => Some(format!("{fault:?} is not noticed by {rule:?}")),
            (false, false) => Some(format!("{fault:?} also breaks {rule:?}")),
            _ => None,
        })
    });
    let wrong: Vec<String> = verdicts.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs one rule on a paused clock of its own.
fn keeps(fault: Option<Fault>, rule: &Rule) -> bool {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O can always be built");
    catch_unwind(AssertUnwindSafe(|| runtime.block_on((rule.run)(&ModelHarness(fault))))).is_ok()
}

struct ModelHarness(Option<Fault>);

#[async_trait]
impl Harness for ModelHarness {
    async fn handles(&self, limits: Limits, count: usize) -> Vec<Arc<dyn SessionStore>> {
        ModelStore::handles(limits, count, self.0)
    }

    async fn elapse(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    fn tick(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn spawn(&self, task: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        let task = tokio::spawn(task);
        Box::pin(async { task.await.expect("the rule's task keeps the rule") })
    }
}
