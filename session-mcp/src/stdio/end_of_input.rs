//! Tells when an input has come to its end.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::sync::CancellationToken;

/// An input that cancels a token when nothing more will come.
#[derive(Debug)]
pub(super) struct EndOfInput<R> {
    inner: R,
    ended: CancellationToken,
}

impl<R> EndOfInput<R> {
    pub(super) fn new(inner: R, ended: CancellationToken) -> Self {
        Self { inner, ended }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for EndOfInput<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let (before, has_room) = (buffer.filled().len(), buffer.remaining() > 0);
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        if matches!(polled, Poll::Ready(Err(_))) || polled.is_ready() && has_room && buffer.filled().len() == before {
            self.ended.cancel();
        }
        polled
    }
}
