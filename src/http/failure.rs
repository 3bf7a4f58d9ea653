//! What is said of a request that backref could not answer as asked: what operators can mend, and of which request it was.

use http::{HeaderValue, Uri};

use crate::{
    error::Error,
    repeats::Repeats,
    upstream::{NoConnection, Refusal, UpstreamError, headers::Side},
};

/// Logs it, where it is no matter of the client's. That a registry doesn't answer is said when that begins and ends, and here for
/// each request at `debug`.
pub(super) fn log(repeats: &Repeats, error: &Error, upstream: &str, uri: &Uri, side: &Side, id: &HeaderValue) {
    let (path, client) = (uri.path(), side.peer.to_str().unwrap_or_default());
    let request_id = id.to_str().unwrap_or_default();
    let due = |name| repeats.due(name);
    match error {
        Error::Upstream(UpstreamError::Connect(error @ NoConnection::AllInUse(_))) => {
            if let Some(left_out) = due("all-in-use") {
                tracing::warn!(
                    upstream,
                    path,
                    client,
                    request_id,
                    left_out,
                    "no connection to the registry is free: {error}"
                );
            }
        }
        Error::Upstream(error) | Error::Refused(Refusal::Failed(error)) => {
            tracing::debug!(upstream, path, client, request_id, %error, "no answer from the registry");
        }
        Error::Refused(Refusal::Unclear(status, _)) => {
            if let Some(left_out) = due("unclear") {
                let status = status.as_u16();
                tracing::warn!(
                    upstream,
                    path,
                    client,
                    request_id,
                    status,
                    left_out,
                    "the registry could not say whether this client may read"
                );
            }
        }
        Error::Store(error) => {
            if let Some(left_out) = due("store") {
                tracing::error!(
                    upstream,
                    path,
                    client,
                    request_id,
                    left_out,
                    "the database cannot be read or written: {error}"
                );
            }
        }
        Error::Refused(Refusal::NoRecord) => {
            if let Some(left_out) = due("store") {
                tracing::error!(upstream, path, client, request_id, left_out, "the database cannot be read");
            }
        }
        Error::Bug => tracing::error!(upstream, path, client, request_id, "a bug: this request failed, others go on"),
        _ => {}
    }
}
