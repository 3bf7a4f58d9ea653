//! The raw head of a request, beside what hyper makes of it: hyper takes the Content-Length away where there is a
//! Transfer-Encoding too, and ends a head that is too large with a bare status.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use http::{HeaderMap, header};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};

/// The bytes of the request head that is being read.
pub(super) struct Head {
    state: Mutex<State>,
    limit: usize,
}

struct State {
    /// A head is expected; else what comes is a body, and not looked at.
    expected: bool,
    bytes: Vec<u8>,
    too_large: bool,
}

impl Head {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::new(State { expected: true, bytes: Vec::new(), too_large: false }), limit }
    }

    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// A head is read next.
    pub(super) fn expect(&self) {
        self.lock().expected = true;
    }

    /// Some of a head came, but not all.
    pub(super) fn is_begun(&self) -> bool {
        !self.lock().bytes.is_empty()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.lock().too_large
    }

    /// A head was read. Whether it frames its body in two ways (RFC 9112, 6.3: one server reads the one, the next the
    /// other), or may: of a chunked request that came right behind another's body the head was not seen.
    pub(super) fn take(&self, headers: &HeaderMap, has_body: bool) -> bool {
        let mut state = self.lock();
        let chunked = headers.contains_key(header::TRANSFER_ENCODING);
        let twice = chunked && (state.bytes.is_empty() || names_a_length(&state.bytes));
        state.bytes.clear();
        state.expected = !has_body;
        twice
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn names_a_length(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').skip(1).take_while(|line| !line.trim_ascii().is_empty()).any(|line| {
        line.split(|byte| *byte == b':').next().is_some_and(|name| name.eq_ignore_ascii_case(b"content-length"))
    })
}

/// A connection that shows heads to [`Head`] as they are read.
pub(super) struct HeadGuard<T> {
    inner: T,
    head: Arc<Head>,
}

impl<T> HeadGuard<T> {
    pub(super) fn new(inner: T, head: Arc<Head>) -> Self {
        Self { inner, head }
    }

    pub(super) fn into_inner(self) -> T {
        self.inner
    }
}

/// Of a head, at a time.
const PIECE: usize = 4096;

impl<T: Read + Unpin> Read for HeadGuard<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let Self { inner, head } = &mut *self;
        let mut state = head.lock();
        if !state.expected {
            drop(state);
            return Pin::new(inner).poll_read(cx, buf);
        }
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let room = PIECE.min(buf.remaining());
        let mut piece = ReadBuf::uninit(&mut piece[..room]);
        ready!(Pin::new(inner).poll_read(cx, piece.unfilled()))?;
        state.bytes.extend_from_slice(piece.filled());
        state.too_large = state.bytes.len() > head.limit + PIECE;
        if state.too_large {
            return Poll::Ready(Err(io::Error::other("the head is too large")));
        }
        buf.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl<T: Write + Unpin> Write for HeadGuard<T> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_only_as_a_header() {
        assert!(names_a_length(b"POST / HTTP/1.1\r\nHost: a\r\ncontent-LENGTH: 3\r\n\r\n"));
        assert!(!names_a_length(b"POST /content-length: HTTP/1.1\r\nX: a\r\n\r\nContent-Length: 3\r\n"));
    }
}
