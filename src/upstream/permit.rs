//! The delegated permission: backref answers from its store only to whom the upstream said yes, just now.
//! The sole maker of [`ReadPermit`].

use std::sync::Arc;

use http::{HeaderMap, StatusCode};

use super::{
    permits::Cors,
    refusal::Refusal,
    registry::{Head, Registry, reference_uri},
};
use crate::{
    oci::{Digest, ReferrersTag, Repository},
    referrers::ManifestKey,
};

/// The upstream lets this caller read this repository. No permit, no listing.
pub struct ReadPermit {
    upstream: Arc<str>,
    repository: Repository,
    cors: Cors,
}

impl ReadPermit {
    /// Of which upstream.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// Which repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// What browsers may do with an answer, as the upstream said when it said yes.
    pub fn cors(&self) -> &Cors {
        &self.cors
    }

    fn for_repository_of(key: &ManifestKey, cors: Cors) -> Self {
        Self { upstream: key.upstream.clone(), repository: key.repository.clone(), cors }
    }

    /// For the tests of stores: only their build has it.
    #[cfg(any(test, feature = "failpoints"))]
    pub fn for_tests(upstream: &str, repository: Repository) -> Self {
        Self { upstream: upstream.into(), repository, cors: Cors::default() }
    }
}

/// How a permit came about, or why there is none.
pub enum Permission {
    /// From an earlier yes.
    Cached(ReadPermit),
    /// The upstream was asked just now.
    Asked(Arc<Round>),
}

/// What the upstream said to a caller in one round.
pub struct Round {
    answer: Result<ReadPermit, Refusal>,
    /// What it said about referrers, in the order of asking: is it there?
    pub answers: Vec<(Candidate, bool)>,
}

/// A referrer in the database that may be asked about for a permit.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Its digest.
    pub digest: Digest,
    /// The version that was read before the upstream was asked.
    pub version: i64,
}

impl Registry {
    /// A permit to list the referrers of `subject`: cached, or asked for now, together with whoever asks the same.
    /// `candidates` gives referrers of it, newest first, or `None` where they can't be read; it is awaited only when the
    /// subject itself is not there, and only by the one who asks.
    pub async fn permission(
        &self,
        subject: &ManifestKey,
        candidates: impl Future<Output = Option<Vec<Candidate>>>,
    ) -> Permission {
        let permits = &self.upstream().permits;
        let headers = self.caller().headers();
        let key = permits.caller_key(headers, subject);
        if let Some(cors) = permits.cached(&key).await {
            return Permission::Cached(ReadPermit::for_repository_of(subject, cors));
        }
        let flight = async { Err(self.round(subject, candidates).await) };
        let asked = Box::pin(permits.flights.try_get_with((key, subject.digest.clone()), flight)).await;
        let Err(round) = asked else {
            return Permission::Cached(ReadPermit::for_repository_of(subject, Cors::default())); // never kept, so never found
        };
        if let Ok(permit) = &round.answer {
            permits.cache(key, headers, permit.cors.clone()).await;
        }
        Permission::Asked(round)
    }

    /// The permit that a list of the upstream's own gives, with these headers: it names somebody who refers to `subject`. An
    /// empty one is none: the specification gives it for whatever is unknown, and so for what is hidden.
    pub fn permission_by_list(&self, subject: &ManifestKey, shown: &HeaderMap) -> Permission {
        let answer = Ok(ReadPermit::for_repository_of(subject, Cors::of(shown)));
        Permission::Asked(Arc::new(Round { answer, answers: Vec::new() }))
    }

    /// Whether the upstream has let this caller read the repository of `key` not long ago.
    pub async fn is_let_in(&self, key: &ManifestKey) -> bool {
        let permits = &self.upstream().permits;
        permits.cached(&permits.caller_key(self.caller().headers(), key)).await.is_some()
    }

    /// The upstream has just shown this caller the manifest of `key`, with these headers.
    pub async fn was_let_in(&self, key: &ManifestKey, shown: &HeaderMap) {
        let permits = &self.upstream().permits;
        let headers = self.caller().headers();
        permits.cache(permits.caller_key(headers, key), headers, Cors::of(shown)).await;
    }

    /// Asks the upstream about the subject, then about referrers of it, last about its referrers tag, until it says yes.
    async fn round(&self, subject: &ManifestKey, candidates: impl Future<Output = Option<Vec<Candidate>>>) -> Round {
        let mut answers = Vec::new();
        let permit = |shown: &Head| ReadPermit::for_repository_of(subject, Cors::of(&shown.headers));
        let answer = async {
            let head = self.shows(subject).await?;
            let of_subject = head.status;
            if of_subject == StatusCode::OK {
                return Ok(permit(&head));
            }
            let mut unclear = None;
            for candidate in candidates.await.ok_or(Refusal::NoRecord)? {
                let head = self.shows(&subject.sibling(candidate.digest.clone())).await?;
                let status = head.status;
                match status {
                    StatusCode::OK | StatusCode::NOT_FOUND => answers.push((candidate, status == StatusCode::OK)),
                    status => unclear = Some(status),
                }
                if status == StatusCode::OK {
                    return Ok(permit(&head));
                }
            }
            if self.upstream().keeps_tags() {
                let tag = reference_uri(&subject.repository, &ReferrersTag::from(&subject.digest));
                let head = self.head_tag(tag).await.map_err(Refusal::Failed)?;
                match head.status {
                    StatusCode::OK => return Ok(permit(&head)),
                    StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => {}
                    _ => return Err(head.refusal()),
                }
            }
            if let Some(status) = unclear {
                return Err(Refusal::Unclear(status, HeaderMap::new()));
            }
            // distribution 2.8 says so of a digest that only a blob has; of any other it is a failure.
            let failed = of_subject == StatusCode::INTERNAL_SERVER_ERROR;
            if failed && !self.has_blob(subject).await.map_err(Refusal::Failed)? {
                return Err(Refusal::Unclear(of_subject, HeaderMap::new()));
            }
            Err(Refusal::Absent)
        };
        Round { answer: answer.await, answers }
    }

    /// Whether the upstream shows a manifest to this caller: 200, 404, or what counts as one: 500, which distribution 2.8
    /// gives for a digest that is only a blob, and 400, for an algorithm that an upstream doesn't know.
    pub async fn shows(&self, key: &ManifestKey) -> Result<Head, Refusal> {
        let head = self.head(key).await.map_err(Refusal::Failed)?;
        match head.status {
            StatusCode::OK | StatusCode::NOT_FOUND | StatusCode::INTERNAL_SERVER_ERROR => Ok(head),
            StatusCode::BAD_REQUEST => Ok(Head { status: StatusCode::NOT_FOUND, headers: HeaderMap::new() }),
            _ => Err(head.refusal()),
        }
    }
}

impl Permission {
    /// The permit, if the upstream said yes.
    pub fn permit(&self) -> Result<&ReadPermit, Refusal> {
        match self {
            Self::Cached(permit) => Ok(permit),
            Self::Asked(round) => round.answer.as_ref().map_err(Clone::clone),
        }
    }
}
