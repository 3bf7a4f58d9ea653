//! How far one connection has come, beside what hyper knows of it: hyper takes the Content-Length away where there is a
//! Transfer-Encoding too, ends a head that is too large with a bare status, and doesn't say when it has nothing to do.

use std::sync::{Mutex, MutexGuard, PoisonError};

use http::{Request, header};
use tokio::time::Instant;

use super::scan::HeadScan;
use crate::server::refusal::Refusal;

/// What the guard of a connection, its requests and its timer know of its progress.
pub(super) struct Progress {
    state: Mutex<State>,
    limit: usize,
}

struct State {
    /// The head that is being read.
    scan: HeadScan,
    /// What came behind that head: of its body, or of the next head.
    behind: Vec<u8>,
    reading: Reading,
    /// A head was taken, and its answer has not ended.
    answering: bool,
    /// Of an answer, not all that was written was taken by the connection.
    blocked: bool,
    /// When the last answer ended, or the connection was opened.
    since: Instant,
    /// A request asked for another protocol.
    upgrade: bool,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// Of a head.
    Head,
    /// Of a body: they are not looked at.
    Body,
    /// Not wanted: the head before them is too large.
    TooLarge,
}

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A request is being answered.
    Answering,
    /// The answer was written, and no byte of a next request came since then.
    Idle(Instant),
    /// A head is on its way; the time for it began then.
    Head(Instant),
}

/// As many header lines as hyper takes; more would get a bare 431 from it.
const MAX_LINES: usize = 100;

impl Progress {
    /// `limit`: bytes of one head.
    pub(super) fn new(limit: usize) -> Self {
        let state = State {
            scan: HeadScan::default(),
            behind: Vec::new(),
            reading: Reading::Head,
            answering: false,
            blocked: false,
            since: Instant::now(),
            upgrade: false,
        };
        Self { state: Mutex::new(state), limit }
    }

    /// Looks at what was read. Returns whether it may go on: `false` when a head is too large.
    pub(super) fn read(&self, piece: &[u8]) -> bool {
        let mut state = self.lock();
        state.read(piece, self.limit);
        state.reading != Reading::TooLarge
    }

    /// A head is read next: the body before it came to its end.
    pub(super) fn expect(&self) {
        self.lock().reading = Reading::Head;
    }

    pub(super) fn reading(&self) -> Reading {
        self.lock().reading
    }

    /// The refusal of a head that is too large, if there was one.
    pub(super) fn too_large(&self) -> Option<Refusal> {
        (self.lock().reading == Reading::TooLarge).then_some(Refusal::HeadTooLarge(self.limit))
    }

    /// hyper read a head and made `request` of it. Returns what is wrong with that head.
    pub(super) fn take<B>(&self, request: &Request<B>, has_body: bool) -> Option<Refusal> {
        let mut state = self.lock();
        let scan = std::mem::take(&mut state.scan);
        let behind = std::mem::take(&mut state.behind);
        state.answering = true;
        state.upgrade |= request.headers().contains_key(header::UPGRADE);
        if has_body {
            state.reading = Reading::Body;
        } else {
            state.read(&behind, self.limit);
        }
        if scan.is_complete() && scan.length() > self.limit {
            Some(Refusal::HeadTooLarge(self.limit))
        } else if !request.headers().contains_key(header::TRANSFER_ENCODING) {
            None
        } else if !scan.is_complete() || !scan.has_method(request.method()) {
            Some(Refusal::HeadUnseen)
        } else {
            scan.names_a_length().then_some(Refusal::FramedTwice)
        }
    }

    /// The answer to the last request came to its end, or was given up.
    pub(super) fn answered(&self) {
        let mut state = self.lock();
        state.answering = false;
        state.since = Instant::now();
    }

    /// Whether the connection takes what is written now.
    pub(super) fn set_blocked(&self, blocked: bool) {
        self.lock().blocked = blocked;
    }

    /// Some of an answer still has to be written.
    pub(super) fn is_blocked(&self) -> bool {
        self.lock().blocked
    }

    /// When the last answer ended, or the connection was opened.
    pub(super) fn since(&self) -> Instant {
        self.lock().since
    }

