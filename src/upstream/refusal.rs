//! What the upstream says instead of what it was asked for.

use http::{HeaderMap, StatusCode};

use super::{
    error::UpstreamError,
    headers::{Addresses, Side, of_refusal},
};
use crate::shares::Exhausted;

/// Why the upstream lets a caller read nothing.
#[derive(Clone, Debug)]
pub enum Refusal {
    /// Nothing that was asked about is there, or not for this caller: an empty list, without a hint.
    Absent,
    /// 401 or 403, with what the upstream said.
    Denied(StatusCode, HeaderMap),
    /// The upstream can't say now.
    Unclear(StatusCode, HeaderMap),
    /// It didn't answer.
    Failed(UpstreamError),
    /// The database could not be read.
    NoRecord,
}

impl Refusal {
    /// Of an answer that is neither yes nor "not there".
    pub fn of(status: StatusCode, headers: &HeaderMap) -> Self {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Self::Denied(status, of_refusal(headers)),
            _ => Self::Unclear(status, of_refusal(headers)),
        }
    }

    /// As the client is to see it.
    #[must_use]
    pub fn to_client(mut self, addresses: &Addresses<'_>, side: &Side) -> Self {
        if let Self::Denied(_, headers) = &mut self {
            addresses.to_client(headers, side);
        }
        self
    }
}

/// Why something of the upstream's could not be read.
#[derive(Debug)]
pub enum ReadError {
    /// It said no, or nothing.
    Refused(Refusal),
    /// The answer ended early, or is longer than such a thing may be.
    Incomplete,
    /// A list that is longer than is read here, or has no end: why, in a sentence.
    TooLong(String),
    /// Other bytes than those of the digest that was asked for.
    OtherBytes,
    /// No memory was free for it.
    Busy(Exhausted),
}

impl From<UpstreamError> for ReadError {
    fn from(error: UpstreamError) -> Self {
        Self::Refused(Refusal::Failed(error))
    }
}

impl From<Exhausted> for ReadError {
    fn from(error: Exhausted) -> Self {
        Self::Busy(error)
    }
}
