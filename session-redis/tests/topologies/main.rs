//! The store on servers of every kind: the contract's rules on each, and what a fleet of servers answers while some of
//! them are in trouble.

mod rules;
#[path = "../support/mod.rs"]
mod support;
