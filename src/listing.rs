//! Who may list a subject's referrers, and the list: a permit first, then what the upstream said on the way is learned, what
//! was left open is settled, what the referrers tag names is read; then the rows.

use std::{ops::ControlFlow, sync::Arc};

use crate::{
    error::Error,
    metrics::{Metrics, PermitOutcome},
    oci::Digest,
    referrers::{ManifestKey, Query},
    referrers_tag::ReferrersTags,
    relations::{self, RecentlyAsked},
    store::{Row, RowSink, Store},
    upstream::{Candidate, Permission, ReadPermit, Refusal, Registry},
};

/// Lists of one upstream.
pub struct Listing {
    store: Arc<dyn Store>,
    tags: Arc<ReferrersTags>,
    metrics: Arc<Metrics>,
    recently: RecentlyAsked,
}

/// What came of asking for a permit.
pub struct Authorised {
    /// The permit, or why there is none.
    pub permission: Permission,
    /// The subject's other form.
    pub other_form: Option<Digest>,
}

/// How many referrers are asked about for a permit when the subject is not there.
const CANDIDATES: usize = 3;

impl Listing {
    /// No list was asked for yet.
    pub fn new(store: Arc<dyn Store>, tags: Arc<ReferrersTags>, metrics: Arc<Metrics>) -> Self {
        Self { store, tags, metrics, recently: RecentlyAsked::default() }
    }

    /// Asks whether this caller may list the referrers of `subject`. With a permit, the rows are as fresh as they can be had.
    pub async fn authorise(&self, registry: &Registry, subject: &ManifestKey) -> Result<Authorised, Error> {
        let start = self.store.begin_query(subject).await?;
        let mut subjects = vec![subject.clone()];
        let mut held = subject.clone();
        let mut other_form = None;
        if let Some(alias) = start.alias {
            // A subject in two forms: the upstream knows the carrier.
            let other = alias.other_form(&subject.digest).clone();
            subjects.push(subject.sibling(other.clone()));
            held.digest = alias.carrier;
            other_form = Some(other);
        }
        let permission = self.permission(registry, &held, &subjects).await;
        self.metrics.permit(outcome(&permission));
        if let Ok(permit) = permission.permit() {
            relations::learn(&*self.store, &permission, subject).await;
            let asked = matches!(permission, Permission::Asked(_));
            if start.unresolved {
                Box::pin(self.settle(registry, permit, &subjects, asked)).await?;
            }
            for subject in &subjects {
                self.tags.import(registry, permit, subject, asked).await?;
            }
        }
        Ok(Authorised { permission, other_form })
    }

    /// The permit alone. `held`: the form of the subject that the upstream holds.
    pub async fn permission(&self, registry: &Registry, held: &ManifestKey, subjects: &[ManifestKey]) -> Permission {
        // What the rows say is read before the upstream is asked, so that the answer can be held against it.
        let candidates = async {
            let candidates = self.store.candidates(subjects, CANDIDATES).await;
            let candidates = candidates.inspect_err(|error| tracing::error!(%error, "database error")).ok()?;
            let of = |(digest, seen): (Digest, crate::store::Seen)| Candidate { digest, version: seen.version };
            Some(candidates.into_iter().map(of).collect())
        };
        registry.permission(held, candidates).await
    }

    /// Settles what pushes and deletes left open about a subject. `asked`: the upstream said yes in this round.
    pub async fn settle(
        &self,
        registry: &Registry,
        permit: &ReadPermit,
        subjects: &[ManifestKey],
        asked: bool,
    ) -> Result<(), Error> {
        relations::settle(registry, &*self.store, &self.recently, permit, subjects, asked).await
    }

    /// Whether a list holds anything.
    pub async fn any(&self, permit: &ReadPermit, query: &Query) -> Result<bool, Error> {
        struct Any(bool);
        impl RowSink for Any {
            fn row(&mut self, _: Row<'_>) -> ControlFlow<()> {
                self.0 = true;
                ControlFlow::Break(())
            }
        }
        let mut any = Any(false);
        self.store.list(permit, query, &mut any).await?;
        Ok(any.0)
    }
}

fn outcome(permission: &Permission) -> PermitOutcome {
    match (permission, permission.permit()) {
        (Permission::Cached(_), _) => PermitOutcome::cached,
        (_, Ok(_)) => PermitOutcome::allowed,
        (_, Err(Refusal::Absent)) => PermitOutcome::absent,
        (_, Err(Refusal::Denied(..))) => PermitOutcome::denied,
        (_, Err(Refusal::Unclear(..) | Refusal::Failed(_) | Refusal::NoRecord)) => PermitOutcome::unclear,
    }
}
