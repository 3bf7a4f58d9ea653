//! What is on record beside what the registry says, subject by subject.

use std::{collections::HashSet, sync::atomic::Ordering};

use http::{HeaderMap, Method, StatusCode, Uri, header};
use http_body_util::{BodyExt, Limited};

use super::{Inside, MAX_PAGES, Trouble};
use crate::{
    error::Error,
    handler::fallback::{Difference, What, refusal},
    oci::{Digest, MediaType, ReferrersList},
    referrers::ManifestKey,
    upstream::{self, Permission, Refusal, headers},
};

/// How many referrers are asked about for a permit when the subject is not there: as for any caller.
const TARGETS: usize = 3;

/// More than any page that a client reads.
const MAX_PAGE: usize = 16 << 20;

impl Inside {
    pub(super) async fn permission(&self, caller: &HeaderMap, subject: &ManifestKey) -> Permission {
        let recorded = async { self.operator.app().store.recorded(subject, TARGETS).await.ok() };
        self.hop.access(caller).read(subject, recorded, self.hop.keeps_tags()).await
    }

    /// How what is on record of a subject's referrers differs from its referrers tag and, where the registry has one, from
    /// its own list.
    pub async fn compare(&self, subject: &Digest) -> Result<Vec<Difference>, Trouble> {
        let key = self.key(subject);
        let compared = self.session.with(async |caller| {
            let permission = self.permission(caller, &key).await;
            let permit = match permission.permit() {
                Ok(permit) => permit,
                Err(Refusal::Absent) => {
                    let any = !self.operator.app().store.recorded(&key, 1).await?.is_empty();
                    return Ok(if any { vec![What::Unseen.at_all()] } else { Vec::new() });
                }
                Err(refusal) => return Err(Error::Refused(refusal)),
            };
            let recorded = self.hop.recorded_list(permit, &key).await?;
            let mut differences = Vec::new();
            if self.hop.keeps_tags() {
                differences = self.hop.compare_tag(caller, &key, &recorded).await?;
            }
            if let Some(listed) = self.own_list(caller, &key).await? {
                let known: HashSet<&Digest> = recorded.iter().map(|entry| &entry.digest).collect();
                let lacks = known.iter().filter(|digest| !listed.contains(**digest));
                differences.extend(lacks.map(|digest| What::NotInApi.of(digest)));
                differences.extend(listed.iter().filter(|one| !known.contains(one)).map(|one| What::OnlyInApi.of(one)));
            }
            Ok(differences)
        });
        compared.await
    }

    /// Whether the registry has a referrers API: asked about a digest that nothing has.
    pub async fn has_api(&self) -> Result<bool, Trouble> {
        // Invariant: 64 zeros are a sha256 digest.
        let zero = Digest::parse(&format!("sha256:{}", "0".repeat(64))).map_err(|_| Error::Bug)?;
        let key = self.key(&zero);
        self.session.with(async |caller| Ok(self.list_of(caller, &key).await?.is_some())).await
    }

    /// The registry's own list, of both forms of a subject. `None`: it has no such API.
    async fn own_list(&self, caller: &HeaderMap, subject: &ManifestKey) -> Result<Option<HashSet<Digest>>, Error> {
        if self.no_api.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut all = HashSet::new();
        for form in self.hop.forms(subject).await {
            let Some(listed) = self.list_of(caller, &form).await? else {
                self.no_api.store(true, Ordering::Relaxed);
                return Ok(None);
            };
            all.extend(listed);
        }
        Ok(Some(all))
    }

    /// All pages of it. An API that answers otherwise than the specification says is none.
    async fn list_of(&self, caller: &HeaderMap, subject: &ManifestKey) -> Result<Option<Vec<Digest>>, Error> {
        let mut listed = Vec::new();
        let mut next = Some(format!("/v2/{}/referrers/{}", subject.repository, subject.digest));
        for _ in 0..MAX_PAGES {
            let Some(uri) = next else { break };
            let uri = Uri::try_from(uri).map_err(|_| Error::Incomplete)?;
            let answer = self.hop.handler.upstream.ask(Method::GET, uri, headers::on_behalf(caller)).await?;
            match answer.status() {
                StatusCode::OK => {}
                StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED
                | StatusCode::NOT_ACCEPTABLE
                | StatusCode::NOT_IMPLEMENTED => return Ok(None),
                status => return Err(refusal(status, answer.headers())),
            }
            if answer.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != MediaType::INDEX) {
                return Ok(None);
            }
            next = upstream::next_page(answer.headers());
            let body = Limited::new(answer.into_body(), MAX_PAGE).collect().await.map_err(|_| Error::Incomplete)?;
            let Some(list) = ReferrersList::parse(&body.to_bytes(), &subject.digest) else { return Ok(None) };
            listed.extend(list.entries.into_iter().map(|entry| entry.digest));
        }
        Ok(Some(listed))
    }
}
