//! Whether an upstream refused a manifest for what it is: then its carrier may be taken. A refusal for another reason
//! (denied, quota, an immutable tag, an absent blob) is the client's.

use http::{Response, StatusCode};

use crate::{
    oci::error_codes,
    upstream::{Body, short_answer},
};

/// The answer, its body read, and whether it refuses the manifest's kind.
pub async fn classify(answer: Response<Body>) -> (Response<Body>, bool) {
    let (answer, body) = short_answer(answer).await;
    // What is longer is nothing that a registry says of a manifest.
    let of_its_kind = body.is_some_and(|body| is_of_kind(answer.status(), &body));
    (answer, of_its_kind)
}

/// Whether an answer of this status can refuse a manifest's kind.
pub fn may_be_of_kind(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::NOT_FOUND
            | StatusCode::METHOD_NOT_ALLOWED
            | StatusCode::UNSUPPORTED_MEDIA_TYPE
            | StatusCode::NOT_IMPLEMENTED
    )
}

fn is_of_kind(status: StatusCode, body: &[u8]) -> bool {
    let codes = error_codes(body);
    let says = |code: &str| codes.iter().any(|said| said == code);
    match status {
        // distribution, Quay, zot, GitLab; some registries say that they don't support it.
        StatusCode::BAD_REQUEST => says("MANIFEST_INVALID") || says("UNSUPPORTED"),
        // ECR; Gitea of a schema version.
        StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => says("UNSUPPORTED"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => true,
        // Gitea. A 404 that says what is not there is about that.
        StatusCode::NOT_FOUND => !["NAME_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_BLOB_UNKNOWN"].into_iter().any(says),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrite_refusal_counts_only_where_it_is_about_the_media_type() {
        for (status, code, counts) in [
            (400, "MANIFEST_INVALID", true),
            (400, "DIGEST_INVALID", false),
            (400, "MANIFEST_BLOB_UNKNOWN", false),
            (405, "UNSUPPORTED", true),
            (405, "DENIED", false),
            (501, "UNSUPPORTED", true),
            (501, "", false),
            (415, "", true),
            (404, "MANIFEST_UNKNOWN", true),
            (404, "NAME_UNKNOWN", false),
            (403, "DENIED", false),
            (429, "TOOMANYREQUESTS", false),
            (500, "MANIFEST_INVALID", false),
        ] {
            let body = format!(r#"{{"errors":[{{"code":"{code}"}}]}}"#);
            assert_eq!(is_of_kind(StatusCode::from_u16(status).unwrap(), body.as_bytes()), counts, "{status} {code}");
        }
        assert!(!is_of_kind(StatusCode::BAD_REQUEST, b"<html>"));
    }
}
