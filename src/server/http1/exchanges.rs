//! Requests and answers by hyper, from a request's first byte until the connection ends or nothing more comes.

use std::{convert::Infallible, pin::Pin, sync::Arc, time::Duration};

use http::{HeaderValue, Request, Response, header};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1::{self, Parts},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    time::{Instant, Sleep, timeout},
};

use super::{
    answer::AnswerBody,
    guard::HeadGuard,
    progress::{Phase, Reading},
    shared::Shared,
};
use crate::{
    server::{refusal::Refusal, service::Service},
    stall::WriteBound,
    upstream::{BUFFER, OnEnd},
};

/// How it went on with a connection.
pub(super) enum Ended<T> {
    /// It is over.
    Closed,
    /// Nothing came for a while; it is as it was before the first byte.
    Idle(T),
    /// What came is to be refused: the connection, for the answer.
    Refused(T, Refusal),
}

/// How long hyper is kept after an answer. Busy clients send their next request sooner; hyper's buffers are 16 KiB and
/// more, and are made in microseconds.
const KEPT: Duration = Duration::from_millis(100);

/// Serves what begins with the byte `first`. `timer` is for this connection's use.
pub(super) async fn run<T, S>(io: T, first: u8, shared: Arc<Shared<S>>, mut timer: Pin<&mut Sleep>) -> Ended<T>
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    S: Service,
{
    let (progress, options) = (&shared.progress, &shared.serving.options);
    let limits = &options.limits;
    let io = WriteBound::new(HeadGuard::new(TokioIo::new(io), first, progress.clone()), limits.stall_timeout);
    let service = service_fn(|request| exchange(shared.clone(), request));
    let mut connection = http1::Builder::new()
        .max_buf_size(BUFFER)
        .preserve_header_case(true)
        // Ours begins with the connection, and with the end of each answer.
        .header_read_timeout(None)
        .serve_connection(io, service);
    timer.as_mut().reset(Instant::now() + KEPT);
    let (mut stopping, mut idle, mut refusal) = (false, false, None);
    let mut served = loop {
        tokio::select! {
            biased;
            served = &mut connection => break Some(served),
            () = options.stop.cancelled(), if !stopping => {
                stopping = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            () = timer.as_mut(), if !idle => {
                let now = Instant::now();
                let next = match progress.phase() {
                    Phase::Idle(since) if now >= since + KEPT => {
                        idle = true;
                        // hyper has read nothing of a next request: it flushes and ends.
                        Pin::new(&mut connection).graceful_shutdown();
                        continue;
                    }
                    Phase::Head(since) if now >= since + limits.head_timeout => {
                        refusal = Some(Refusal::HeadTimeout(limits.head_timeout));
                        break None;
                    }
                    Phase::Idle(since) => since + KEPT,
                    Phase::Head(since) => (since + limits.head_timeout).min(now + KEPT),
                    Phase::Answering => now + KEPT,
                };
                timer.as_mut().reset(next);
            }
        }
    };
    if matches!(served, Some(Ok(()))) && progress.has_upgrade() {
        // Of a connection that a request asked to upgrade, hyper says that it ended before all was written.
        served = Some((&mut connection).await);
    }
    if let Some(Err(error)) = &served {
        tracing::debug!(%error, "a client's connection ended early");
        idle = false;
        refusal = progress.too_large();
    }
    let Parts { io, read_buf, .. } = connection.into_parts();
    let mut io = io.into_inner().into_inner().into_inner();
    match refusal {
        // Not in the middle of another answer.
        Some(refusal) if !progress.is_blocked() => Ended::Refused(io, refusal),
        // Invariant: hyper has read nothing that it did not use, since nothing came after the last request.
        None if idle && !stopping && read_buf.is_empty() => Ended::Idle(io),
        _ => {
            // A client that takes no end goes without.
            drop(timeout(limits.stall_timeout, io.shutdown()).await);
            Ended::Closed
        }
    }
}

/// In a box, which is there while a request is answered only.
type Answering<B> = Pin<Box<dyn Future<Output = Result<Response<AnswerBody<B>>, Infallible>> + Send>>;

/// Answers one request.
fn exchange<S: Service>(shared: Arc<Shared<S>>, mut request: Request<Incoming>) -> Answering<S::Body> {
    let has_body = !request.body().is_end_stream();
    let refusal = shared.progress.take(&request, has_body);
    if has_body {
        let progress = shared.progress.clone();
        request.extensions_mut().insert(OnEnd::new(move || progress.expect()));
    }
    Box::pin(async move {
        let service = &shared.serving.service;
        let mut answer = match refusal {
            Some(refusal) => service.refuse(refusal),
            None => service.answer(request, &shared.client).await,
        };
        // Where the next request starts is not known when the body was not read to its end.
        let lost = refusal.is_some() || shared.progress.reading() == Reading::Body;
        if lost || shared.serving.options.leaving.is_cancelled() {
            answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let progress = shared.progress.clone();
        Ok(answer.map(|body| AnswerBody::new(body, progress)))
    })
}
