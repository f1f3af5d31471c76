//! One connection to one server.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, PushInfo, RedisConnectionInfo, RedisError, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use super::gather::gathering;
use super::pulse::with_pulse;

/// A connection that many requests share. It closes with its last handle.
///
/// Dropping [`send`](Self::send) leaves it in order: the reply is read and thrown away when its turn comes.
#[derive(Debug)]
pub(crate) struct Connection {
    multiplexed: MultiplexedConnection,
    seen: Arc<Seen>,
    driver: Option<AbortHandle>,
}

/// What was seen of a stream. The driver writes it, and those who send write what is under way.
#[derive(Debug, Default)]
struct Seen {
    /// How many bytes came.
    received: AtomicU64,
    /// How many requests wait for replies.
    under_way: AtomicUsize,
    /// The error it ended with. Those who wait for replies are told no more than that it ended.
    failure: OnceLock<Arc<io::Error>>,
}

impl Connection {
    /// Takes over a stream to a server that was sent nothing yet. `ended` is called when the connection breaks.
    pub(crate) async fn over<S>(stream: S, ended: impl FnOnce() + Send + 'static) -> Result<Self, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        // The handshake is ours, because its answer matters; without credentials and database the library sends none.
        let nobody = RedisConnectionInfo::default().set_skip_set_lib_name();
        Self::set_up(stream, &nobody, AsyncConnectionConfig::new(), ended).await
    }

    /// The same in the protocol by which the server also says what nobody asked for, and `hears` is called for each.
    /// The library introduces itself then.
    pub(crate) async fn listening<S>(
        stream: S,
        as_whom: &RedisConnectionInfo,
        hears: impl Fn(PushInfo) + Send + Sync + 'static,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Self, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let hears = move |push| {
            hears(push);
            Ok::<(), Infallible>(())
        };
        Self::set_up(stream, as_whom, AsyncConnectionConfig::new().set_push_sender(hears), ended).await
    }

    async fn set_up<S>(
        stream: S,
        as_whom: &RedisConnectionInfo,
        config: AsyncConnectionConfig,
        ended: impl FnOnce() + Send + 'static,
    ) -> Result<Self, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let seen = Arc::new(Seen::default());
        let (stream, sent) = (Watched { stream, seen: Arc::clone(&seen) }, Arc::clone(&seen));
        // The library's own timeouts are off: a link has one for each attempt.
        let config = config.set_connection_timeout(None).set_response_timeout(None);
        let (multiplexed, driver) = MultiplexedConnection::new_with_config(as_whom, stream, config).await?;
        let threads = Handle::current().metrics().num_workers();
        let driver = tokio::spawn(async move {
            // With fewer, a thread is likely idle, and would be woken to take over what waits.
            let are_many = || sent.under_way.load(Ordering::Relaxed) > threads;
            gathering(with_pulse(driver), are_many).await;
            ended();
        });
        Ok(Self { multiplexed, seen, driver: Some(driver.abort_handle()) })
    }

    /// A connection that somebody else made.
    pub(crate) fn owned_by_caller(multiplexed: MultiplexedConnection) -> Self {
        Self { multiplexed, seen: Arc::default(), driver: None }
    }

    /// Sends commands and waits for one reply for each.
    pub(crate) async fn send(&self, steps: &Pipeline) -> Result<Vec<Value>, RedisError> {
        let _under_way = UnderWay::begin(&self.seen);
        self.multiplexed.clone().send_packed_commands(steps, 0, steps.len()).await
    }

    /// How many bytes came so far.
    pub(crate) fn received(&self) -> u64 {
        self.seen.received.load(Ordering::Relaxed)
    }

    /// The error that it ended with, if there was one.
    pub(crate) fn failure(&self) -> Option<Arc<io::Error>> {
        self.seen.failure.get().cloned()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

/// A request that waits for its replies.
struct UnderWay<'a>(&'a Seen);

impl<'a> UnderWay<'a> {
    fn begin(seen: &'a Seen) -> Self {
        seen.under_way.fetch_add(1, Ordering::Relaxed);
        Self(seen)
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A stream whose owner can be asked what was seen.
struct Watched<S> {
    stream: S,
    seen: Arc<Seen>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            self.seen.received.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        read.map_err(|error| {
            let error = Arc::clone(self.seen.failure.get_or_init(|| Arc::new(error)));
            io::Error::new(error.kind(), error)
        })
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
