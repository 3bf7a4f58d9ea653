//! The error codes of distribution-spec 1.1, "Error codes", and the ones registries add.

/// The `code` of an error body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the spec's; `as_str` spells them")]
pub enum ErrorCode {
    DigestInvalid,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    PaginationInvalid,
    SizeInvalid,
    TagInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    Unavailable,
    Unknown,
}

impl ErrorCode {
    /// As it stands in the body.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DigestInvalid => "DIGEST_INVALID",
            Self::ManifestInvalid => "MANIFEST_INVALID",
            Self::ManifestUnknown => "MANIFEST_UNKNOWN",
            Self::NameInvalid => "NAME_INVALID",
            Self::PaginationInvalid => "PAGINATION_NUMBER_INVALID",
            Self::SizeInvalid => "SIZE_INVALID",
            Self::TagInvalid => "TAG_INVALID",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Denied => "DENIED",
            Self::Unsupported => "UNSUPPORTED",
            Self::TooManyRequests => "TOOMANYREQUESTS",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// The codes in an error's body, whatever they are; none where it isn't in the OCI shape.
pub fn error_codes(body: &[u8]) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Errors {
        errors: Vec<Code>,
    }
    #[derive(serde::Deserialize)]
    struct Code {
        code: String,
    }
    let errors: Option<Errors> = serde_json::from_slice(body).ok();
    errors.into_iter().flat_map(|said| said.errors).map(|error| error.code).collect()
}
