//! What the store answers while its server, or the network in between, is in trouble. Each fault is a test; most are
//! judged by a [`history`]: writers write throughout, and what they were told has to agree with what is there in the
//! end.

mod history;
mod reader;
mod stores;

mod network;
mod restarts;

mod following;

mod originals;
mod retries;

mod demotion;
mod memory;
mod refusals;
mod scripts;

mod cancellation;
mod corruption;
mod crowd;

mod clock;
