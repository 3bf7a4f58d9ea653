//! Every way in which a request can fail, and the one place where that becomes an HTTP answer in the OCI shape
//! (distribution-spec 1.1, "Error codes").
//!
//! Which to use: a variant of its own where something else than the message differs; [`Error::Request`] with a
//! sentence for what a client can mend.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde_json::json;

use crate::{
    oci::{ErrorCode, ManifestError, PathError},
    shares::Exhausted,
    stall::Stalled,
    store::StoreError,
    upstream::{Body, BodyError, NoConnection, ReadError, Refusal, UpstreamError},
};

/// Why a request is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The client can mend it: a status, a code, and a sentence that says what was wrong and what to do.
    #[error("{2}")]
    Request(StatusCode, ErrorCode, String),
    /// No path that is read in one way only.
    #[error(transparent)]
    Path(#[from] PathError),
    /// No manifest that is read in one way only.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The upstream said no, or nothing.
    #[error("the upstream gives no permission")]
    Refused(Refusal),
    /// The upstream did not answer.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The client's body ended early.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// The store can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Others change the same manifest or tag, again and again.
    #[error("others change the same manifest at the same time; try again in a moment")]
    Contended,
    /// Not all of what a list is made of could be read.
    #[error("not every referrer that the registry's own list names could be read; try again in a moment")]
    Incomplete,
    /// Others hold the lock of a referrers tag, for longer than it is waited for.
    #[error("others are writing the referrers tag; try again in a moment")]
    TagBusy,
    /// A referrers tag that holds something else.
    #[error("the referrers tag holds something that is no list of referrers: it is left as it is")]
    TagForeign,
    /// A referrer that was to be taken out of a referrers tag is not in it, as far as this caller sees.
    #[error("the referrers tag does not list it")]
    NotInTag,
    /// More referrers than an index has room for.
    #[error("the list of referrers is longer than the 4 MiB that registries take")]
    TagTooLarge,
    /// The upstream doesn't take a referrers tag from this caller.
    #[error("the registry answered {0} to the referrers tag")]
    TagRefused(StatusCode),
    /// No memory is free for what is to be read.
    #[error(transparent)]
    Busy(#[from] Exhausted),
    /// A bug; the log has it.
    #[error("backref failed on this request")]
    Bug,
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Refused(Refusal::Failed(error)) => Self::Upstream(error),
            ReadError::Refused(refusal) => Self::Refused(refusal),
            ReadError::Incomplete => Self::Incomplete,
            ReadError::TooLong(why) => Self::bad(ErrorCode::Unsupported, why),
            ReadError::OtherBytes => {
                Self::bad(ErrorCode::DigestInvalid, "the upstream gave other bytes than those of the digest")
            }
            ReadError::Busy(error) => Self::Busy(error),
        }
    }
}

/// How long clients are asked to wait when something of ours is out of order.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("5");

impl Error {
    /// A 400 with a sentence.
    pub fn bad(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Request(StatusCode::BAD_REQUEST, code, message.into())
    }

    /// There is no such manifest.
    pub fn absent() -> Self {
        Self::Request(StatusCode::NOT_FOUND, ErrorCode::ManifestUnknown, "there is no such manifest".to_owned())
    }

    /// The upstream did not say whether it holds a manifest, so that a push or delete of it can't be confirmed.
    pub fn unconfirmed(status: StatusCode) -> Self {
        let message = format!("the registry answered {status} when asked whether it holds the manifest; push it again");
        Self::Request(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message)
    }

