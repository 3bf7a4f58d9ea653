//! What the upstream has lost: a 404 counts beside a 200 that the same credentials got in the same repository.

use http::{Method, Request, StatusCode};

use super::{Inside, Trouble};
use crate::{
    error::Error,
    handler::{carrier::recover::Lost, delete::forget, fallback::refusal},
    oci::Digest,
    store::{Applied, Basis, Close, Seen, Verdict},
    upstream::{Body, headers, manifest_uri},
};

/// What the upstream said about a manifest.
pub struct Asked {
    /// Which.
    pub digest: Digest,
    /// Whether it is there.
    pub there: bool,
    /// What was on record before it was asked.
    seen: Seen,
}

/// The upstream showed these credentials something in this repository.
pub struct Beside(());

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Not listed any more, and asked about again.
    Missing,
    /// Gone for good: it was missing for a day.
    Dropped,
    /// Listed again.
    Listed,
    /// Others changed it meanwhile.
    Untouched,
}

impl Asked {
    /// A 200, beside which 404s of the same round count.
    pub fn beside(&self) -> Option<Beside> {
        self.there.then_some(Beside(()))
    }
}

impl Inside {
    /// Asks the upstream whether it holds a manifest.
    pub async fn ask(&self, digest: &Digest) -> Result<Asked, Trouble> {
        let key = self.key(digest);
        let asked = self.session.with(async |caller| {
            let seen = self.operator.app().store.look(&key).await?;
            let upstream = &self.hop.handler.upstream;
            let answer = upstream.ask(Method::HEAD, manifest_uri(&key), headers::on_behalf(caller)).await?;
            let there = match answer.status() {
                StatusCode::OK => true,
                StatusCode::NOT_FOUND => false,
                status => return Err(refusal(status, answer.headers())),
            };
            Ok(Asked { digest: digest.clone(), there, seen })
        });
        asked.await
    }

    /// Whether the upstream shows one of those to whom a manifest refers.
    pub async fn beside_subjects(&self, of: &Digest) -> Result<Option<Beside>, Trouble> {
        for subject in self.operator.app().store.subjects(&self.key(of)).await? {
            if let Some(beside) = self.ask(&subject).await?.beside() {
                return Ok(Some(beside));
            }
        }
        Ok(None)
    }

    /// Writes down that a referrer is not there.
    pub async fn absent(&self, asked: &Asked, _: &Beside) -> Result<Fate, Trouble> {
        let applied = self.apply(asked, Verdict::Absent).await?;
        let left = self.operator.app().store.look(&self.key(&asked.digest)).await?;
        Ok(match applied {
            Applied::Outdated(_) => Fate::Untouched,
            Applied::Done if left.version == 0 => Fate::Dropped,
            Applied::Done => Fate::Missing,
        })
    }

    /// Writes down that a referrer that was missing is there.
    pub async fn back(&self, asked: &Asked) -> Result<Fate, Trouble> {
        let applied = self.apply(asked, Verdict::Seen).await?;
        Ok(if applied == Applied::Done { Fate::Listed } else { Fate::Untouched })
    }

    async fn apply(&self, asked: &Asked, verdict: Verdict) -> Result<Applied, Trouble> {
        let basis = Basis { version: asked.seen.version, alone: true };
        Ok(self.operator.app().store.apply(&self.key(&asked.digest), verdict, basis, Close::Nothing).await?)
    }

    /// Whether no form of a subject is there.
    pub async fn is_gone(&self, subject: &Digest) -> Result<bool, Trouble> {
        // What can't be read now may be the form that is there.
        for form in self.hop.forms_on_record(&self.key(subject)).await? {
            if self.ask(&form.digest).await?.there {
                return Ok(false);
            }
        }
        // What was rewritten is there as its carrier, on record or not.
        let key = self.key(subject);
        let lost = self.session.with(async |caller| self.hop.recover(caller, &key).await).await?;
        Ok(matches!(lost, Lost::Nothing | Lost::Original))
    }

    /// Some of those whose own bytes refer to a subject, as far as is on record. Not those by a tag alone: whoever may
    /// push could have anything deleted so.
    pub async fn referrers(&self, subject: &Digest) -> Result<Vec<Digest>, Trouble> {
        const SOME: usize = 1000;
        Ok(self.operator.app().store.stated(&self.key(subject), SOME).await?)
    }

    /// Deletes a referrer in the upstream, the way of a client's DELETE.
    pub async fn delete(&self, referrer: &Digest) -> Result<(), Trouble> {
        let key = self.key(referrer);
        let deleted = self.session.with(async |caller| {
            let mut request = Request::new(Body::EMPTY);
            *request.method_mut() = Method::DELETE;
            *request.uri_mut() = manifest_uri(&key);
            *request.headers_mut() = caller.clone();
            let answer = forget(&self.hop, request, key.clone()).await?;
            match answer.status() {
                status if status.is_success() || status == StatusCode::NOT_FOUND => Ok(()),
                status => Err::<(), Error>(refusal(status, answer.headers())),
            }
        });
        deleted.await
    }
}
