//! The streams of one connection: each ends when its client takes nothing of its answer for too long, and the connection when
//! its client gives up one request after the other.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::rt::Executor;
use tokio::{
    sync::Notify,
    task_local,
    time::{Instant, Sleep, sleep_until},
};

use super::super::places::Place;

task_local! {
    /// The stream whose task runs.
    static CURRENT: Arc<Stream>;
}

/// Has each stream worked on in a task of its own.
#[derive(Clone)]
pub(super) struct Spawner(pub(super) Arc<Streams>);

/// The streams of one connection.
pub(super) struct Streams {
    /// How long a client may take nothing of an answer.
    stall: Duration,
    count: Mutex<Count>,
    first: Notify,
    too_often: Notify,
}

struct Count {
    open: usize,
    answered: u64,
    given_up: u64,
    /// When the last one ended, or the connection was opened.
    since: Instant,
}

/// How many requests of a connection a client may give up, beyond as many as it took good answers to, to their end. Each costs the
/// upstream one as well, and giving up is free (CVE-2023-44487).
const GIVEN_UP: u64 = 200;

/// One stream.
pub(super) struct Stream {
    of: Arc<Streams>,
    /// Since when something of the answer is there that the client has no room for.
    waits: Mutex<Option<Instant>>,
    /// Another was open when this one began.
    beside: bool,
    /// The answer is no refusal, which costs nobody anything.
    good: AtomicBool,
    /// The client has room for all of the answer.
    taken: AtomicBool,
    place: Mutex<Option<Place>>,
}

/// The stream that is worked on.
pub(super) fn current() -> Arc<Stream> {
    CURRENT.with(Arc::clone)
}

impl Streams {
    pub(super) fn new(stall: Duration) -> Self {
        let count = Count { open: 0, answered: 0, given_up: 0, since: Instant::now() };
        Self { stall, count: Mutex::new(count), first: Notify::new(), too_often: Notify::new() }
    }

    /// Since when none is open; `None`: one is.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let count = lock(&self.count);
        (count.open == 0).then_some(count.since)
    }

    /// The first request was answered.
    pub(super) async fn first_answered(&self) {
        self.first.notified().await;
    }

    /// The client has given up so many requests that it means harm.
    pub(super) async fn given_up_too_often(&self) {
        self.too_often.notified().await;
    }
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, work: F) {
        let beside = {
            let mut count = lock(&self.0.count);
            count.open += 1;
            count.open > 1
        };
        let stream = Arc::new(Stream {
            of: self.0.clone(),
            waits: Mutex::new(None),
            beside,
            good: AtomicBool::new(false),
            taken: AtomicBool::new(false),
            place: Mutex::new(None),
        });
        let bounded = Bounded { work: Box::pin(work), stream: stream.clone(), timer: None };
        tokio::spawn(CURRENT.scope(stream, bounded));
    }
}

impl Stream {
    /// Whether another was open when this one began.
    pub(super) fn is_beside_another(&self) -> bool {
        self.beside
    }

    /// Keeps a place until the stream ends.
    pub(super) fn keep(&self, place: Place) {
        *lock(&self.place) = Some(place);
    }

    /// The head of the answer is there.
    pub(super) fn answered(&self, status: StatusCode) {
        self.good.store(!status.is_client_error() && !status.is_server_error(), Ordering::Relaxed);
        self.waits_for_client(true);
        self.of.first.notify_one();
    }

    fn waits_for_client(&self, waits: bool) {
        *lock(&self.waits) = waits.then(Instant::now);
    }
}

/// What hyper does for one stream, ended when its client takes nothing for too long.
struct Bounded<F> {
    work: Pin<Box<F>>,
    stream: Arc<Stream>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<F: Future<Output = ()>> Future for Bounded<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.work.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        let (limit, waits) = (self.stream.of.stall, *lock(&self.stream.waits));
        let Some(since) = waits else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(since + limit)));
        while timer.as_mut().poll(cx).is_ready() {
            if Instant::now() >= since + limit {
                tracing::debug!("a client took nothing of an answer for {limit:?}: its stream is closed");
                return Poll::Ready(());
            }
            timer.as_mut().reset(since + limit);
        }
        Poll::Pending
    }
}

impl<F> Drop for Bounded<F> {
    fn drop(&mut self) {
        let streams = &self.stream.of;
        let mut count = lock(&streams.count);
        count.open -= 1;
        count.since = Instant::now();
        if self.stream.taken.load(Ordering::Relaxed) {
            count.answered += u64::from(self.stream.good.load(Ordering::Relaxed));
            return;
        }
        count.given_up += 1;
        if count.given_up > GIVEN_UP + count.answered {
            streams.too_often.notify_one();
        }
    }
}

/// The body of an answer, whose waiting is noted. It is given in pieces of a frame (RFC 9113, 4.2), so that a client that takes
/// one now and then is seen to.
pub(super) struct AnswerBody<B> {
    body: B,
    /// What is left of what the body gave last.
    left: Bytes,
    stream: Arc<Stream>,
}

const PIECE: usize = 16 << 10;

impl<B> AnswerBody<B> {
    pub(super) fn new(body: B, stream: Arc<Stream>) -> Self
    where
        B: Body,
    {
        stream.taken.store(body.is_end_stream(), Ordering::Relaxed);
        Self { body, left: Bytes::new(), stream }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for AnswerBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    /// hyper asks when the client has room.
    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = &mut *self;
        if this.left.is_empty() {
            let polled = Pin::new(&mut this.body).poll_frame(cx);
            this.stream.waits_for_client(polled.is_ready());
            match ready!(polled).transpose()?.map(Frame::into_data) {
                Some(Ok(data)) => this.left = data,
                Some(Err(trailers)) => {
                    this.stream.taken.store(true, Ordering::Relaxed);
                    return Poll::Ready(Some(Ok(trailers)));
                }
                None => {
                    this.stream.taken.store(true, Ordering::Relaxed);
                    return Poll::Ready(None);
                }
            }
        } else {
            this.stream.waits_for_client(true);
        }
        let piece = this.left.split_to(this.left.len().min(PIECE));
        if this.left.is_empty() && this.body.is_end_stream() {
            this.stream.taken.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, left) = (self.body.size_hint(), self.left.len() as u64);
        let mut all = SizeHint::new();
        all.set_lower(hint.lower() + left);
        if let Some(upper) = hint.upper() {
            all.set_upper(upper + left);
        }
        all
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that holds it can panic half-way.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
