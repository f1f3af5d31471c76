#![doc = include_str!("../README.md")]

#[cfg(feature = "http")]
mod ahead;
mod config;
mod lifespan;
mod time;
mod timer;

mod bracket;
mod connection;
mod error;
mod heartbeat;
mod principal;
mod resolve;
mod session;
mod source;
mod with_sessions;
mod within;

pub mod project;

mod server;
mod tools;

#[cfg(feature = "memory")]
mod testing;

#[cfg(feature = "http")]
mod http;
#[cfg(feature = "server")]
mod program;
#[cfg(any(feature = "stdio", feature = "http"))]
mod serve;
#[cfg(feature = "stdio")]
mod stdio;
#[cfg(feature = "http")]
mod tokens;

#[cfg(feature = "redis")]
pub use config::RedisSettings;
pub use config::{Config, InvalidStoreUrl, JournalConfig, LimitsConfig, LogFormat, StoreUrl};
pub use error::SessionError;
#[cfg(feature = "http")]
pub use http::{Endpoint, serve_http};
pub use lifespan::{Lifespan, StartError};
pub use principal::{InvalidPrincipal, Principal};
#[cfg(feature = "server")]
pub use program::Program;
pub use resolve::SESSION_ARGUMENT;
#[cfg(any(feature = "stdio", feature = "http"))]
pub use serve::ServeError;
pub use server::SessionServer;
pub use session::Session;
pub use source::Source;
#[cfg(feature = "stdio")]
pub use stdio::{serve_connection, serve_stdio};
#[cfg(feature = "memory")]
pub use testing::TestSession;
pub use timer::TokioTimer;
#[cfg(feature = "http")]
pub use tokens::{InvalidTokens, Tokens, UnusableTokens};
pub use tools::{Durability, InSession, SessionTools};
pub use with_sessions::WithSessions;
