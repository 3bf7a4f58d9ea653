//! The rows beside what the registry says, subject by subject.

use std::collections::HashSet;

use super::{
    compare_tag::compare_tag,
    difference::{Difference, DifferenceKind},
    error::OperatorError,
    repository::RepositorySession,
};
use crate::{oci::Digest, relations, upstream::Refusal};

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
}
