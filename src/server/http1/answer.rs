//! The body of an answer, whose end is noted.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http_body::{Body, Frame, SizeHint};

use super::progress::Progress;

/// The body of an answer. When hyper has taken its last byte, or gives it up, the connection is no longer answering.
pub(super) struct AnswerBody<B> {
    body: B,
    _end: AnswerEnd,
}

struct AnswerEnd(Arc<Progress>);

impl Drop for AnswerEnd {
    fn drop(&mut self) {
        self.0.answered();
    }
}

impl<B> AnswerBody<B> {
    pub(super) fn new(body: B, progress: Arc<Progress>) -> Self {
        Self { body, _end: AnswerEnd(progress) }
    }
}

impl<B: Body + Unpin> Body for AnswerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
