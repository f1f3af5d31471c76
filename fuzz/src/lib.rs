//! What is fuzzed: each function takes a text that anybody may write, and panics where a promise is broken.
#![forbid(unsafe_code)]

mod config;
mod resolver;

pub use config::config;
pub use resolver::resolver;
