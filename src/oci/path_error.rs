//! Why a path is refused.

use super::DigestError;

/// Why a path is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PathError {
    #[error("the path holds {0}, which registries read in more than one way: send it without")]
    Ambiguous(&'static str),
    #[error("{digest:?} is no digest: {reason}")]
    Digest { digest: String, reason: DigestError },
}
