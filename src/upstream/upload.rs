//! A client's body on its way to the upstream, and how far it has come.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http::Extensions;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::error::BodyError;
use crate::stall::Stall;

/// What a client sends, with a bound on standing still.
pub struct ClientBody {
    incoming: Incoming,
    stall: Stall,
    upload: Arc<Upload>,
    /// Polling the client's body is what tells it `100 Continue`: not before the upstream said so.
    waiting: Option<Pin<Box<Sleep>>>,
    on_end: Option<OnEnd>,
    received: Option<Received>,
}

/// What to do when the last of a request's body was read; travels in the request's extensions.
#[derive(Clone)]
pub struct OnEnd(Arc<dyn Fn() + Send + Sync>);

impl OnEnd {
    /// Calls `then`.
    pub fn new(then: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(then))
    }
}

/// How many bytes of a request's body have come, for whoever counts them; travels in the request's extensions.
#[derive(Clone)]
pub struct Received(pub Arc<AtomicU64>);

/// How long the upstream's `100 Continue` is waited for before the body is sent all the same (RFC 9110, 10.1.1).
const PATIENCE: Duration = Duration::from_secs(1);

impl ClientBody {
    /// The body of a request with these `extensions`. `expects_continue`: wait for [`Upload::accept`].
    pub fn new(incoming: Incoming, extensions: &Extensions, stall_timeout: Duration, expects_continue: bool) -> Self {
        let waiting = expects_continue.then(|| Box::pin(tokio::time::sleep(PATIENCE)));
        let progress = if expects_continue { Progress::Waiting(None) } else { Progress::Sending };
        let upload = Arc::new(Upload(Mutex::new(progress)));
        let (on_end, received) = (extensions.get().cloned(), extensions.get().cloned());
        Self { incoming, stall: Stall::new(stall_timeout), upload, waiting, on_end, received }
    }

    /// Follows the body from elsewhere.
    pub(super) fn upload(&self) -> Arc<Upload> {
        self.upload.clone()
    }

    pub(super) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(patience) = &mut self.waiting {
            match self.upload.poll_accepted(cx) {
                Poll::Pending => ready!(patience.as_mut().poll(cx)),
                Poll::Ready(true) => {}
                Poll::Ready(false) => return Poll::Ready(Some(Err(BodyError::NotWanted))),
            }
            self.upload.set(Progress::Sending);
            self.waiting = None;
        }
        let frame = ready!(self.stall.poll(cx, |cx| Pin::new(&mut self.incoming).poll_frame(cx)))?;
        if let Some(Received(received)) = &self.received
            && let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref())
        {
            received.fetch_add(data.len() as u64, Ordering::Relaxed);
        }
        if frame.is_none() || self.incoming.is_end_stream() {
            self.upload.set(Progress::Sent);
            if let Some(OnEnd(then)) = self.on_end.take() {
                then();
            }
        }
        // A client's trailers would be taken for headers by some servers, and no header was looked for in them.
        let frame = frame.filter(|frame| !frame.as_ref().is_ok_and(Frame::is_trailers));
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }

    pub(super) fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for ClientBody {
    fn drop(&mut self) {
        if !self.upload.is_sent() {
            self.upload.set(Progress::Gone);
        }
    }
}

/// How far a client's body has come; shared by the body, the upstream's `100 Continue` and the answer.
pub(super) struct Upload(Mutex<Progress>);

enum Progress {
    /// For the upstream to accept it; who is to be told.
    Waiting(Option<Waker>),
    Sending,
    Sent,
    /// It ended early: not wanted, broken off, or never asked for.
    Gone,
}

impl Upload {
    /// The upstream said `100 Continue`.
    pub(super) fn accept(&self) {
        self.leave_waiting(Progress::Sending);
    }

    /// The answer is complete: a body that was never accepted is not sent any more.
    pub(super) fn close(&self) {
        self.leave_waiting(Progress::Gone);
    }

    /// Whether all of it was sent, so that the connection can take another request.
    pub(super) fn is_sent(&self) -> bool {
        matches!(*self.lock(), Progress::Sent)
    }

    /// Whether there is more of it to wait for.
    pub(super) fn is_under_way(&self) -> bool {
        matches!(*self.lock(), Progress::Waiting(_) | Progress::Sending)
    }

    fn leave_waiting(&self, next: Progress) {
        let mut progress = self.lock();
        if let Progress::Waiting(waker) = &mut *progress {
            let waker = waker.take();
            *progress = next;
            drop(progress);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    fn poll_accepted(&self, cx: &mut Context<'_>) -> Poll<bool> {
        match &mut *self.lock() {
            Progress::Waiting(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            Progress::Gone => Poll::Ready(false),
            Progress::Sending | Progress::Sent => Poll::Ready(true),
        }
    }

    fn set(&self, progress: Progress) {
        *self.lock() = progress;
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        // Nothing that holds it can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
