//! Header fields that say what a manifest is, read the same way wherever they come from. One that stands twice with two
//! values says nothing: two readers would take two values.

use http::{HeaderMap, HeaderName, header};

use super::{digest::Digest, media_type::MediaType};

/// `Docker-Content-Digest` (distribution-spec 1.1, "Pulling manifests").
pub const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// `OCI-Subject` (distribution-spec 1.1, "Pushing Manifests with Subject").
pub const OCI_SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

/// The digest that `Docker-Content-Digest` gives; `None` where it is absent or in no digest's grammar.
pub fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    Digest::parse(only(headers, &CONTENT_DIGEST)?).ok()
}

/// The length in bytes that `Content-Length` gives (RFC 9110, 8.6); `None` where it is absent or no number.
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    let digits = only(headers, &header::CONTENT_LENGTH)?;
    // `parse` alone would take a sign.
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The media type that `Content-Type` gives; `None` where it is absent, empty or not ASCII.
pub fn media_type(headers: &HeaderMap) -> Option<MediaType> {
    let media_type = MediaType::parse(only(headers, &header::CONTENT_TYPE)?);
    (!media_type.is_empty()).then_some(media_type)
}

/// The one value of a field, however often it stands there.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    values.all(|value| value == first).then(|| first.to_str().ok())?.map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &str, values: &[&str]) -> HeaderMap {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        values.iter().map(|value| (name.clone(), value.parse().unwrap())).collect()
    }

    #[test]
    fn header_values_are_read_in_one_way_or_not_at_all() {
        let digest = |values: &[&str]| content_digest(&headers("Docker-Content-Digest", values));
        assert_eq!(digest(&["blake3:00"]), Digest::parse("blake3:00").ok());
        assert_eq!(digest(&["blake3:00", "blake3:00"]), digest(&["blake3:00"]));
        for none in [&[][..], &["latest"], &["sha256:00"], &["blake3:00", "blake3:01"], &["blake3:00, blake3:00"]] {
            assert_eq!(digest(none), None, "{none:?}");
        }
        let length = |values: &[&str]| content_length(&headers("Content-Length", values));
        assert_eq!((length(&["7"]), length(&["0"]), length(&[" 7 "])), (Some(7), Some(0), Some(7)));
        for none in [&[][..], &[""], &["+7"], &["-7"], &["7, 7"], &["7", "8"], &["99999999999999999999"]] {
            assert_eq!(length(none), None, "{none:?}");
        }
        let kind = |values: &[&str]| media_type(&headers("Content-Type", values));
        assert_eq!(kind(&["A/B; Q=C"]), Some(MediaType::parse("a/b")));
        for none in [&[][..], &[""], &["; a=b"], &["a/b", "c/d"], &["a/é"]] {
            assert_eq!(kind(none), None, "{none:?}");
        }
    }
}
