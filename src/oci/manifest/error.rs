//! Why a manifest is refused, or can't be read.

/// Why a manifest is refused, or what stands against a verdict on one that is read.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ManifestError {
    #[error("the manifest is not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the manifest is not UTF-8: {0}")]
    Utf8(#[from] std::str::Utf8Error),
    #[error("the key {0:?} stands in the manifest twice")]
    Duplicate(&'static str),
    #[error("a key in another case could be read as {0:?}: write it exactly so, or leave it out")]
    CaseFolded(&'static str),
    #[error("`manifests` stands beside `{0}`: a manifest is an index or an image manifest, not both")]
    Mixed(&'static str),
    #[error("the media type is {given} but the manifest's mediaType is {body}: the Content-Type has to be the same")]
    MediaType { given: String, body: String },
    #[error("`{field}` {reason}")]
    Subject { field: &'static str, reason: &'static str },
    #[error("`subject` and `refers` name different digests")]
    TwoSubjects,
    #[error("`{field}` cannot be read: {reason}")]
    Field { field: &'static str, reason: String },
}
