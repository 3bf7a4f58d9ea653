//! How much of an answer has come: whether a connection that failed had begun to answer, and an end to interim answers
//! without one.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that came over a connection since its last request was sent, until the answer's head was there.
#[derive(Default)]
pub(super) struct Received(AtomicUsize);

/// The head of an answer is there: bytes are counted no more.
const ANSWERED: usize = usize::MAX;

/// The most that is read for the head of an answer, with all interim ones (1xx) before it. Large enough for a full head
/// and what is read of the body along with it.
const MOST: usize = 512 << 10;

impl Received {
    /// A request is about to be sent.
    pub(super) fn expect(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// The head of its answer is there.
    pub(super) fn answered(&self) {
        self.0.store(ANSWERED, Ordering::Relaxed);
    }

    /// Whether that is so, and no other request was sent since.
    pub(super) fn is_answered(&self) -> bool {
        self.0.load(Ordering::Relaxed) == ANSWERED
    }

    /// Whether a byte of the answer came.
    pub(super) fn has_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// `false` when it is too much.
    fn add(&self, bytes: usize) -> bool {
        let before = self.0.load(Ordering::Relaxed);
        if before != ANSWERED {
            self.0.store(before + bytes, Ordering::Relaxed);
        }
        before == ANSWERED || before + bytes <= MOST
    }
}

/// A stream whose incoming bytes are counted.
pub(super) struct Counted<T> {
    inner: T,
    received: Arc<Received>,
}

impl<T> Counted<T> {
    pub(super) fn new(inner: T, received: Arc<Received>) -> Self {
        Self { inner, received }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Counted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buf))?;
        if self.received.add(buf.filled().len() - before) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Ready(Err(io::Error::other("interim answers without an end")))
        }
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Counted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
