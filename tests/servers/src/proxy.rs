//! A network between a client and a server, with faults.

mod connection;
mod traffic;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

use crate::port::free_port;
use connection::Connection;
pub use traffic::Traffic;

/// A TCP proxy in front of a server, on a port of its own, whose faults are switched while it runs.
///
/// It passes bytes on as they come until a method says otherwise; a fault lasts until the next one, or until
/// [`pass`](Self::pass). TCP loses no bytes within a connection, so neither does the proxy: a connection of which bytes
/// were dropped passes no more for as long as it lives, and its client has to give it up.
///
/// A connection for which the server is not there is closed at once. All end when the proxy is dropped.
#[derive(Debug)]
pub struct Proxy {
    addr: SocketAddr,
    switches: watch::Sender<Switches>,
    traffic: Arc<Traffic>,
    accepting: AbortHandle,
}

/// What a proxy does. Written by the methods of [`Proxy`], and by a connection whose reply was eaten.
#[derive(Clone, Debug)]
struct Switches {
    target: SocketAddr,
    fault: Fault,
    /// Whose connections are black holes.
    cut_off: Vec<IpAddr>,
    replies_to_eat: usize,
    /// What a request contains if its reply is to be eaten.
    eat_after: Vec<u8>,
    /// Connections of an earlier round are closed.
    round: u64,
    /// Connections of an earlier round that lost bytes are closed.
    lost_round: u64,
}

impl Switches {
    fn to(target: SocketAddr) -> Self {
        let (cut_off, eat_after) = (Vec::new(), Vec::new());
        Self { target, fault: Fault::None, cut_off, replies_to_eat: 0, eat_after, round: 0, lost_round: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    Delay(Duration),
    Throttle { bytes_per_second: u64 },
    Hold,
    BlackHole,
    Refuse,
}

impl Proxy {
    /// Starts one in front of a server.
    ///
    /// # Panics
    ///
    /// If no port is free, or outside of a tokio runtime.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = loop {
            if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, free_port())).await {
                break listener;
            }
        };
        let addr = listener.local_addr().expect("it is bound");
        let switches = watch::Sender::new(Switches::to(target));
        let traffic = Arc::<Traffic>::default();
        let accepting = tokio::spawn(accept(listener, addr, switches.clone(), traffic.clone())).abort_handle();
        Self { addr, switches, traffic, accepting }
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What went through.
    #[must_use]
    pub fn traffic(&self) -> &Traffic {
        &self.traffic
    }

    /// Ends the fault, whichever it is.
    pub fn pass(&self) {
        self.switches.send_modify(|switches| {
            switches.fault = Fault::None;
            switches.cut_off.clear();
            switches.replies_to_eat = 0;
        });
    }

    /// Lets new connections lead to another server. Those that are open stay where they are.
    pub fn retarget(&self, target: SocketAddr) {
        self.switches.send_modify(|switches| switches.target = target);
    }

    /// Delays all bytes, each way.
    pub fn delay(&self, each_way: Duration) {
        self.set(Fault::Delay(each_way));
    }

    /// Slows each connection down, each way.
    ///
    /// # Panics
    ///
    /// If nothing at all would pass.
    pub fn throttle(&self, bytes_per_second: u64) {
        assert!(bytes_per_second > 0, "a network that passes nothing is held");
        self.set(Fault::Throttle { bytes_per_second });
    }

    /// Keeps all bytes back until the fault ends, then passes them on, as a network does that comes back in time.
    pub fn hold(&self) {
        self.set(Fault::Hold);
    }

    /// Accepts connections and drops all bytes, both ways. What is open stays open.
    pub fn black_hole(&self) {
        self.set(Fault::BlackHole);
    }

    /// The same for the connections that come from one address.
    pub fn cut_off(&self, source: IpAddr) {
        self.switches.send_modify(|switches| switches.cut_off.push(source));
    }

    /// Refuses new connections. Those that are open stay as they are.
    pub fn refuse(&self) {
        self.set(Fault::Refuse);
    }

    /// Closes all connections.
    pub fn close_all(&self) {
        self.switches.send_modify(|switches| switches.round += 1);
    }

    /// Closes the connections that lost bytes, which would never pass any again.
    pub fn close_lost(&self) {
        self.switches.send_modify(|switches| switches.lost_round += 1);
    }

    /// Loses replies, `times` times: the server gets and executes all that was sent on the connection, the client gets
    /// no answer, and the connection is closed.
    pub fn eat_replies(&self, times: usize) {
        self.eat_replies_to("", times);
    }

    /// The same for the replies that follow a request which contains a text, such as `EVALSHA`. The replies of a
    /// handshake pass then.
    pub fn eat_replies_to(&self, text: &str, times: usize) {
        self.switches.send_modify(|switches| {
            text.as_bytes().clone_into(&mut switches.eat_after);
            switches.replies_to_eat = times;
        });
    }

    /// How many replies are still to be lost.
    #[must_use]
    pub fn replies_to_eat(&self) -> usize {
        self.switches.borrow().replies_to_eat
    }

    fn set(&self, fault: Fault) {
        self.switches.send_modify(|switches| switches.fault = fault);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Accepts until it is aborted, which drops the connections.
async fn accept(listener: TcpListener, addr: SocketAddr, switches: watch::Sender<Switches>, traffic: Arc<Traffic>) {
    let mut listener = Some(listener);
    let mut changes = switches.subscribe();
    let mut connections = JoinSet::new();
    loop {
        if changes.borrow_and_update().fault == Fault::Refuse {
            listener = None;
        } else if listener.is_none() {
            listener = TcpListener::bind(addr).await.ok();
        }
        let Some(open) = &listener else {
            // Back to the top at the next change, or to bind again.
            tokio::select! { _ = changes.changed() => {}, () = sleep(Duration::from_millis(20)) => {} }
            continue;
        };
        tokio::select! {
            _ = changes.changed() => {}
            Some(_) = connections.join_next() => {}
            Ok((client, source)) = open.accept() => {
                let connection = Connection::new(source.ip(), switches.clone(), traffic.clone());
                connections.spawn(connection.run(client));
            }
        }
    }
}
