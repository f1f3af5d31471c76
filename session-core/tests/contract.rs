//! The contracts and their rules speak of each other.

use std::collections::BTreeSet;

use session_core::conformance::{JOURNAL_RULES, RULES};

/// Each contract, and the names of its rules.
fn contracts() -> [(&'static str, BTreeSet<&'static str>); 2] {
    let store = RULES.iter().map(|rule| rule.name).collect();
    let journal = JOURNAL_RULES.iter().map(|rule| rule.name).collect();
    [(include_str!("../src/store.rs"), store), (include_str!("../src/journal.rs"), journal)]
}

#[test]
fn every_rule_proves_a_promise_of_its_contract() {
    for (contract, rules) in contracts() {
        for rule in rules {
            assert!(contract.contains(&format!("*`{rule}`*")), "no promise names {rule}");
        }
    }
}

#[test]
fn every_check_that_a_contract_names_exists() {
    for (contract, rules) in contracts() {
        let named = contract.split("*`").skip(1).filter_map(|rest| rest.split_once("`*")).map(|(name, _)| name);
        for name in named {
            assert!(rules.contains(name), "the contract names a check `{name}` that does not exist");
        }
    }
}
