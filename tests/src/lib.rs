//! What the tests of this package share: the built binary, the clients that people use, and a project to work in.
//!
//! Everything here panics with what to do about it when a part is missing: a test without its parts has failed.

mod aging;
mod balancer;
mod binary;
mod checkout;
mod client;
mod counter;
mod link;
mod reach;
mod server;

pub use aging::age;
pub use balancer::Balancer;
pub use binary::{binary, everything};
pub use checkout::Checkout;
pub use client::{Answer, Client, Sdk};
pub use counter::Counter;
pub use link::{Link, Site, Transport};
pub use reach::{Reach, message};
pub use server::{HttpServer, SlowPost, StdioServer, address};

/// The workspace's README, whose examples compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
