//! Registries protect what a tagged index lists: a referrer that they refuse to delete for that is taken out of its
//! subjects' tags first, with the deleter's credentials.

use std::time::Duration;

use super::{
    keeper::ReferrersTags,
    lock::Locked,
    write::{Plan, Replaced, Wrote},
};
use crate::{error::Error, referrers::ManifestKey, upstream::Registry};

/// How long a lock that another has is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of taking a referrer out of its subjects' tags.
#[derive(Default)]
pub enum TakeOut {
    /// At least one of them listed it, and was written without it.
    Out,
    /// None lists it, as far as this caller sees, or the upstream takes one of them from this caller no more than the
    /// delete.
    #[default]
    Refused,
    /// The same, but a write that was sent may still be carried out.
    Unknown,
}

/// Tags that were written without a referrer. Until they are put back nobody in this process writes them.
#[derive(Default)]
pub struct TakenOut {
    subjects: Vec<ManifestKey>,
    replaced: Vec<Replaced>,
    locks: Vec<Locked>,
}

impl ReferrersTags {
    /// Writes the tags that list a referrer without it, and keeps them so. Whatever comes of it, they are to be put back.
    pub async fn take_out(&self, registry: &Registry, referrer: &ManifestKey) -> Result<(TakeOut, TakenOut), Error> {
        let mut out = TakenOut::default();
        let writer = (registry.holder().caller, referrer.upstream.clone(), referrer.repository.clone());
        // One at a time of each repository: others who push wait for one of these at most.
        let place = (referrer.upstream.clone(), referrer.repository.clone());
        let Ok(_one) = tokio::time::timeout(PATIENCE, self.taking_out.lock(&place)).await else {
            return Ok((TakeOut::Refused, out));
        };
        if self.may_not_write.contains_key(&writer) {
            return Ok((TakeOut::Refused, out));
        }
        let mut subjects = Vec::new();
        for subject in referrer.siblings(self.store.subjects(referrer).await?) {
            subjects.extend(self.forms(&subject).await);
        }
        // The locks of all are held at once: in one order for all, or two would wait for each other.
        subjects.sort_by(|one, other| one.digest.cmp(&other.digest));
        subjects.dedup();
        let plan = Plan { without: Some(&referrer.digest), ..Plan::default() };
        for subject in subjects {
            // As with a push, it would cost as much as the list is long, for nothing.
            if self.backoff.get(&subject).is_some_and(|backoff| backoff.is_futile()) {
                continue;
            }
            let Ok(locked) = tokio::time::timeout(PATIENCE, self.locks.lock(&subject)).await else {
                return Ok((TakeOut::Refused, out));
            };
            let written = self.write(registry, &subject, plan, &locked).await;
            out.locks.push(locked);
            let failed = match written {
                Ok(Wrote::Done(replaced)) => {
                    out.replaced.extend(replaced);
                    out.subjects.push(subject);
                    continue;
                }
                Err(Error::NotInTag) => continue,
                Ok(Wrote::Unknown(error)) => {
                    out.subjects.push(subject);
                    (TakeOut::Unknown, error)
                }
                Err(error) => (TakeOut::Refused, error),
            };
            let (failed, error) = failed;
            tracing::debug!(%error, "a referrers tag goes on to list what is to be deleted");
            if matches!(error, Error::TagRefused(status) if status.is_client_error()) {
                self.may_not_write.insert(writer, ());
            }
            return Ok((failed, out));
        }
        Ok((if out.subjects.is_empty() { TakeOut::Refused } else { TakeOut::Out }, out))
    }

    /// The delete is over: gives the subjects whose tags are to say again what the rows say.
    pub async fn put_back(&self, registry: &Registry, out: TakenOut) -> Vec<ManifestKey> {
        for replaced in out.replaced {
            replaced.finish(self, registry).await;
        }
        out.subjects
    }

    /// Whether a referrer is listed in a tag that is known: then a refusal to delete it may be for that.
    pub async fn lists(&self, referrer: &ManifestKey) -> Result<bool, Error> {
        let subjects = self.store.subjects(referrer).await?;
        let states = self.store.tags(referrer, &subjects).await?;
        Ok(states.into_iter().flatten().any(|state| state.index.is_some() || state.checked_at.is_some()))
    }
}
