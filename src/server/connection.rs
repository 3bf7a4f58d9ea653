//! One client's connection.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use http::{HeaderValue, Request, StatusCode, header};
use hyper::{body::Body as _, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{
    head::{Fault, Head, HeadGuard},
    linger,
};
use crate::{
    config::Limits,
    error::Error,
    http::Router,
    oci::ErrorCode,
    stall::WriteBound,
    upstream::{BUFFER, OnEnd, headers::Side},
};

pub(super) struct Connection {
    router: Router,
    stream: TcpStream,
    side: Arc<Side>,
}

impl Connection {
    pub(super) fn new(router: &Router, stream: TcpStream, peer: SocketAddr) -> Self {
        let value = |text: String| HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("unknown"));
        let host = stream.local_addr().map_or_else(|_| String::new(), |address| address.to_string());
        let side = Side {
            scheme: HeaderValue::from_static("http"),
            host: value(host),
            peer: value(peer.ip().to_canonical().to_string()),
        };
        Self { router: router.clone(), stream, side: Arc::new(side) }
    }

    /// Serves requests until the client leaves, or, once `stop` is cancelled, until the one on its way is answered.
    pub(super) async fn serve(self, stop: CancellationToken) {
        let Self { router, stream, side } = self;
        // Small answers must not wait for more to send; where that can't be set they do.
        drop(stream.set_nodelay(true));
        let Limits { head_timeout, stall_timeout, head: head_limit, .. } = router.app().config.limits;
        let head = Arc::new(Head::new(head_limit));
        let io = WriteBound::new(HeadGuard::new(TokioIo::new(stream), head.clone()), stall_timeout);

        let seen = head.clone();
        let service = service_fn(move |mut request: Request<hyper::body::Incoming>| {
            let (router, side) = (router.clone(), side.clone());
            let has_body = !request.body().is_end_stream();
            let fault = seen.take(&request, has_body);
            let head = has_body.then(|| seen.clone());
            if let Some(head) = head.clone() {
                request.extensions_mut().insert(OnEnd::new(move || head.expect()));
            }
            async move {
                let mut answer = match fault {
                    Some(fault) => faulty(fault, head_limit).answer(),
                    None => router.answer(request, &side).await,
                };
                if fault.is_some() || head.is_some_and(|head| !head.is_expected()) {
                    // The body was not read to its end, so where the next request starts is not known.
                    answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                Ok::<_, Infallible>(answer)
            }
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(head_timeout)
            .max_buf_size(BUFFER)
            .preserve_header_case(true)
            .serve_connection(io, service);
        let served = tokio::select! {
            biased;
            served = &mut connection => served,
            () = stop.cancelled() => {
                std::pin::Pin::new(&mut connection).graceful_shutdown();
                (&mut connection).await
            }
        };
        let Err(error) = served else { return };
        tracing::debug!(%error, "a client's connection ended early");
        if let Some(answer) = refusal(&head, &error, head_timeout) {
            let stream = connection.into_parts().io.into_inner().into_inner().into_inner();
            linger::answer_and_close(stream, answer).await;
        }
    }
}

/// What to tell a client whose request is not to be taken.
fn faulty(fault: Fault, head_limit: usize) -> Error {
    let unsupported = |message: &str| Error::bad(ErrorCode::Unsupported, message);
    match fault {
        Fault::FramedTwice => unsupported("a request has a Content-Length or a Transfer-Encoding, not both"),
        Fault::Unseen => unsupported("wait for the answer before sending a chunked request on the same connection"),
        Fault::TooLarge => too_large(head_limit),
    }
}

/// What to tell a client whose request never became one.
fn refusal(head: &Head, error: &hyper::Error, head_timeout: Duration) -> Option<Error> {
    if head.is_too_large() {
        return Some(too_large(head.limit()));
    }
    let message = format!("the request's head was not complete within {head_timeout:?}");
    let late = Error::Request(StatusCode::REQUEST_TIMEOUT, ErrorCode::SizeInvalid, message);
    (error.is_timeout() && head.is_begun()).then_some(late)
}

fn too_large(limit: usize) -> Error {
    let message = format!("the request line and headers take more than {limit} bytes or a hundred lines");
    Error::Request(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, ErrorCode::SizeInvalid, message)
}