    /// The answer to the client, without what only the operator should know. `request_id`: the name of its request.
    pub fn answer(self, request_id: Option<&HeaderValue>) -> Response<Body> {
        let mut headers = HeaderMap::new();
        let (status, code, message) = match self {
            Self::Request(status, code, message) => (status, code, message),
            Self::Path(error @ PathError::Digest { .. }) => {
                (StatusCode::BAD_REQUEST, ErrorCode::DigestInvalid, error.to_string())
            }
            Self::Path(error) => (StatusCode::BAD_REQUEST, ErrorCode::NameInvalid, error.to_string()),
            Self::Manifest(error) => (StatusCode::BAD_REQUEST, ErrorCode::ManifestInvalid, error.to_string()),
            Self::Body(BodyError::Stalled(Stalled(limit))) => of_upstream(&UpstreamError::ClientStalled(limit)),
            Self::Body(BodyError::Slow(slow)) => {
                (StatusCode::REQUEST_TIMEOUT, ErrorCode::SizeInvalid, format!("of the request's body {slow}"))
            }
            Self::Body(_) => of_upstream(&UpstreamError::ClientLeft),
            Self::Upstream(error) | Self::Refused(Refusal::Failed(error)) => {
                if matches!(error, UpstreamError::Connect(NoConnection::AllInUse(_))) {
                    headers.insert(header::RETRY_AFTER, RETRY_AFTER);
                }
                of_upstream(&error)
            }
            Self::Refused(Refusal::Denied(status, from_upstream)) => {
                headers = from_upstream;
                let unauthorized = status == StatusCode::UNAUTHORIZED;
                let code = if unauthorized { ErrorCode::Unauthorized } else { ErrorCode::Denied };
                (status, code, "the registry does not let you read this repository".to_owned())
            }
            Self::Refused(Refusal::Unclear(status, from_upstream)) => {
                headers = from_upstream;
                unclear(status)
            }
            // A caller that turns it into an empty list comes first; to no other does it say more.
            Self::Refused(Refusal::Absent) => (StatusCode::NOT_FOUND, ErrorCode::Unknown, "not found".to_owned()),
            Self::Refused(Refusal::NoRecord) => return Self::Store(StoreError::Closed).answer(request_id),
            Self::Store(_) => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
                let message = "backref's database cannot be read or written now; try again later";
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message.to_owned())
            }
            error @ Self::Busy(_) => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::TooManyRequests, error.to_string())
            }
            // Of the tag only where a client writes it: a push is acknowledged, and its tag stale.
            error @ (Self::Contended
            | Self::Incomplete
            | Self::TagBusy
            | Self::TagForeign
            | Self::NotInTag
            | Self::TagTooLarge
            | Self::TagRefused(_)) => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
                (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, error.to_string())
            }
            Self::Bug => (StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Unknown, Self::Bug.to_string()),
        };
        let mut answer = Response::new(Body::from(body(code, &message, request_id)));
        *answer.status_mut() = status;
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        *answer.headers_mut() = headers;
        answer
    }
}

/// An error body. With the name of a request, operators find it in their logs.
pub fn body(code: ErrorCode, message: &str, request_id: Option<&HeaderValue>) -> Bytes {
    let mut error = json!({"code": code.as_str(), "message": message});
    if let Some(id) = request_id.and_then(|id| id.to_str().ok()) {
        error["detail"] = json!({"request_id": id});
    }
    json!({"errors": [error]}).to_string().into()
}

fn of_upstream(error: &UpstreamError) -> (StatusCode, ErrorCode, String) {
    let stalled = |limit: &Duration| format!("nothing of the request's body came for {limit:?}");
    let (status, code, message) = match error {
        UpstreamError::ClientStalled(limit) => (StatusCode::REQUEST_TIMEOUT, ErrorCode::SizeInvalid, stalled(limit)),
        UpstreamError::ClientLeft => (StatusCode::BAD_REQUEST, ErrorCode::SizeInvalid, error.to_string()),
        UpstreamError::Timeout(_) => {
            (StatusCode::GATEWAY_TIMEOUT, ErrorCode::Unavailable, "the registry did not answer in time".to_owned())
        }
        UpstreamError::Connect(NoConnection::AllInUse(_)) => {
            let message = "too many connections to the registry are in use; try again in a moment";
            (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message.to_owned())
        }
        UpstreamError::Connect(NoConnection::Failed(_)) => {
            (StatusCode::BAD_GATEWAY, ErrorCode::Unavailable, "the registry cannot be reached".to_owned())
        }
        UpstreamError::Lost(_) => {
            (StatusCode::BAD_GATEWAY, ErrorCode::Unavailable, "the registry's connection failed".to_owned())
        }
        UpstreamError::Malformed(_) => {
            let message = "the registry's answer is not HTTP that can be passed on";
            (StatusCode::BAD_GATEWAY, ErrorCode::Unavailable, message.to_owned())
        }
    };
    (status, code, message)
}

/// The upstream neither said yes nor no: what it said, where clients know what to do about it, else 502.
fn unclear(status: StatusCode) -> (StatusCode, ErrorCode, String) {
    let (status, code) = match status {
        StatusCode::TOO_MANY_REQUESTS => (status, ErrorCode::TooManyRequests),
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => (status, ErrorCode::Unavailable),
        _ => (StatusCode::BAD_GATEWAY, ErrorCode::Unavailable),
    };
    (status, code, "the registry cannot say now whether you may read this repository".to_owned())
}
