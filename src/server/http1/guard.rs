//! The bytes of a connection on their way to hyper, with the progress among them shown to [`Progress`].

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

use super::progress::{Progress, Reading};

/// A connection that shows progress to [`Progress`] as they are read. It outlives hyper: where hyper shuts it down, what was
/// written is flushed, and no more.
pub(super) struct HeadGuard<T> {
    inner: T,
    progress: Arc<Progress>,
    /// What was read from `inner` before.
    first: Option<u8>,
    /// The last write was not taken whole.
    blocked: bool,
}

impl<T> HeadGuard<T> {
    /// `first`: a byte that was read from `inner` before.
    pub(super) fn new(inner: T, first: u8, progress: Arc<Progress>) -> Self {
        Self { inner, progress, first: Some(first), blocked: false }
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
    }

    fn note(&mut self, written: Poll<io::Result<usize>>, length: usize) -> Poll<io::Result<usize>> {
        let blocked = !matches!(written, Poll::Ready(Ok(written)) if written == length);
        if std::mem::replace(&mut self.blocked, blocked) != blocked {
            self.progress.set_blocked(blocked);
        }
        written
    }
}

/// Of a head, at a time.
const PIECE: usize = 4096;

impl<T: Read + Unpin> Read for HeadGuard<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Self { inner, progress, first, .. } = &mut *self;
        match progress.reading() {
            Reading::Head => {}
            Reading::Body => return Pin::new(inner).poll_read(cx, buf),
            Reading::TooLarge => return Poll::Ready(Err(io::Error::other("the head is too large"))),
        }
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let room = PIECE.min(buf.remaining());
        let mut piece = ReadBuf::uninit(&mut piece[..room]);
        if let Some(first) = first.take() {
            piece.unfilled().put_slice(&[first]);
            // What else there is comes with it. An end or an error comes again.
            let _ = Pin::new(inner).poll_read(cx, piece.unfilled());
        } else {
            ready!(Pin::new(inner).poll_read(cx, piece.unfilled()))?;
        }
        if progress.read(piece.filled()) {
            buf.put_slice(piece.filled());
        } else {
            // The error comes with the next read: one before the first byte would pass for a client that just left.
            buf.put_slice(&piece.filled()[..1]);
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for HeadGuard<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.note(written, bytes.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(cx, pieces);
        self.note(written, pieces.iter().map(|piece| piece.len()).sum())
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use super::{super::scan::LOOKED_AT, *};

    /// A client whose bytes come one at a time.
    struct Trickle<'a>(std::slice::Iter<'a, u8>);

    impl Read for Trickle<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            mut buf: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            let next = self.0.next();
            Poll::Ready(next.map_or_else(
                || Ok(()),
                |byte| {
                    buf.put_slice(&[*byte]);
                    Ok(())
                },
            ))
        }
    }

    #[test]
    fn listener_head_that_arrives_byte_by_byte_is_scanned_once() {
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(100_000));
        let progress = Arc::new(Progress::new(128 << 10));
        let (first, rest) = head.as_bytes().split_first().unwrap();
        let mut guard = HeadGuard::new(Trickle(rest.iter()), *first, progress);
        let mut cx = Context::from_waker(Waker::noop());
        let (before, mut passed) = (LOOKED_AT.get(), Vec::new());
        loop {
            let mut bytes = [MaybeUninit::uninit(); 8192];
            let mut buf = ReadBuf::uninit(&mut bytes);
            assert!(matches!(Pin::new(&mut guard).poll_read(&mut cx, buf.unfilled()), Poll::Ready(Ok(()))));
            if buf.filled().is_empty() {
                break;
            }
            passed.extend_from_slice(buf.filled());
        }
        assert!(passed == head.as_bytes(), "{} of {} bytes passed", passed.len(), head.len());
        assert_eq!(LOOKED_AT.get() - before, head.len());
    }
}
