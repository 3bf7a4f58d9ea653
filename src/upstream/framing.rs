//! How the body of an answer is framed. hyper reads what it can make sense of; a proxy has to refuse what the next
//! reader could take for something else (RFC 9112, 6.3), and what it would pass on under a wrong name.

use http::{HeaderMap, Response, StatusCode, header};
use hyper::body::Body;

/// What is wrong with the head of an answer that hyper takes.
pub(super) fn fault<B: Body>(answer: &Response<B>) -> Option<&'static str> {
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Some("it switches to a protocol that nobody asked for");
    }
    let body = answer.body();
    if body.is_end_stream() {
        // There is no body, whatever the headers say.
        return None;
    }
    match body.size_hint().exact() {
        Some(_) => (!has_one_length(answer.headers())).then_some("it has a list of lengths"),
        None => transfer_coding_fault(answer.headers()),
    }
}

/// Lines that say the same are one when they are passed on; a list within one line is not.
fn has_one_length(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_LENGTH).is_none_or(|length| length.as_bytes().iter().all(u8::is_ascii_digit))
}

fn transfer_coding_fault(headers: &HeaderMap) -> Option<&'static str> {
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    // Without any, the body ends with the connection.
    let coding = codings.next()?;
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Some("it has a Content-Length and a Transfer-Encoding");
    }
    let chunked = coding.as_bytes().eq_ignore_ascii_case(b"chunked") && codings.next().is_none();
    (!chunked).then_some("it has a Transfer-Encoding other than chunked")
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full, StreamBody, combinators::BoxBody};

    use super::*;

    /// The fault of an answer with these headers and such a body: of a length, of none that is known, or no body.
    fn of(
        headers: &[(&'static str, &'static str)],
        body: BoxBody<Bytes, std::convert::Infallible>,
    ) -> Option<&'static str> {
        let mut answer = Response::new(body);
        for (name, value) in headers {
            answer.headers_mut().append(*name, http::HeaderValue::from_static(value));
        }
        fault(&answer)
    }

    #[test]
    fn framing_of_an_answer_that_could_be_read_in_two_ways_is_a_fault() {
        let known = || Full::new(Bytes::from_static(b"12345")).boxed();
        let unknown = || BodyExt::boxed(StreamBody::new(futures_util::stream::empty()));
        let none = || Empty::new().boxed();
        let (length, coding) = ("content-length", "transfer-encoding");
        assert_eq!(of(&[(length, "5")], known()), None);
        assert_eq!(of(&[(length, "5"), (length, "5")], known()), None);
        assert!(of(&[(length, "5, 5")], known()).is_some());
        assert_eq!(of(&[], unknown()), None);
        assert_eq!(of(&[(coding, "Chunked")], unknown()), None);
        assert!(of(&[(coding, "chunked"), (length, "5")], unknown()).is_some());
        assert!(of(&[(coding, "gzip, chunked")], unknown()).is_some());
        assert!(of(&[(coding, "chunked"), (coding, "chunked")], unknown()).is_some());
        assert!(of(&[(coding, "gzip")], unknown()).is_some());
        assert_eq!(of(&[(coding, "gzip, chunked"), (length, "5")], none()), None);
    }
}
