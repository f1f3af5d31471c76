//! Projects in real trees of folders.

#![cfg(unix)]

mod cache;
mod confinement;
mod discovery;
mod git;
mod mounts;
mod placing;
mod reference;
mod resolving;
mod switching;
mod trees;
mod unreadable;
mod workers;
