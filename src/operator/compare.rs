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
            let known: HashSet<&Digest> = wanted.iter().map(|entry| &entry.digest).collect();
            let own = self.own_list(registry, &key).await?;
            let mut differences = Vec::new();
            if self.app.upstream.keeps_tags() {
                differences = compare_tag(&self.app, registry, &key, &wanted).await?;
                // Where the registry's own list has all of them, no tag is needed; what one names besides is to be read.
                let needs_no_tag = own.as_ref().is_some_and(|own| known.iter().all(|one| own.contains(*one)))
                    || relations::lists_pushes(&*self.app.store, registry.upstream(), &key.repository).await?;
                if needs_no_tag {
                    differences.retain(|one| one.kind == DifferenceKind::NotInDatabase || !one.kind.is_of_the_tag());
                } else if differences.iter().any(|one| one.kind.is_of_the_tag()) {
                    // Whoever writes tags next makes up for it.
                    self.app.store.mark_stale(&key).await?;
                }
            }
            if let Some(own) = own {
                let lacks = known.iter().filter(|digest| !own.contains(**digest));
                differences.extend(lacks.map(|digest| DifferenceKind::NotInApi.of(digest)));
                let only = own.iter().filter(|one| !known.contains(one));
                differences.extend(only.map(|one| DifferenceKind::OnlyInApi.of(one)));
            }
            Ok(differences)
        });
        compared.await
    }
}
