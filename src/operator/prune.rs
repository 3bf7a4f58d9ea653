//! What the upstream has lost: a 404 counts beside a 200 that the same credentials got in the same repository.

use http::StatusCode;

use super::{error::OperatorError, repository::RepositorySession};
use crate::{
    carrier::{self, Lost},
    error::Error,
    oci::Digest,
    store::{Applied, Basis, Close, Seen, Verdict},
    upstream::Refusal,
};

/// What the upstream said about a manifest.
pub struct Presence {
    /// Which.
    pub digest: Digest,
    /// Whether it is there.
    pub there: bool,
    /// What the database had before the upstream was asked.
    seen: Seen,
}

/// The upstream showed these credentials something in this repository.
pub struct Corroboration(());

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOutcome {
    /// Not listed any more, and asked about again.
    Missing,
    /// Gone for good: it was missing for a day.
    Dropped,
    /// Listed again.
    Listed,
    /// Others changed it meanwhile.
    Untouched,
}

impl Presence {
    /// A 200, beside which 404s of the same round count.
    pub fn corroboration(&self) -> Option<Corroboration> {
        self.there.then_some(Corroboration(()))
    }
}

impl RepositorySession {
    /// Asks the upstream whether it holds a manifest.
    pub async fn probe(&self, digest: &Digest) -> Result<Presence, OperatorError> {
        let key = self.key(digest);
        let probed = self.tokens.with(async |registry| {
            let seen = self.app.store.look(&key).await?;
            let head = registry.head(&key).await?;
            let there = match head.status {
                StatusCode::OK => true,
                StatusCode::NOT_FOUND => false,
                _ => return Err(head.refusal().into()),
            };
            Ok(Presence { digest: digest.clone(), there, seen })
        });
        probed.await
    }

    /// Whether the upstream shows one of those to whom a manifest refers.
    pub async fn subject_corroboration(&self, of: &Digest) -> Result<Option<Corroboration>, OperatorError> {
        for subject in self.app.store.subjects(&self.key(of)).await? {
            if let Some(corroboration) = self.probe(&subject).await?.corroboration() {
                return Ok(Some(corroboration));
            }
        }
        Ok(None)
    }

    /// Writes down that a referrer is not there.
    pub async fn record_absent(&self, probed: &Presence, _: &Corroboration) -> Result<RowOutcome, OperatorError> {
        let applied = self.apply(probed, Verdict::Absent).await?;
        let left = self.app.store.look(&self.key(&probed.digest)).await?;
        Ok(match applied {
            Applied::Outdated(_) => RowOutcome::Untouched,
            Applied::Done if left.version == 0 => RowOutcome::Dropped,
            Applied::Done => RowOutcome::Missing,
        })
    }

    /// Writes down that a referrer that was missing is there.
    pub async fn record_present(&self, probed: &Presence) -> Result<RowOutcome, OperatorError> {
        let applied = self.apply(probed, Verdict::Seen).await?;
        Ok(if applied == Applied::Done { RowOutcome::Listed } else { RowOutcome::Untouched })
    }

    async fn apply(&self, probed: &Presence, verdict: Verdict) -> Result<Applied, OperatorError> {
        let basis = Basis { version: probed.seen.version, alone: true };
        Ok(self.app.store.apply(&self.key(&probed.digest), verdict, basis, Close::Nothing).await?)
    }

    /// Whether no form of a subject is there.
    pub async fn is_gone(&self, subject: &Digest) -> Result<bool, OperatorError> {
        let key = self.key(subject);
        // What can't be read now may be the form that is there.
        for form in self.app.tags.known_forms(&key).await? {
            if self.probe(&form.digest).await?.there {
                return Ok(false);
            }
        }
        // What was rewritten is there as its carrier, whether the database knows it or not.
        let lost = self.tokens.with(async |registry| carrier::recover(registry, &*self.app.store, &key).await).await?;
        Ok(matches!(lost, Lost::Nothing | Lost::Original))
    }

    /// Some of those whose own bytes refer to a subject. Not those by a tag alone: whoever may push could have anything
    /// deleted so.
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>, OperatorError> {
        const SOME: usize = 1000;
        Ok(self.app.store.stated(&self.key(subject), SOME).await?)
    }

    /// Deletes a referrer in the upstream, the way of a client's DELETE.
    pub async fn delete(&self, referrer: &Digest) -> Result<(), OperatorError> {
        let key = self.key(referrer);
        let deleted = self.tokens.with(async |registry| {
            let place = self.app.tasks.place(registry.holder()).await?;
            let answer = self.app.changes.delete(registry, &key, &place).await?;
            match answer.status() {
                status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
                status => Err::<(), Error>(Refusal::of(status, answer.headers()).into()),
            }
        });
        deleted.await
    }
}
