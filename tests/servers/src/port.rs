//! Ports to listen on.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below the ports that the system gives to outgoing connections, so that a server that is down finds its port free
/// when it returns.
const PORTS: Range<u16> = 10_000..20_000;

/// How far above its own port a cluster node before 7.0 listens for the other nodes.
pub(crate) const BUS_OFFSET: u16 = 10_000;

/// Finds a loopback port on which nothing listens, nor on the port 10,000 above, which a cluster node takes too.
///
/// Another process can take it before it is used. Ports are drawn by chance, which makes that rare; who listens there
/// tries again with another.
///
/// # Panics
///
/// If no port is free.
#[must_use]
pub fn free_port() -> u16 {
    let free = |port: u16| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok();
    (0..1_000).map(|_| random_port()).find(|&port| free(port) && free(port + BUS_OFFSET)).expect("a port is free")
}

fn random_port() -> u16 {
    // Each `RandomState` has keys of its own.
    let chance = RandomState::new().build_hasher().finish() % u64::from(PORTS.end - PORTS.start);
    PORTS.start + u16::try_from(chance).expect("less than the number of ports")
}
