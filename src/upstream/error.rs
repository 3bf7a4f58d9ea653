//! Why there is no answer, or a body ended early.

use std::time::Duration;

use super::connection::NoConnection;
use crate::{min_rate::Slow, stall::Stalled};

/// Why there is no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum UpstreamError {
    /// No connection. Nothing was sent.
    #[error("no connection to the upstream: {0}")]
    Connect(NoConnection),
    /// No answer began in time. What was sent may still be carried out.
    #[error("the upstream did not answer within {0:?}")]
    Timeout(Duration),
    /// The connection ended before an answer. What was sent may have been carried out.
    #[error("the upstream's connection failed: {0}")]
    Lost(String),
    /// The answer is no HTTP that can be passed on. What was sent may have been carried out.
    #[error("the upstream's answer is malformed: {0}")]
    Malformed(String),
    /// The client's body stood still.
    #[error("nothing of the request's body came for {0:?}")]
    ClientStalled(Duration),
    /// The client's body broke off.
    #[error("the request's body broke off")]
    ClientLeft,
}

impl UpstreamError {
    /// Whether anything of the request was sent: then it may have been carried out.
    pub fn was_sent(&self) -> bool {
        !matches!(self, Self::Connect(_))
    }
}

/// Why a body ended early.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Nothing moved for `limits.stall_timeout`.
    #[error(transparent)]
    Stalled(#[from] Stalled),
    /// It holds memory, and moved too slowly.
    #[error(transparent)]
    Slow(#[from] Slow),
    /// The upstream answered before it accepted the body.
    #[error("the upstream answered before it accepted the body")]
    NotWanted,
    /// The connection that it came over failed.
    #[error(transparent)]
    Connection(#[from] hyper::Error),
}

impl From<hyper::Error> for UpstreamError {
    /// Of a request that was sent.
    fn from(error: hyper::Error) -> Self {
        let cause = std::error::Error::source(&error);
        match (cause.and_then(|cause| cause.downcast_ref()), cause) {
            (Some(BodyError::Stalled(Stalled(limit))), _) => Self::ClientStalled(*limit),
            (Some(BodyError::Connection(_)), _) => Self::ClientLeft,
            _ if error.is_parse() => Self::Malformed(error.to_string()),
            (_, Some(cause)) => Self::Lost(format!("{error}: {cause}")),
            (_, None) => Self::Lost(error.to_string()),
        }
    }
}
