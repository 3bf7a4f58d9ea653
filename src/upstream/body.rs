//! Bodies on their way, in both directions: streamed as they come, never collected here.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;

use super::{
    connection::InUse,
    error::BodyError,
    held::HeldBody,
    load::UnderWay,
    upload::{ClientBody, Upload},
};
use crate::stall::Stall;

/// A body of a request to the upstream or of an answer to a client.
pub enum Body {
    /// None, or one that was at hand.
    Full(Option<Bytes>),
    /// One that backref holds whole, with its reservation.
    Held(HeldBody),
    /// A client's, to the upstream.
    Client(ClientBody),
    /// The upstream's, to a client.
    Upstream(UpstreamBody),
}

impl Body {
    /// No body.
    pub const EMPTY: Self = Self::Full(None);
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self::Full((!bytes.is_empty()).then_some(bytes))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.get_mut() {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Held(body) => Poll::Ready(body.next().map(|piece| Ok(Frame::data(piece?)))),
            Self::Client(body) => body.poll_frame(cx),
            Self::Upstream(body) => body.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.is_none(),
            Self::Held(body) => body.is_at_its_end(),
            Self::Client(body) => body.is_end_stream(),
            Self::Upstream(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Held(body) => SizeHint::with_exact(body.left() as u64),
            Self::Client(body) => body.size_hint(),
            Self::Upstream(body) => body.incoming.size_hint(),
        }
    }
}

/// What the upstream answers. Holds the connection it comes over, and gives it back at the end; dropped before, the
/// connection closes.
pub struct UpstreamBody {
    incoming: Incoming,
    stall: Stall,
    connection: Option<(InUse<Body>, UnderWay)>,
    /// The request's body, where the answer came before the end of it.
    unfinished: Option<Arc<Upload>>,
}

impl UpstreamBody {
    pub(super) fn new(
        incoming: Incoming,
        stall_timeout: Duration,
        connection: (InUse<Body>, UnderWay),
        unfinished: Option<Arc<Upload>>,
    ) -> Self {
        let stall = Stall::new(stall_timeout);
        let mut body = Self { incoming, stall, connection: Some(connection), unfinished };
        body.release_at_end();
        body
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let frame = ready!(self.stall.poll(cx, |cx| Pin::new(&mut self.incoming).poll_frame(cx)))?;
        match &frame {
            None => self.release(),
            Some(Ok(_)) => self.release_at_end(),
            Some(Err(_)) => {}
        }
        Poll::Ready(frame.map(|frame| frame.map_err(BodyError::from)))
    }

    fn release_at_end(&mut self) {
        if self.incoming.is_end_stream() {
            self.release();
        }
    }

    fn release(&mut self) {
        if let Some(upload) = self.unfinished.take() {
            upload.close();
        }
        if let Some((connection, _)) = self.connection.take() {
            connection.release();
        }
    }
}
