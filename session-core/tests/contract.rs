//! The contract and its rules speak of each other.

use std::collections::BTreeSet;

use session_core::conformance::RULES;

const CONTRACT: &str = include_str!("../src/store.rs");

#[test]
fn every_rule_proves_a_promise_of_the_contract() {
    for rule in RULES {
        assert!(CONTRACT.contains(&format!("*`{}`*", rule.name)), "no promise names {rule:?}");
    }
}

#[test]
fn every_check_that_the_contract_names_exists() {
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    let named = CONTRACT.split("*`").skip(1).filter_map(|rest| rest.split_once("`*")).map(|(name, _)| name);
    for name in named {
        assert!(rules.contains(name), "the contract names a check `{name}` that does not exist");
    }
}
