//! A header of an answer.

use http::{HeaderName, HeaderValue, Response};

/// Sets it.
pub(super) fn set(answer: &mut Response<Vec<u8>>, name: HeaderName, value: &'static str) {
    answer.headers_mut().insert(name, HeaderValue::from_static(value));
}
