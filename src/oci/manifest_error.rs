//! Why a manifest is refused.

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ManifestError {
    #[error("the manifest is not a JSON object: {0}")]
    Json(#[from] serde_json::Error),
    #[error("the manifest is not UTF-8: {0}")]
    Utf8(#[from] std::str::Utf8Error),
    #[error("the key {0:?} stands in the manifest twice")]
    Duplicate(&'static str),
    #[error("the key {found:?} could be read as {known:?}: write it exactly so, or leave it out")]
    CaseFolded { found: String, known: &'static str },
    #[error("`manifests` stands beside `{0}`: a manifest is an index or an image manifest, not both")]
    Mixed(&'static str),
    #[error("the Content-Type is {header} but the manifest's mediaType is {body}")]
    MediaType { header: String, body: String },
    #[error("`{field}` is no descriptor: {reason}")]
    Subject { field: &'static str, reason: String },
    #[error("`subject` and `refers` name different digests")]
    TwoSubjects,
    #[error("`{field}` cannot be read: {reason}")]
    Field { field: &'static str, reason: String },
}
