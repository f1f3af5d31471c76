//! What stands between the nodes of a cluster that can be parted.

use std::net::{IpAddr, Ipv4Addr};

use crate::flavor::Flavor;
use crate::port::BUS_OFFSET;
use crate::proxy::Proxy;
use crate::server::Server;

/// The proxies in front of a node: the only ways to it that others are told of.
///
/// A node is known to the doors of the others by the loopback address from which it connects.
#[derive(Debug)]
pub(super) struct Doors {
    clients: Proxy,
    bus: Proxy,
}

impl Doors {
    /// Puts doors in front of a node and lets it announce them.
    pub(super) async fn before(node: &Server) -> Self {
        let mut bus = node.addr();
        bus.set_port(node.port() + BUS_OFFSET);
        let doors = Self { clients: Proxy::to(node.addr()).await, bus: Proxy::to(bus).await };
        for (key, proxy) in [("cluster-announce-port", &doors.clients), ("cluster-announce-bus-port", &doors.bus)] {
            node.cli(&["CONFIG", "SET", key, &proxy.addr().port().to_string()]).await;
        }
        node.cli(&["CONFIG", "REWRITE"]).await;
        doors
    }

    /// The line of configuration that lets a node connect from an address of its own.
    pub(super) fn source_of(node: usize, flavor: &Flavor) -> (&'static str, String) {
        if flavor.version() >= (7, 0, 0) {
            ("bind-source-addr", address_of(node).to_string())
        } else {
            // Before, a node connects from the first address at which it listens.
            ("bind", format!("{} 127.0.0.1", address_of(node)))
        }
    }

    /// The way of the clients, and of replicas.
    pub(super) fn clients(&self) -> &Proxy {
        &self.clients
    }

    /// The way of the other nodes.
    pub(super) fn bus(&self) -> &Proxy {
        &self.bus
    }

    /// Shuts them silently to a node.
    pub(super) fn cut_off(&self, node: usize) {
        self.clients.cut_off(address_of(node));
        self.bus.cut_off(address_of(node));
    }

    /// Opens them to all. A replica would wait a minute for a connection that lost bytes.
    pub(super) fn heal(&self) {
        for proxy in [&self.clients, &self.bus] {
            proxy.pass();
            proxy.close_lost();
        }
    }
}

fn address_of(node: usize) -> IpAddr {
    Ipv4Addr::new(127, 0, 0, 10 + u8::try_from(node).expect("a test has few nodes")).into()
}
