//! Clients of both protocol eras at once, each library as its users have it, on the `everything` example: nobody counts
//! in another's session, over stdio and HTTP, in memory and in Redis.

mod client;
mod in_process;
mod library;
mod site;

mod counting;
mod handles;
mod mirroring;
mod refusals;
mod tools;
