//! The access log: one line for each request, or for a part of them, when its answer has ended.

use std::{
    borrow::Cow,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body::{Body as HttpBody, Frame, SizeHint};

use crate::upstream::{Body, BodyError, Received};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What a line says.
struct Record {
    asked: Asked,
    answered: Answered,
    sent: u64,
    is_whole: bool,
}

/// What is known of a request that has come.
pub(super) struct Asked {
    method: Method,
    uri: Uri,
    user_agent: Option<HeaderValue>,
    request_id: HeaderValue,
    trace_id: Option<String>,
    start: Instant,
    received: Arc<AtomicU64>,
}

/// What is known once there is an answer.
pub(super) struct Answered {
    pub(super) upstream: Arc<str>,
    pub(super) route: &'static str,
    pub(super) status: StatusCode,
    pub(super) client: HeaderValue,
    /// How long registries were waited for.
    pub(super) waited: Duration,
    /// Of its part: one that fails is said all the same.
    pub(super) is_drawn: bool,
}

impl Asked {
    /// By the name `request_id`. Counts what comes of its body. `own_trace`: of its own span, where it has one.
    pub(super) fn of<B>(
        request: &mut Request<B>,
        request_id: HeaderValue,
        start: Instant,
        own_trace: Option<String>,
    ) -> Self {
        let received = Arc::<AtomicU64>::default();
        request.extensions_mut().insert(Received(received.clone()));
        let headers = request.headers();
        Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            user_agent: headers.get(header::USER_AGENT).cloned(),
            request_id,
            trace_id: own_trace.or_else(|| headers.get(TRACEPARENT).and_then(trace_id).map(str::to_owned)),
            start,
            received,
        }
    }
}

impl Asked {
    pub(super) fn method(&self) -> &Method {
        &self.method
    }
}

impl Record {
    fn write(&self) {
        let Self { asked, answered, sent, is_whole } = self;
        let Asked { method, uri, user_agent, request_id, trace_id, start, received } = asked;
        let Answered { upstream, route, status, client, waited, is_drawn } = answered;
        if !is_drawn && !status.is_server_error() {
            return;
        }
        tracing::info!(
            target: "backref::access",
            %method,
            path = uri.path(),
            query = uri.query().map(without_secrets),
            upstream = &**upstream,
            route,
            status = status.as_u16(),
            duration_seconds = seconds(start.elapsed()),
            upstream_duration_seconds = seconds(*waited),
            bytes_in = received.load(Ordering::Relaxed),
            bytes_out = sent,
            whole = is_whole,
            client = &*text(client),
            user_agent = user_agent.as_ref().map(text).as_deref(),
            request_id = &*text(request_id),
            trace_id,
        );
    }
}

fn text(value: &HeaderValue) -> Cow<'_, str> {
    String::from_utf8_lossy(value.as_bytes())
}

/// With six places: a millionth is what clocks are good for.
fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e6
}

/// The id of a trace in a `traceparent` (W3C Trace Context, 3.2.2.3).
fn trace_id(traceparent: &HeaderValue) -> Option<&str> {
    let id = traceparent.to_str().ok()?.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Parameters whose values say nothing that is to be kept from anybody: all others could be tokens or signatures.
const PLAIN: [&str; 12] = [
    "artifactType",
    "artifact_type",
    "digest",
    "filter",
    "from",
    "last",
    "mount",
    "n",
    "nextToken",
    "ns",
    "page",
    "scope",
];

/// A query with the values of all parameters left out but those that are known to hold no secret, and are what names, digests
/// and numbers are made of. Nor is a parameter shown that has no name.
fn without_secrets(query: &str) -> String {
    let is_plain = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:/+%,".contains(&byte));
    let hides_more =
        |value: &str| ["%26", "%3B", "%3b", "%3D", "%3d", "%40", "//"].iter().any(|part| value.contains(part));
    let pair = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if PLAIN.contains(&name) && is_plain(value) && !hides_more(value) => pair.to_owned(),
        Some((name, _)) => format!("{name}=…"),
        None if pair.is_empty() => String::new(),
        None => "…".to_owned(),
    };
    query.split('&').map(pair).collect::<Vec<_>>().join("&")
}

/// An answer's body, and what is said when it has ended.
pub struct AnswerBody {
    body: Body,
    record: Option<Box<Record>>,
}

impl AnswerBody {
    /// One of which nothing is said.
    pub fn unlogged(body: Body) -> Self {
        Self { body, record: None }
    }

    pub(super) fn logged(body: Body, asked: Asked, answered: Answered) -> Self {
        let record = Record { asked, answered, sent: 0, is_whole: body.is_end_stream() };
        Self { body, record: Some(Box::new(record)) }
    }
}

impl HttpBody for AnswerBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(frame) = &polled
            && let Self { body, record: Some(record) } = &mut *self
        {
            if let Some(data) = frame.as_ref().and_then(|frame| frame.as_ref().ok()?.data_ref()) {
                record.sent += data.len() as u64;
            }
            record.is_whole = frame.is_none() || (matches!(frame, Some(Ok(_))) && body.is_end_stream());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(record) = &self.record {
            record.write();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_log_has_no_secret_of_a_query() {
        let query = "n=5&last=v1&token=abc&X-Amz-Signature=def&_state=ghi&flag";
        assert_eq!(without_secrets(query), "n=5&last=v1&token=…&X-Amz-Signature=…&_state=…&…");
        // What is made to look like another.
        for query in
            ["n=5;token=s3cret", "n=5%26token=s3cret", "from=https://u:s3cret@h/", "scope=a%3Ds3cret", "eyJh.s3cret"]
        {
            assert!(!without_secrets(query).contains("s3cret"), "{query}");
        }
        let plain =
            "digest=sha256:00&mount=sha256:00&from=library/alpine&artifactType=application/spdx%2Bjson&ns=docker.io";
        assert_eq!(without_secrets(plain), plain);
    }

    #[test]
    fn access_log_takes_the_trace_of_a_traceparent_alone() {
        let id = |text: &'static str| trace_id(&HeaderValue::from_static(text)).map(str::to_owned);
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        assert_eq!(id("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").as_deref(), Some(trace));
        assert_eq!((id("x"), id("00-short-1-1"), id("00-4bf92f3577b34da6a3ce929d0e0e473z-1-1")), (None, None, None));
    }
}
