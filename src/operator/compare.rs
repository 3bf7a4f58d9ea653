//! The rows beside what the registry says, subject by subject.

use std::{collections::HashSet, sync::atomic::Ordering};

use super::{
    compare_tag::compare_tag,
    difference::{Difference, DifferenceKind},
    error::OperatorError,
    own_list::own_list,
    repository::RepositorySession,
};
use crate::{
    error::Error,
    oci::Digest,
    referrers::ManifestKey,
    relations,
    upstream::{Refusal, Registry},
};

impl RepositorySession {
    /// How a subject's rows differ from its referrers tag and, where the registry has one, from its own list. A tag that
    /// differs is stale from then on.
    pub async fn compare(&self, subject: &Digest) -> Result<Vec<Difference>, OperatorError> {
        let key = self.key(subject);
        let compared = self.tokens.with(async |registry| {
            let permission = self.permission(registry, &key).await;
            match permission.permit() {
                Ok(_) => {}
                Err(Refusal::Absent) => {
                    let any = !self.app.store.candidates(std::slice::from_ref(&key), 1).await?.is_empty();
                    return Ok(if any { vec![DifferenceKind::Unseen.at_all()] } else { Vec::new() });
                }
                Err(refusal) => return Err(refusal.into()),
            }
            let wanted = self.app.tags.list(registry, &key).await?;
            let mut differences = Vec::new();
            if self.app.upstream.keeps_tags() {
                differences = compare_tag(&self.app, registry, &key, &wanted).await?;
                if relations::lists_pushes(&*self.app.store, registry.upstream(), &key.repository).await? {
                    // The registry's own list has what is pushed: a tag from before is written no more.
                    differences.retain(|one| !one.kind.is_of_the_tag());
                }
                if differences.iter().any(|one| one.kind.is_of_the_tag()) {
                    // Whoever writes tags next makes up for it.
                    self.app.store.mark_stale(&key).await?;
                }
            }
            if let Some(listed) = self.own_list(registry, &key).await? {
                let known: HashSet<&Digest> = wanted.iter().map(|entry| &entry.digest).collect();
                let lacks = known.iter().filter(|digest| !listed.contains(**digest));
                differences.extend(lacks.map(|digest| DifferenceKind::NotInApi.of(digest)));
                let only = listed.iter().filter(|one| !known.contains(one));
                differences.extend(only.map(|one| DifferenceKind::OnlyInApi.of(one)));
            }
            Ok(differences)
        });
        compared.await
    }

    /// Whether the registry has a referrers API: asked about a digest that nothing has.
    pub async fn has_api(&self) -> Result<bool, OperatorError> {
        // Invariant: 64 zeros are a sha256 digest.
        let zero = Digest::parse(&format!("sha256:{}", "0".repeat(64))).map_err(|_| Error::Bug)?;
        let key = self.key(&zero);
        self.tokens.with(async |registry| Ok(own_list(registry, &key).await?.is_some())).await
    }

    /// The registry's own list, of both forms of a subject. `None`: it has no such API.
    async fn own_list(&self, registry: &Registry, subject: &ManifestKey) -> Result<Option<HashSet<Digest>>, Error> {
        if self.no_api.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut all = HashSet::new();
        for form in self.app.tags.known_forms(subject).await? {
            let Some(listed) = own_list(registry, &form).await? else {
                self.no_api.store(true, Ordering::Relaxed);
                return Ok(None);
            };
            all.extend(listed);
        }
        Ok(Some(all))
    }
}
