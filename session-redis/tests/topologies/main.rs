//! The store on servers of every kind: the contract's rules on each, and what a fleet of servers answers while some of
//! them are in trouble. There, too, most tests are judged by a [`history`].

#[path = "../faults/history.rs"]
mod history;
#[path = "../faults/reader.rs"]
mod reader;
#[path = "../faults/stores.rs"]
#[allow(dead_code, reason = "the tests of faults use the rest")]
mod stores;
#[path = "../support/mod.rs"]
mod support;

mod rules;

mod bystanders;
mod figures;
mod shards;

mod failovers;
mod following;
mod migrations;
mod partitions;

mod durability;
