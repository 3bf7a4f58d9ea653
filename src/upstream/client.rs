//! Requests to the upstream, over hyper's own HTTP/1.1 connections.

use std::{pin::pin, sync::Arc, time::Duration};

use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use hyper::{
    body::Incoming,
    client::conn::http1::{self, SendRequest},
};

use super::{
    Connector,
    body::{Body, BodyError, UpstreamBody},
    pool::{Idle, InUse, Pool, Sent},
};
use crate::{
    config,
    stall::{Stalled, WriteBound},
};

/// What a worker talks to the upstream by.
pub struct Client {
    connector: Connector,
    pool: Arc<Pool>,
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

/// Read at a time at most, and the bound of what one connection holds of a body.
const BUFFER: usize = 128 << 10;

/// Unused for longer, a connection may be one that the upstream is about to close.
const LONG: Duration = Duration::from_secs(1);

impl Client {
    /// A client with connections of its own.
    pub fn new(connector: Connector, upstream: &config::Upstream, limits: &config::Limits) -> Self {
        Self {
            connector,
            pool: Arc::new(Pool::new(upstream.idle_connections, upstream.idle_timeout)),
            connect_timeout: upstream.connect_timeout,
            answer_timeout: upstream.answer_timeout,
            stall_timeout: limits.stall_timeout,
        }
    }

    /// Sends a request and waits for the head of the answer, whose body is streamed. Redirects are not followed.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, UpstreamError> {
        let (upload, has_body) = match request.body() {
            Body::Client(body) => (Some(body.upload()), true),
            Body::Full(bytes) => (None, bytes.is_some()),
            Body::Upstream(_) => (None, true),
        };
        if let Some(upload) = upload.clone() {
            hyper::ext::on_informational(&mut request, move |answer| {
                if answer.status() == StatusCode::CONTINUE {
                    upload.accept();
                }
            });
        }
        let mut exchange = pin!(self.exchange(request));
        let (answer, connection) = loop {
            let sending = upload.as_ref().is_some_and(|upload| !upload.is_sent());
            match tokio::time::timeout(self.answer_timeout, &mut exchange).await {
                Ok(done) => break done?,
                // The time for an answer starts when all was asked; while bodies move, that they do is bounded.
                Err(_) if sending => {}
                Err(_) => return Err(UpstreamError::Timeout(self.answer_timeout)),
            }
        };
        let request = match upload {
            Some(upload) => Sent::Following(upload),
            // A refusal may come before the whole body was sent.
            None if has_body && !answer.status().is_success() => Sent::No,
            None => Sent::Yes,
        };
        let in_use = InUse { connection, pool: self.pool.clone(), request };
        Ok(answer.map(|body| Body::Upstream(UpstreamBody::new(body, self.stall_timeout, in_use))))
    }

    async fn exchange(
        &self,
        mut request: Request<Body>,
    ) -> Result<(Response<Incoming>, SendRequest<Body>), UpstreamError> {
        while let Some(Idle { mut connection, since }) = self.idle().await {
            // The upstream may be closing just now what was unused for long.
            let again = if since.elapsed() > LONG { copy(&request) } else { None };
            match connection.try_send_request(request).await {
                Ok(answer) => return Ok((answer, connection)),
                Err(mut error) => match error.take_message().or(again) {
                    Some(unanswered) => request = unanswered,
                    None => return Err(explain(&error.into_error())),
                },
            }
        }
        let mut connection = self.open().await?;
        let answer = connection.send_request(request).await.map_err(|error| explain(&error))?;
        Ok((answer, connection))
    }

    /// Sends a request without a body.
    pub async fn ask(&self, method: Method, uri: Uri, headers: HeaderMap) -> Result<Response<Body>, UpstreamError> {
        let mut request = Request::new(Body::EMPTY);
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        self.send(request).await
    }

    async fn idle(&self) -> Option<Idle> {
        while let Some(mut idle) = self.pool.take() {
            if idle.connection.ready().await.is_ok() {
                return Some(idle);
            }
        }
        None
    }

    async fn open(&self) -> Result<SendRequest<Body>, UpstreamError> {
        let open = tokio::time::timeout(self.connect_timeout, self.connector.connect()).await;
        let stream = open
            .map_err(|_| UpstreamError::Connect(format!("none within {:?}", self.connect_timeout)))?
            .map_err(|error| UpstreamError::Connect(error.to_string()))?;
        let (connection, driver) = http1::Builder::new()
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
        Ok(connection)
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
