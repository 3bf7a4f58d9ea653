//! A connection that speaks HTTP/2 (RFC 9113), by hyper. What it promises is what HTTP/1.1 promises: a bound on heads, on what
//! stands still, on what is open; requests that are being answered end, and nothing new begins.

mod request;
mod stream;

use std::{convert::Infallible, pin::pin, sync::Arc};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http2::Builder, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};

use super::{options::Options, refusal::Refusal, service::Service, serving::Serving, transport::ConnectionInfo};
use crate::{stall::WriteBound, upstream::BUFFER};
use stream::{AnswerBody, Spawner, Stream, Streams};

/// Requests at a time on one connection: the least that RFC 9113, 6.5.2, recommends.
const STREAMS: u32 = 100;

/// What a client may send ahead of what is read of one body, and of all of a connection: enough for 50 Mbit/s over a tenth of a
/// second. All of it is memory, so that only some connections at a time have such wide ones; the others have as much as a
/// connection of HTTP/1.1 takes.
const WIDE: (u32, u32) = (512 << 10, 1 << 20);
const NARROW: (u32, u32) = (64 << 10, 128 << 10);

/// What the requests of one connection have in common.
struct Shared<S: Service> {
    serving: Arc<Serving<S>>,
    client: S::Client,
}

/// Serves requests until the client leaves or, once `options.stop` is cancelled, until those that were sent are answered.
pub(super) async fn serve<S: Service>(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    info: ConnectionInfo,
    serving: Arc<Serving<S>>,
) {
    let Options { limits, leaving, stop, .. } = serving.options.clone();
    let streams = Arc::new(Streams::new(limits.stall_timeout));
    let wide = serving.places.wide();
    let (window, connection_window) = if wide.is_some() { WIDE } else { NARROW };
    let client = serving.service.client(&info);
    let shared = Arc::new(Shared { serving, client });
    let service = service_fn(move |request| {
        let shared = shared.clone();
        // In a box, which is there while a request is answered only.
        Box::pin(async move { Ok::<_, Infallible>(exchange(&shared, request).await) })
    });
    let io = WriteBound::new(TokioIo::new(io), limits.stall_timeout);
    let connection = Builder::new(Spawner(streams.clone()))
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(limits.head).unwrap_or(u32::MAX))
        .initial_stream_window_size(window)
        .initial_connection_window_size(connection_window)
        .max_send_buf_size(BUFFER)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    let mut timer = pin!(sleep_until(Instant::now() + limits.head_timeout));
    // One that is opened when the process is about to stop gets its first answer: its client has nowhere else to go, it seems.
    let (mut ending, leaves) = (false, !leaving.is_cancelled());
    loop {
        tokio::select! {
            biased;
            served = connection.as_mut() => {
                if let Err(error) = served {
                    tracing::debug!(%error, "a client's connection ended early");
                }
                return;
            }
            () = streams.given_up_too_often() => {
                return tracing::debug!("a client gave up one request after the other: its connection is closed");
            }
            () = stop.cancelled(), if !ending => ending = true,
            () = leaving.cancelled(), if leaves && !ending => ending = true,
            () = streams.first_answered(), if !leaves && !ending => ending = true,
            () = timer.as_mut() => {
                let (now, end) = (Instant::now(), streams.idle_since().map(|since| since + limits.head_timeout));
                match end {
                    // Of what was answered, the client takes nothing; or it doesn't take the end.
                    Some(end) if ending && now >= end => return,
                    Some(end) if now >= end => ending = true,
                    Some(end) => { timer.as_mut().reset(end); continue }
                    None => { timer.as_mut().reset(now + limits.head_timeout); continue }
                }
                timer.as_mut().reset(now + limits.stall_timeout);
            }
        }
        connection.as_mut().graceful_shutdown();
    }
}

/// Answers one request.
async fn exchange<S: Service>(shared: &Shared<S>, mut request: Request<Incoming>) -> Response<AnswerBody<S::Body>> {
    let service = &shared.serving.service;
    let stream = stream::current();
    let answer = if !stream.is_beside_another() || shared.take_place(&stream) {
        request::as_http1(&mut request);
        service.answer(request, &shared.client).await
    } else {
        service.refuse(Refusal::NoPlace)
    };
    stream.answered(answer.status());
    answer.map(|body| AnswerBody::new(body, stream))
}

impl<S: Service> Shared<S> {
    /// A connection has a place for one request. Each beside it takes one of a connection: in all, no more is under way than
    /// over HTTP/1.1. `false`: all are taken.
    fn take_place(&self, stream: &Stream) -> bool {
        self.serving.places.stream().map(|place| stream.keep(place)).is_some()
    }
}
