//! Requests to the upstream, over hyper's own HTTP/1.1 connections.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::{body::Incoming, client::conn::TrySendError};
use prometheus_client::metrics::histogram::Histogram;

use super::{
    absolute::Absolute,
    body::{Body, UpstreamBody},
    connection::{Connections, Connector, InUse, Link, NoConnection, Pool},
    error::UpstreamError,
    framing,
    load::Load,
    outage::Outage,
    repeat::Again,
};
use crate::{config, context, shares::Holder};

/// The way of all requests of the process to one upstream. Each thread uses the connections that it opened.
pub struct Client {
    connections: Connections<Body>,
    load: Load,
    /// How many connections there may be.
    most: usize,
    absolute: Option<Absolute>,
    outage: Outage,
    /// How long answers take to begin.
    seconds: Histogram,
    answer_timeout: Duration,
    stall_timeout: Duration,
}

/// Marks an answer to a request that was sent twice: what it says is of the second time, and the first may have been
/// carried out as well.
#[derive(Clone, Copy)]
pub struct Replayed;

impl Client {
    /// A client with connections of its own.
    pub fn new(connector: Connector, upstream: &config::Upstream, limits: &config::Limits, seconds: Histogram) -> Self {
        Self {
            absolute: Absolute::of(&connector, &upstream.url),
            outage: Outage::new(upstream.url.to_string()),
            seconds,
            connections: Connections::new(connector, upstream, limits),
            load: Load::new(upstream.connections, upstream.connect_timeout),
            most: upstream.connections,
            answer_timeout: upstream.answer_timeout,
            stall_timeout: limits.stall_timeout,
        }
    }

    /// Sends a request and waits for the head of the answer, whose body is streamed. Redirects are not followed. `holder`: for
    /// whom, by the request's headers; asked where much is under way.
    pub async fn send(
        &self,
        mut request: Request<Body>,
        holder: impl FnOnce(&HeaderMap) -> Holder,
    ) -> Result<Response<Body>, UpstreamError> {
        tracing::debug!(method = %request.method(), path = request.uri().path(), "the registry is asked");
        let (upload, length) = match request.body() {
            Body::Client(body) => (Some(body.upload()), None),
            Body::Full(bytes) => (None, Some(bytes.as_ref().map_or(0, Bytes::len))),
            Body::Held(_) | Body::Upstream(_) => (None, None),
        };
        if let Some(length) = length {
            // hyper sends the header as it stands. One that announces more than comes would have the upstream take the
            // next client's request for the rest.
            set_length(request.headers_mut(), length);
        }
        if let Some(upload) = upload.clone() {
            hyper::ext::on_informational(&mut request, move |answer| {
                if answer.status() == StatusCode::CONTINUE {
                    upload.accept();
                }
            });
        }
        if let Some(absolute) = &self.absolute {
            absolute.apply(&mut request);
        }
        let under_way = self.load.begin(|| holder(request.headers())).await;
        let all_in_use = |_| UpstreamError::Connect(NoConnection::AllInUse(self.most));
        let under_way = under_way.map_err(all_in_use)?;
        let span = context::span_of(&mut request);
        let pool = self.connections.pool();
        let mut exchange = pin!(self.exchange(request, pool));
        let since = Instant::now();
        let exchanged = loop {
            let sending = upload.as_ref().is_some_and(|upload| upload.is_under_way());
            match tokio::time::timeout(self.answer_timeout, &mut exchange).await {
                Ok(done) => break done,
                // The time for an answer starts when all was asked; while bodies move, that they do is bounded.
                Err(_) if sending => {}
                Err(_) => break Err(UpstreamError::Timeout(self.answer_timeout)),
            }
        };
        let elapsed = since.elapsed();
        context::add_waited(elapsed);
        let (mut answer, link, replayed) = exchanged.inspect_err(|error| {
            self.outage.failed(error);
            if let Some(span) = &span {
                span.failed(error);
            }
        })?;
        if let Some(span) = span {
            span.answered(answer.status());
        }
        if let Some(fault) = framing::fault(&answer) {
            if let Some(upload) = upload {
                upload.close();
            }
            let error = UpstreamError::Malformed(fault.to_owned());
            self.outage.failed(&error);
            return Err(error);
        }
        self.outage.answered();
        self.seconds.observe(elapsed.as_secs_f64());
        if replayed {
            answer.extensions_mut().insert(Replayed);
        }
        let unfinished = upload.filter(|upload| !upload.is_sent());
        // Where it was not read to its end, no other request may follow. Who refuses a request may not have read it.
        let all_read = unfinished.is_none() && (length == Some(0) || answer.status().is_success());
        let in_use = InUse::new(link, all_read.then(|| pool.clone()));
        Ok(answer
            .map(|body| Body::Upstream(UpstreamBody::new(body, self.stall_timeout, (in_use, under_way), unfinished))))
    }

    /// Sends a request without a body.
    pub async fn ask(
        &self,
        method: Method,
        uri: Uri,
        headers: HeaderMap,
        holder: impl FnOnce(&HeaderMap) -> Holder,
    ) -> Result<Response<Body>, UpstreamError> {
        let mut request = Request::new(Body::EMPTY);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.send(request, holder).await
    }

    /// The answer, the connection it comes over, and whether the request may have been carried out once before.
    async fn exchange(
        &self,
        mut request: Request<Body>,
        pool: &Pool<Body>,
    ) -> Result<(Response<Incoming>, Link<Body>, bool), UpstreamError> {
        loop {
            let mut link = match self.connections.used(pool).await {
                Some(link) => link,
                None => Box::pin(self.connections.new_or_next(pool)).await.map_err(UpstreamError::Connect)?,
            };
            // The upstream may be closing just now what it was done with.
            let used = link.is_used();
            let again = if used { Again::of(&request) } else { None };
            match link.send(request).await {
                Ok(answer) => {
                    link.answered();
                    return Ok((answer, link, false));
                }
                Err(mut error) => match (error.take_message(), again) {
                    (Some(unsent), _) if used => request = unsent,
                    (None, Some(again)) if !link.has_received() => {
                        return Box::pin(self.repeat(again.into(), pool)).await;
                    }
                    _ => return Err(error.into_error().into()),
                },
            }
        }
    }

    /// The answer to a request that was sent before, over a connection that ended without one.
    async fn repeat(
        &self,
        request: Request<Body>,
        pool: &Pool<Body>,
    ) -> Result<(Response<Incoming>, Link<Body>, bool), UpstreamError> {
        let link = self.connections.new_or_next(pool).await;
        let mut link = link.map_err(|error| UpstreamError::Lost(error.to_string()))?;
        let answer = link.send(request).await.map_err(TrySendError::into_error)?;
        link.answered();
        Ok((answer, link, true))
    }
}

fn set_length(headers: &mut HeaderMap, length: usize) {
    if length > 0 {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    } else if headers.get(header::CONTENT_LENGTH).is_some_and(|value| value != "0") {
        headers.remove(header::CONTENT_LENGTH);
    }
}
