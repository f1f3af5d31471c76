//! The library from outside: a server with sessions and the clients of both eras.

mod common;

mod extractor;
mod handles;
mod http;
mod resolution;
mod tools;
