//! Several processes that share their sessions, behind a balancer that knows nothing of them.

mod asked;
mod client;
mod ending;
mod eras;
mod fleet;
mod hostile;
mod keeping;
mod quick;
mod relaying;
mod restoring;
mod site;
mod streams;
