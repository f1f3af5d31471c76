#![doc = include_str!("../README.md")]

mod config;
mod journal;
mod store;
mod url;

mod admission;
mod census;
mod changes;
mod client;
mod clock;
mod fields;
mod keys;
mod listing;
mod reply;
mod scripts;
mod sessions;
mod snapshots;
mod turns;
mod writer;

pub use client::ConnectError;
pub use config::{Durability, InvalidPrefix, KeyPrefix, RedisConfig, TlsFiles};
pub use journal::RedisJournal;
pub use store::RedisStore;
pub use url::{Credentials, Endpoint, InvalidRedisUrl, RedisUrl, Topology};
