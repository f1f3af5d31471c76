//! One connection to one server.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Pipeline, RedisConnectionInfo, RedisError, Value};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::AbortHandle;

/// A connection that many requests share. It closes with its last handle.
///
/// Dropping [`send`](Self::send) leaves it in order: the reply is read and thrown away when its turn comes.
#[derive(Debug)]
pub(crate) struct Connection {
    multiplexed: MultiplexedConnection,
    received: Arc<AtomicU64>,
    driver: Option<AbortHandle>,
}

impl Connection {
    /// Takes over a stream to a server that was sent nothing yet. `ended` is called when the connection breaks.
    pub(crate) async fn over<S>(stream: S, ended: impl FnOnce() + Send + 'static) -> Result<Self, RedisError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let received = Arc::new(AtomicU64::new(0));
        let counted = Counted { stream, received: Arc::clone(&received) };
        // The handshake is ours, because its answer matters; without credentials and database the library sends none.
        let nothing = RedisConnectionInfo::default().set_skip_set_lib_name();
        // The library's own timeouts are off: a link has one for each attempt.
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let (multiplexed, driver) = MultiplexedConnection::new_with_config(&nothing, counted, config).await?;
        let driver = tokio::spawn(async move {
            driver.await;
            ended();
        });
        Ok(Self { multiplexed, received, driver: Some(driver.abort_handle()) })
    }

    /// A connection that somebody else made.
    pub(crate) fn owned_by_caller(multiplexed: MultiplexedConnection) -> Self {
        Self { multiplexed, received: Arc::default(), driver: None }
    }

    /// Sends commands and waits for one reply for each.
    pub(crate) async fn send(&self, steps: &Pipeline) -> Result<Vec<Value>, RedisError> {
        self.multiplexed.clone().send_packed_commands(steps, 0, steps.len()).await
    }

    /// How many bytes came so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

/// A stream that counts what it receives.
struct Counted<S> {
    stream: S,
    received: Arc<AtomicU64>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        let bytes = buf.filled().len() - before;
        if bytes > 0 {
            self.received.fetch_add(bytes as u64, Ordering::Relaxed);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
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
