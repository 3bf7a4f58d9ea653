//! `/v2/<name>/referrers/<digest>` (distribution-spec 1.1, "Listing Referrers"): an image index.

use http::{HeaderName, Response, header};

use super::set::set;
use crate::oci::MediaType;

pub(super) const OPENING: &str =
    r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":["#;

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

pub(super) fn close(answer: &mut Response<Vec<u8>>, filtered: bool) {
    set(answer, header::CONTENT_TYPE, MediaType::INDEX);
    let closing: &[u8] = if filtered {
        set(answer, FILTERS_APPLIED, "artifactType");
        br#"],"annotations":{"org.opencontainers.referrers.filtersApplied":"artifactType"}}"#
    } else {
        b"]}"
    };
    answer.body_mut().extend_from_slice(closing);
}
