//! The program from outside: its settings, its words when they are wrong, its log, its end.
#![cfg(unix)]

mod common;

mod authentication;
mod life;
mod log;
mod settings;
mod store;
