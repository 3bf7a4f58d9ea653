//! The raw head of a request, beside what hyper makes of it: hyper takes the Content-Length away where there is a
//! Transfer-Encoding too, and ends a head that is too large with a bare status.

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
};

use http::{Method, Request, header};
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

/// What is wrong with a head that hyper takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Its body is framed in two ways (RFC 9112, 6.3): one server reads the one, the next the other.
    FramedTwice,
    /// It is chunked, and came right behind another request's body, so that its head was not seen whole.
    Unseen,
    /// It is longer than the limit.
    TooLarge,
}

/// As many header lines as hyper takes; more would get a bare 431 from it.
const MAX_LINES: usize = 100;

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

    pub(super) fn is_expected(&self) -> bool {
        self.lock().expected
    }

    /// Some of a head came, but not all.
    pub(super) fn is_begun(&self) -> bool {
        !self.lock().bytes.is_empty()
    }

    pub(super) fn is_too_large(&self) -> bool {
        self.lock().too_large
    }

    /// A head was read.
    pub(super) fn take<B>(&self, request: &Request<B>, has_body: bool) -> Option<Fault> {
        let mut state = self.lock();
        let end = end_of_head(&state.bytes);
        let head = &state.bytes[..end.unwrap_or_default()];
        let fault = if head.len() > self.limit {
            Some(Fault::TooLarge)
        } else if !request.headers().contains_key(header::TRANSFER_ENCODING) {
            None
        } else if !starts_with_method(head, request.method()) {
            Some(Fault::Unseen)
        } else {
            names_a_length(head).then_some(Fault::FramedTwice)
        };
        if has_body {
            state.bytes.clear();
        } else {
            // What is left is of the next head.
            state.bytes.drain(..end.unwrap_or_default());
        }
        state.expected = !has_body;
        fault
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds what was read. `false` when the head takes too much, complete or not.
    fn add(&mut self, piece: &[u8], limit: usize) -> bool {
        self.bytes.extend_from_slice(piece);
        #[allow(clippy::naive_bytecount, reason = "heads are short")]
        let lines = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
        self.too_large = match end_of_head(&self.bytes) {
            // The request line and the empty one count too.
            Some(end) => lines(&self.bytes[..end]) > MAX_LINES + 2,
            None => self.bytes.len() > limit || lines(&self.bytes) > MAX_LINES + 1,
        };
        !self.too_large
    }
}

/// Where the first head ends, after its empty line.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let line_end = |at: &usize| matches!(&bytes[*at..], [b'\n', b'\n', ..] | [b'\n', b'\r', b'\n', ..]);
    // Empty lines before a request line are none of its head's end.
    let start = bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n'))?;
    let at = (start..bytes.len()).find(line_end)?;
    Some(at + if bytes[at + 1] == b'\n' { 2 } else { 3 })
}

fn starts_with_method(head: &[u8], method: &Method) -> bool {
    let rest = head.trim_ascii_start().strip_prefix(method.as_str().as_bytes());
    rest.is_some_and(|rest| rest.first() == Some(&b' '))
}

fn names_a_length(head: &[u8]) -> bool {
    head.split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b':').next())
        .any(|name| name.eq_ignore_ascii_case(b"content-length"))
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
        if state.too_large {
            return Poll::Ready(Err(io::Error::other("the head is too large")));
        }
        let mut piece = [MaybeUninit::uninit(); PIECE];
        let room = PIECE.min(buf.remaining());
        let mut piece = ReadBuf::uninit(&mut piece[..room]);
        ready!(Pin::new(inner).poll_read(cx, piece.unfilled()))?;
        if state.add(piece.filled(), head.limit) {
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

    /// What [`Head::take`] says when `pieces` were read and hyper found such a request in them.
    fn take(head: &Head, pieces: &[&str], request: &str, has_body: bool) -> Option<Fault> {
        for piece in pieces {
            assert!(head.lock().add(piece.as_bytes(), 100));
        }
        let mut built = Request::builder().method(request.split(' ').next().unwrap());
        if request.contains("chunked") {
            built = built.header(header::TRANSFER_ENCODING, "chunked");
        }
        head.take(&built.body(()).unwrap(), has_body)
    }

    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const TWICE: &str = "POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn a_length_beside_chunks_is_found_wherever_the_head_came_from() {
        let head = Head::new(100);
        assert_eq!(take(&head, &[CHUNKED, "3\r\nContent-Length: 3\r\n"], CHUNKED, true), None);
        assert_eq!(take(&head, &[CHUNKED], CHUNKED, true), None, "after a body that was read to its end");
        assert_eq!(take(&head, &[TWICE], TWICE, true), Some(Fault::FramedTwice));
        let (start, rest) = TWICE.split_at(40);
        let get = "GET / HTTP/1.1\r\n\r\n";
        assert_eq!(take(&head, &[get, start], get, false), None);
        assert_eq!(take(&head, &[rest], TWICE, true), Some(Fault::FramedTwice), "behind another request");
        assert_eq!(take(&head, &["Transfer-Encoding: chunked\r\n\r\n"], CHUNKED, true), Some(Fault::Unseen));
    }

    #[test]
    fn the_limit_is_kept_to_the_byte() {
        let head = Head::new(28);
        let request = "GET / HTTP/1.1\r\nA: 345678\r\n\r\n";
        assert_eq!(take(&head, &[request], request, false), Some(Fault::TooLarge), "{}", request.len());
        let request = "GET / HTTP/1.1\r\nA: 34567\r\n\r\n";
        assert_eq!(take(&head, &[request], request, false), None, "{}", request.len());
        assert!(!head.lock().add(&[b'x'; 31], 30), "and without an end");
    }
}
