//! A bound on standing still, for bodies and for sockets that nobody reads from.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::rt::{Read, ReadBufCursor, Write};
use tokio::time::{Instant, Sleep};

/// Ends what doesn't move for between one and two times a limit. The timer is made at the first wait, and set anew
/// only when it fires: what moves pays nothing for it.
pub(crate) struct Stall {
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
    moved: bool,
}

/// Nothing moved for so long.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("nothing moved for {0:?}")]
pub struct Stalled(pub Duration);

impl Stall {
    pub(crate) fn new(limit: Duration) -> Self {
        Self { limit, timer: None, moved: false }
    }

    /// Polls something else; an error once that was pending for too long.
    pub(crate) fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Result<T, Stalled>> {
        if let Poll::Ready(item) = poll(cx) {
            self.moved = true;
            return Poll::Ready(Ok(item));
        }
        let timer = self.timer.get_or_insert_with(|| {
            self.moved = false;
            Box::pin(tokio::time::sleep(self.limit))
        });
        while timer.as_mut().poll(cx).is_ready() {
            timer.as_mut().reset(Instant::now() + self.limit);
            if !std::mem::take(&mut self.moved) {
                return Poll::Ready(Err(Stalled(self.limit)));
            }
        }
        Poll::Pending
    }
}

/// A connection whose writes fail when the other side takes nothing for too long. Reads wait as long as they like:
/// how long is for whoever waits for them to say.
pub(crate) struct WriteBound<T> {
    inner: T,
    stall: Stall,
}

impl<T> WriteBound<T> {
    pub(crate) fn new(inner: T, limit: Duration) -> Self {
        Self { inner, stall: Stall::new(limit) }
    }

    pub(crate) fn into_inner(self) -> T {
        self.inner
    }
}

impl<T: Read + Unpin> Read for WriteBound<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl<T: Write + Unpin> WriteBound<T> {
    fn bounded<R>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut T>, &mut Context<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>> {
        let Self { inner, stall } = self;
        let written = ready!(stall.poll(cx, |cx| write(Pin::new(inner), cx)));
        Poll::Ready(written.unwrap_or_else(|stalled| Err(io::Error::new(io::ErrorKind::TimedOut, stalled))))
    }
}

impl<T: Write + Unpin> Write for WriteBound<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.bounded(cx, |inner, cx| inner.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.bounded(cx, |inner, cx| inner.poll_write_vectored(cx, pieces))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bounded(cx, T::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bounded(cx, T::poll_shutdown)
    }
}