    /// A request of this connection asked for another protocol.
    pub(super) fn has_upgrade(&self) -> bool {
        self.lock().upgrade
    }

    pub(super) fn phase(&self) -> Phase {
        let state = self.lock();
        if state.answering || state.blocked || state.reading != Reading::Head {
            Phase::Answering
        } else if state.scan.is_empty() {
            Phase::Idle(state.since)
        } else {
            Phase::Head(state.since)
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing that holds it can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn read(&mut self, piece: &[u8], limit: usize) {
        let taken = self.scan.read(piece);
        self.behind.extend_from_slice(&piece[taken..]);
        // The request line and the empty one count too.
        let too_large = if self.scan.is_complete() {
            self.scan.lines() > MAX_LINES + 2
        } else {
            self.scan.length() > limit || self.scan.lines() > MAX_LINES + 1
        };
        if too_large {
            self.reading = Reading::TooLarge;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What [`Progress::take`] says when `pieces` were read and hyper found such a request in them.
    fn take(progress: &Progress, pieces: &[&str], request: &str, has_body: bool) -> Option<Refusal> {
        for piece in pieces {
            assert!(progress.read(piece.as_bytes()));
        }
        let mut built = Request::builder().method(request.split(' ').next().unwrap());
        if request.contains("chunked") {
            built = built.header(header::TRANSFER_ENCODING, "chunked");
        }
        let refusal = progress.take(&built.body(()).unwrap(), has_body);
        progress.expect();
        progress.answered();
        refusal
    }

    const CHUNKED: &str = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    const TWICE: &str = "POST / HTTP/1.1\r\ncontent-LENGTH: 3\r\nTransfer-Encoding: chunked\r\n\r\n";

    #[test]
    fn framing_length_beside_chunks_is_found_in_whatever_pieces_the_head_arrives() {
        let progress = Progress::new(100);
        assert_eq!(take(&progress, &[CHUNKED, "3\r\nContent-Length: 3\r\n"], CHUNKED, true), None);
        assert_eq!(take(&progress, &[CHUNKED], CHUNKED, true), None, "after a body that was read to its end");
        assert_eq!(take(&progress, &[TWICE], TWICE, true), Some(Refusal::FramedTwice));
        let (start, rest) = TWICE.split_at(40);
        let get = "GET / HTTP/1.1\r\n\r\n";
        assert_eq!(take(&progress, &[get, start], get, false), None);
        assert!(matches!(progress.phase(), Phase::Head(_)), "the next head has begun");
        assert_eq!(take(&progress, &[rest], TWICE, true), Some(Refusal::FramedTwice), "behind another request");
        let rest = "Transfer-Encoding: chunked\r\n\r\n";
        assert_eq!(take(&progress, &[rest], CHUNKED, true), Some(Refusal::HeadUnseen));
        assert!(matches!(progress.phase(), Phase::Idle(_)), "nothing of a next head");
    }

    #[test]
    fn limits_head_is_bounded_to_the_byte() {
        let progress = Progress::new(28);
        let request = "GET / HTTP/1.1\r\nA: 345678\r\n\r\n";
        let refusal = take(&progress, &[request], request, false);
        assert_eq!(refusal, Some(Refusal::HeadTooLarge(28)), "{}", request.len());
        let request = "GET / HTTP/1.1\r\nA: 34567\r\n\r\n";
        assert_eq!(take(&progress, &[request], request, false), None, "{}", request.len());
        assert_eq!(take(&progress, &[request, request], request, false), None, "two at once");
        assert_eq!(take(&progress, &[], request, false), None);
        assert!(!progress.read(&[b'x'; 31]), "and without an end");
        assert_eq!(progress.too_large(), Some(Refusal::HeadTooLarge(28)));
    }

    #[test]
    fn limits_head_lines_are_bounded() {
        let head = |headers: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(headers));
        assert!(Progress::new(10_000).read(head(MAX_LINES).as_bytes()));
        assert!(!Progress::new(10_000).read(head(MAX_LINES + 1).as_bytes()));
    }
}
