//! `/v2/<name>/_oras/artifacts/referrers?digest=` (ORAS artifacts-spec 1.0) and the URL of its alpha. oras-go of that time
//! takes no answer without the version header.

use http::{HeaderName, Response, header};

use super::set::set;

const VERSION: HeaderName = HeaderName::from_static("oras-api-version");

pub(super) fn close(answer: &mut Response<Vec<u8>>) {
    set(answer, header::CONTENT_TYPE, "application/json");
    set(answer, VERSION, "oras/1.0");
    answer.body_mut().extend_from_slice(b"]}");
}
