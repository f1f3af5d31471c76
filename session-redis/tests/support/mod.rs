//! What these tests share.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod harness;
pub(crate) mod sessions;
