//! What is said of a request that backref could not answer as asked: what operators can mend, and of which request it was.

use http::{HeaderValue, Uri};

use crate::{
    error::Error,
    repeats::Repeats,
    upstream::{NoConnection, Refusal, UpstreamError, headers::Side},
};

/// What is backref's own matter, and an error.
const STORE: &str = "store";

/// Logs it, where it is no matter of the client's. That a registry doesn't answer is said when that begins and ends, and here for
/// each request at `debug`.
pub(super) fn log(repeats: &Repeats, error: &Error, upstream: &str, uri: &Uri, side: &Side, id: &HeaderValue) {
    let (path, client) = (uri.path(), side.peer.to_str().unwrap_or_default());
    let request_id = id.to_str().unwrap_or_default();
    let (name, status, text) = match error {
        Error::Upstream(UpstreamError::Connect(error @ NoConnection::AllInUse(_))) => {
            ("all-in-use", None, format!("no connection to the registry is free: {error}"))
        }
        Error::Upstream(error) | Error::Refused(Refusal::Failed(error)) => {
            return tracing::debug!(upstream, path, client, request_id, %error, "no answer from the registry");
        }
        Error::Refused(Refusal::Unclear(status, _)) => {
            ("unclear", Some(status.as_u16()), "the registry could not say whether this client may read".to_owned())
        }
        Error::Store(error) => (STORE, None, format!("the database cannot be read or written: {error}")),
        Error::Refused(Refusal::NoRecord) => (STORE, None, "the database cannot be read".to_owned()),
        Error::Bug => {
            return tracing::error!(upstream, path, client, request_id, "a bug: this request failed, others go on");
        }
        _ => return,
    };
    match repeats.due(name) {
        Some(left_out) if name == STORE => {
            tracing::error!(upstream, path, client, request_id, left_out, "{text}");
        }
        Some(left_out) => tracing::warn!(upstream, path, client, request_id, status, left_out, "{text}"),
        None => {}
    }
}
