//! How it stands in a column how a relation is known.

use crate::oci::Via;

/// As a column has it.
pub(super) fn as_text(via: Via) -> &'static str {
    match via {
        Via::Subject => "subject",
        Via::Refers => "refers",
        Via::Tag => "tag",
    }
}

/// Reads what [`as_text`] gave.
pub(super) fn parse(text: &str) -> Option<Via> {
    [Via::Subject, Via::Refers, Via::Tag].into_iter().find(|via| as_text(*via) == text)
}
