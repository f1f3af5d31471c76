#![doc = include_str!("../README.md")]

mod config;
mod journal;
mod store;

mod accounts;
mod admission;
mod clock;
mod deadlines;
mod entry;
mod graves;
mod hasher;
mod locators;
mod sessions;
mod sweeper;
mod table;

pub use config::MemoryConfig;
pub use journal::MemoryJournal;
pub use store::MemoryStore;
