//! `/v2/<name>/referrers/<digest>` (distribution-spec 1.1, "Listing Referrers").

use http::{HeaderName, HeaderValue, Response, header};

use crate::{
    oci::MediaType,
    referrers::{Page, Query},
};

/// What stands before the list.
pub const OPENING: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":["#;

const FILTERS_APPLIED: HeaderName = HeaderName::from_static("oci-filters-applied");

/// An image index of the page. `path` is the one that was asked, for the link to the next page.
pub fn render(page: Page, query: &Query, path: &str) -> Response<Vec<u8>> {
    let filtered = !query.artifact_types.is_empty();
    let mut body = page.body;
    let closing: &[u8] = if filtered {
        br#"],"annotations":{"org.opencontainers.referrers.filtersApplied":"artifactType"}}"#
    } else {
        b"]}"
    };
    body.extend_from_slice(closing);

    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MediaType::INDEX));
    if filtered {
        headers.insert(FILTERS_APPLIED, HeaderValue::from_static("artifactType"));
    }
    if let Some(next) = &page.next {
        let mut link = format!("<{path}?nextToken={}", next.render());
        if query.limit != usize::MAX {
            link = format!("{link}&n={}", query.limit);
        }
        for artifact_type in &query.artifact_types {
            let encoded = percent_encoding::utf8_percent_encode(artifact_type, percent_encoding::NON_ALPHANUMERIC);
            link = format!("{link}&artifactType={encoded}");
        }
        link.push_str(">; rel=\"next\"");
        // Invariant: a path that parsed, a number, and what is percent-encoded are visible ASCII.
        if let Ok(link) = HeaderValue::from_str(&link) {
            headers.insert(header::LINK, link);
        }
    }
    answer
}
