//! One connection through a proxy.

use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::traffic::ConnectionTraffic;
use super::{Fault, Switches, Traffic};

/// How many chunks of a direction are under way at once: enough for a fast client on a slow network.
const UNDER_WAY: usize = 1_024;
const CHUNK: usize = 16 * 1_024;

/// How long a server whose replies are eaten has to execute what it got.
const LAST_WORDS: Duration = Duration::from_secs(1);

pub(super) struct Connection {
    source: IpAddr,
    switches: watch::Sender<Switches>,
    traffic: Arc<Traffic>,
    /// Set by either direction when it drops bytes. The other drops its own from then on.
    lost: AtomicBool,
    /// Set while the reply to the last request is one of those to eat.
    tempting: AtomicBool,
}

/// Why a direction ends.
enum End {
    /// The connection is over, for both sides.
    Closed,
    /// The reply that came is to be eaten.
    Eaten,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

impl Connection {
    pub(super) fn new(source: IpAddr, switches: watch::Sender<Switches>, traffic: Arc<Traffic>) -> Self {
        Self { source, switches, traffic, lost: AtomicBool::new(false), tempting: AtomicBool::new(false) }
    }

    /// Runs until a side closes it, or the proxy does.
    pub(super) async fn run(self, client: TcpStream) {
        let mut switches = self.switches.subscribe();
        let (round, lost_round) = (switches.borrow().round, switches.borrow().lost_round);
        let closed = switches.wait_for(|switches| {
            switches.round != round || switches.lost_round != lost_round && self.lost.load(Ordering::Relaxed)
        });
        tokio::select! { _ = closed => {}, _ = self.pass(client) => {} }
    }

    async fn pass(&self, mut client: TcpStream) -> io::Result<()> {
        if self.drops() {
            return swallow(&mut client).await;
        }
        let target = self.switches.borrow().target;
        let mut server = TcpStream::connect(target).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let traffic = self.traffic.connection();
        let (from_client, mut to_client) = client.split();
        let (from_server, mut to_server) = server.split();
        let end = tokio::select! {
            end = self.carry(Direction::ToServer, &traffic, from_client, &mut to_server) => end?,
            end = self.carry(Direction::ToClient, &traffic, from_server, &mut to_client) => end?,
        };
        match end {
            End::Closed => Ok(()),
            End::Eaten => {
                server.shutdown().await?;
                timeout(LAST_WORDS, swallow(&mut server)).await?
            }
        }
    }

    /// Carries the bytes of one direction, until there are no more.
    async fn carry(
        &self,
        direction: Direction,
        traffic: &ConnectionTraffic<'_>,
        mut from: ReadHalf<'_>,
        to: &mut WriteHalf<'_>,
    ) -> io::Result<End> {
        let (sender, mut chunks) = mpsc::channel::<(Option<Instant>, Vec<u8>)>(UNDER_WAY);
        let read = async move {
            let mut buffer = vec![0; CHUNK];
            loop {
                let length = from.read(&mut buffer).await?;
                if length == 0 {
                    return io::Result::Ok(());
                }
                let due = self.delay().map(|delay| Instant::now() + delay);
                let _ = sender.send((due, buffer[..length].to_vec())).await;
            }
        };
        let write = async {
            while let Some((due, chunk)) = chunks.recv().await {
                if let Some(due) = due {
                    sleep_until(due).await;
                }
                self.held().await;
                if self.drops() {
                    continue;
                }
                match direction {
                    Direction::ToServer => {
                        self.tempt(&chunk);
                        traffic.sent(chunk.len());
                    }
                    Direction::ToClient if self.eats() => return Ok(End::Eaten),
                    Direction::ToClient => traffic.received(chunk.len()),
                }
                self.write(&chunk, to).await?;
            }
            self.held().await;
            if direction == Direction::ToClient && self.drops() {
                // That the server is gone is lost like its bytes.
                pending::<()>().await;
            }
            Ok(End::Closed)
        };
        // When the reader ends, what it left in the queue is still written.
        let reader = async {
            let _ = read.await;
            pending::<io::Result<End>>().await
        };
        tokio::select! { end = write => end, end = reader => end }
    }

    async fn write(&self, chunk: &[u8], to: &mut WriteHalf<'_>) -> io::Result<()> {
        const PIECES_A_SECOND: u64 = 50;
        let Fault::Throttle { bytes_per_second } = self.fault() else {
            return to.write_all(chunk).await;
        };
        let size = usize::try_from(bytes_per_second.div_ceil(PIECES_A_SECOND)).unwrap_or(usize::MAX);
        for piece in chunk.chunks(size) {
            #[expect(clippy::cast_precision_loss, reason = "a rate needs no more digits than that")]
            sleep(Duration::from_secs_f64(piece.len() as f64 / bytes_per_second as f64)).await;
            to.write_all(piece).await?;
        }
        Ok(())
    }

    fn fault(&self) -> Fault {
        self.switches.borrow().fault
    }

    fn delay(&self) -> Option<Duration> {
        if let Fault::Delay(delay) = self.fault() { Some(delay) } else { None }
    }

    /// Waits while bytes are held.
    async fn held(&self) {
        if self.fault() == Fault::Hold {
            let _ = self.switches.subscribe().wait_for(|switches| switches.fault != Fault::Hold).await;
        }
    }

    /// Whether bytes are dropped. Once they were, all are.
    fn drops(&self) -> bool {
        let switches = self.switches.borrow();
        if switches.fault == Fault::BlackHole || switches.cut_off.contains(&self.source) {
            self.lost.store(true, Ordering::Relaxed);
        }
        self.lost.load(Ordering::Relaxed)
    }

    /// Looks whether the reply to these bytes is one to eat.
    fn tempt(&self, request: &[u8]) {
        let switches = self.switches.borrow();
        if switches.replies_to_eat > 0 && contains(request, &switches.eat_after) {
            self.tempting.store(true, Ordering::Relaxed);
        }
    }

    /// Takes one of the replies to eat, if there is one for this connection.
    fn eats(&self) -> bool {
        self.tempting.swap(false, Ordering::Relaxed)
            && self.switches.send_if_modified(|switches| {
                let hungry = switches.replies_to_eat > 0;
                switches.replies_to_eat -= usize::from(hungry);
                hungry
            })
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text))
}

/// Reads to the end and keeps nothing.
async fn swallow(stream: &mut TcpStream) -> io::Result<()> {
    let mut nothing = vec![0; CHUNK];
    while stream.read(&mut nothing).await? > 0 {}
    Ok(())
}
