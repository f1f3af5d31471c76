#![doc = include_str!("../README.md")]

mod config;
mod url;

pub use config::{InvalidPrefix, KeyPrefix, RedisConfig};
pub use url::{Credentials, Endpoint, InvalidRedisUrl, RedisUrl, Topology};
