//! Redis servers, clusters and faulty networks for the tests of the workspace, on loopback.
//!
//! Everything here is real: the processes are those that an operator runs, and the commands given to them go over a
//! connection of their own, never through the code under test. Whatever a value started ends when the value is dropped,
//! by its process id, and its folder is removed.
//!
//! Nothing waits for ever. What does not come about in time is a panic that says what was waited for and shows the
//! log of the server.

mod flavor;
mod server;

mod cluster;
mod sentinels;

mod certificates;
mod monitor;
mod proxy;

mod patience;
mod port;
mod process;

pub use certificates::Certificates;
pub use cluster::{Cluster, ClusterBuilder, Migration};
pub use flavor::Flavor;
pub use monitor::{Command, Monitor};
pub use patience::eventually;
pub use port::free_port;
pub use proxy::{Proxy, Traffic};
pub use sentinels::{Sentinels, SentinelsBuilder};
pub use server::{Server, ServerBuilder};
