//! `/v2/<name>/_oci/artifacts/referrers?digest=`, of the reference-types working group: the list as Proposal A has it
//! (`referrers`) and as Proposal E has it (`manifests`, in an image index) in one body. regctl 0.4 takes it only with
//! the index's media type.

use http::{HeaderName, Response, header};

use super::{oci::OPENING, set::set};
use crate::oci::MediaType;

const VERSION: HeaderName = HeaderName::from_static("reftype-api-version");

pub(super) fn close(answer: &mut Response<Vec<u8>>, filtered: bool) {
    set(answer, header::CONTENT_TYPE, MediaType::INDEX);
    set(answer, VERSION, "reftype/1.0");
    let body = answer.body_mut();
    let list = OPENING.len()..body.len();
    body.reserve(list.len() + 128);
    body.extend_from_slice(br#"],"referrers":["#);
    body.extend_from_within(list);
    let closing: &[u8] = if filtered {
        br#"],"annotations":{"org.opencontainers.references.filtersApplied":"artifactType"}}"#
    } else {
        b"]}"
    };
    body.extend_from_slice(closing);
}
