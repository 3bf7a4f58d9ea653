//! Requests to the upstream, over hyper's own HTTP/1.1 connections.

use std::{
    pin::pin,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use hyper::{body::Incoming, client::conn::http1};

use super::{
    body::{Body, Sent, UpstreamBody},
    body_error::BodyError,
    connection::{Connector, InUse, Link, Pools},
};
use crate::{
    config,
    stall::{Stalled, WriteBound},
};

/// What all requests of the process talk to one upstream by.
pub struct Client {
    connector: Connector,
    pools: Pools<Body>,
    connect_timeout: Duration,
    answer_timeout: Duration,
    stall_timeout: Duration,
}

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection: down, refused, not found, no TLS. Nothing was sent.
    #[error("no connection to the upstream: {0}")]
    Connect(String),
    /// No answer began in time. What was sent may still be carried out.
    #[error("the upstream did not answer within {0:?}")]
    Timeout(Duration),
    /// The connection ended before an answer. What was sent may have been carried out.
    #[error("the upstream's connection failed: {0}")]
    Lost(String),
    /// The client's body stood still.
    #[error("nothing of the request's body came for {0:?}")]
    ClientStalled(Duration),
    /// The client's body broke off.
    #[error("the request's body broke off")]
    ClientLeft,
}

/// Read at a time at most, and the bound of what one connection, to either side, holds of a body.
pub const BUFFER: usize = 128 << 10;

/// Unused for longer, a connection may be one that the upstream is about to close. A copy of the request in hand costs
/// something, so it isn't made under load.
const LONG: Duration = Duration::from_millis(10);

/// Marks an answer to a request that was sent twice: what it says is of the second time, and the first may have been
/// carried out as well.
#[derive(Clone, Copy)]
pub struct Replayed;

impl Client {
    /// A client with connections of its own.
    pub fn new(connector: Connector, upstream: &config::Upstream, limits: &config::Limits) -> Self {
        Self {
            connector,
            pools: Pools::new(upstream.idle_connections, upstream.idle_timeout),
            connect_timeout: upstream.connect_timeout,
            answer_timeout: upstream.answer_timeout,
            stall_timeout: limits.stall_timeout,
        }
    }

    /// Sends a request and waits for the head of the answer, whose body is streamed. Redirects are not followed.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let (upload, length) = match request.body() {
            Body::Client(body) => (Some(body.upload()), None),
            Body::Full(bytes) => (None, Some(bytes.as_ref().map_or(0, Bytes::len))),
            Body::Upstream(_) => (None, None),
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
        let mut exchange = pin!(self.exchange(request));
        let (mut answer, link, replayed) = loop {
            let sending = upload.as_ref().is_some_and(|upload| upload.is_under_way());
            match tokio::time::timeout(self.answer_timeout, &mut exchange).await {
                Ok(done) => break done?,
                // The time for an answer starts when all was asked; while bodies move, that they do is bounded.
                Err(_) if sending => {}
                Err(_) => return Err(UpstreamError::Timeout(self.answer_timeout)),
            }
        };
        if replayed {
            answer.extensions_mut().insert(Replayed);
        }
        let request = match upload {
            Some(upload) => Sent::Following(upload),
            // A refusal may come before the whole body was sent.
            None if length != Some(0) && !answer.status().is_success() => Sent::No,
            None => Sent::Yes,
        };
        let in_use = InUse::new(link, self.pools.mine().clone());
        Ok(answer.map(|body| Body::Upstream(UpstreamBody::new(body, self.stall_timeout, in_use, request))))
    }

    /// The answer, the connection it comes over, and whether the request may have been carried out once before.
    async fn exchange(
        &self,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, Link<Body>, bool), UpstreamError> {
        let mut replayed = false;
        while let Some(mut link) = self.idle().await {
            // The upstream may be closing just now what was unused for long.
            let again = if link.since.elapsed() > LONG { copy(&request) } else { None };
            match link.sender.try_send_request(request).await {
                Ok(answer) => return Ok((answer, link, replayed)),
                Err(mut error) => match (error.take_message(), again) {
                    (Some(unsent), _) => request = unsent,
                    (None, Some(again)) => {
                        replayed = true;
                        request = again;
                    }
                    (None, None) => return Err(explain(&error.into_error())),
                },
            }
        }
        let mut link = self.open().await.map_err(|error| match error {
            UpstreamError::Connect(why) if replayed => UpstreamError::Lost(why),
            error => error,
        })?;
        let answer = link.sender.send_request(request).await.map_err(|error| explain(&error))?;
        Ok((answer, link, replayed))
    }

    /// Sends a request without a body.
    pub async fn ask(&self, method: Method, uri: Uri, headers: HeaderMap) -> Result<Response<Body>, UpstreamError> {
        let mut request = Request::new(Body::EMPTY);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.send(request).await
    }

    async fn idle(&self) -> Option<Link<Body>> {
        while let Some(mut link) = self.pools.mine().take() {
            if link.sender.ready().await.is_ok() {
                return Some(link);
            }
        }
        None
    }

    async fn open(&self) -> Result<Link<Body>, UpstreamError> {
        let open = tokio::time::timeout(self.connect_timeout, self.connector.connect()).await;
        let stream = open
            .map_err(|_| UpstreamError::Connect(format!("none within {:?}", self.connect_timeout)))?
            .map_err(|error| UpstreamError::Connect(error.to_string()))?;
        let (sender, driver) = http1::Builder::new()
            .max_buf_size(BUFFER)
            .preserve_header_case(true)
            .handshake(WriteBound::new(stream, self.stall_timeout))
            .await
            .map_err(|error| UpstreamError::Connect(error.to_string()))?;
        tokio::spawn(async move {
            if let Err(error) = driver.await {
                // Whoever used it was told as well, in the place where it matters.
                tracing::debug!(%error, "a connection to the upstream ended");
            }
        });
        Ok(Link { sender, since: Instant::now() })
    }
}

fn set_length(headers: &mut HeaderMap, length: usize) {
    if length > 0 {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    } else if headers.get(header::CONTENT_LENGTH).is_some_and(|value| value != "0") {
        headers.remove(header::CONTENT_LENGTH);
    }
}

/// A request that may be sent twice (RFC 9110, 9.2.2): idempotent, with a body at hand or none.
fn copy(request: &Request<Body>) -> Option<Request<Body>> {
    let body = match request.body() {
        Body::Full(bytes) if request.method().is_idempotent() => Body::Full(bytes.clone()),
        _ => return None,
    };
    let mut copy = Request::new(body);
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.headers_mut() = request.headers().clone();
    *copy.extensions_mut() = request.extensions().clone();
    Some(copy)
}

fn explain(error: &hyper::Error) -> UpstreamError {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<BodyError>());
    match cause {
        Some(BodyError::Stalled(Stalled(limit))) => UpstreamError::ClientStalled(*limit),
        Some(BodyError::Connection(_)) => UpstreamError::ClientLeft,
        _ => UpstreamError::Lost(error.to_string()),
    }
}
