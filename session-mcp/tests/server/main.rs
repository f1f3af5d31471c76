//! The library from outside: a server with sessions and the clients of both eras.

mod common;

mod cancelling;
mod extractor;
mod handles;
mod hostile;
mod http;
mod mine;
mod owners;
mod projects;
mod resolution;
mod streams;
mod tools;
