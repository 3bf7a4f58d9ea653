//! Descriptors as referrers lists give them (image-spec 1.1, descriptor.md; distribution-spec 1.1, "Listing Referrers").

use serde::Serialize;
use serde_json::value::RawValue;

/// One entry of a referrers list, ready to be rendered. `data` is never given: a list would carry whole manifests.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor<'a> {
    /// The manifest's media type.
    pub media_type: &'a str,
    /// The manifest's digest.
    pub digest: &'a str,
    /// The manifest's length in bytes.
    pub size: usize,
    /// As "Listing Referrers" derives it; `None` is left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<&'a str>,
    /// The manifest's own annotations.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<&'a RawValue>,
}

impl Descriptor<'_> {
    /// The descriptor as JSON text.
    ///
    /// # Panics
    /// Never: strings, a number and JSON that was parsed serialize without fail.
    #[allow(clippy::expect_used, reason = "the invariant stands above")]
    pub fn render(&self) -> String {
        serde_json::to_string(self).expect("a descriptor is plain JSON")
    }
}
