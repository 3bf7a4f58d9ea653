//! What makes a 404 believable.

use super::attempts::holds;
use crate::{error::Error, referrers::ManifestKey, upstream::Registry};

/// A 200 that a caller got in a repository, beside which its 404s of the same round count: alone, a 404 may mean "not
/// yours to see".
pub struct CorroboratingOk {
    known: bool,
    candidates: Vec<ManifestKey>,
}

impl CorroboratingOk {
    /// `known`: the caller got one already. Otherwise these manifests are asked for, in turn, when it matters.
    pub fn new(known: bool, candidates: Vec<ManifestKey>) -> Self {
        Self { known, candidates }
    }

    /// The caller got one.
    pub fn found(&mut self) {
        self.known = true;
    }

    /// Whether the caller got one. No candidate is asked for twice.
    pub async fn is_there(&mut self, registry: &Registry) -> Result<bool, Error> {
        while !self.known
            && let Some(candidate) = self.candidates.pop()
        {
            self.known = holds(registry, &candidate).await?;
        }
        Ok(self.known)
    }
}
