//! Who may list a subject's referrers, and the list: a permit first, then what the upstream said on the way is learned, what
//! was left open is settled, what the upstream's own list and the referrers tag name is read; then the rows.

mod native;
mod pages;

use std::{ops::ControlFlow, sync::Arc};

use native::{Asked, NativeLists};
pub use pages::{Asked as AskedPage, Pages};

use crate::{
    error::Error,
    metrics::{Metrics, PermitOutcome},
    oci::Digest,
    referrers::{ManifestKey, Query},
    referrers_tag::ReferrersTags,
    relations::{self, RecentlyAsked},
    store::{Row, RowSink, Store},
    tasks::Tasks,
    upstream::{Candidate, NativeAnswer, Permission, ReadPermit, Refusal, Registry},
};

/// Lists of one upstream.
pub struct Listing {
    store: Arc<dyn Store>,
    tags: Arc<ReferrersTags>,
    metrics: Arc<Metrics>,
    recently: RecentlyAsked,
    native: Arc<NativeLists>,
    /// Answers that were given not long ago.
    pub pages: Pages,
}

/// What came of asking for a permit.
pub struct Authorised {
    /// The permit, or why there is none.
    pub permission: Permission,
    /// The subject's other form.
    pub other_form: Option<Digest>,
    /// The version of the subject's set of referrers, where nothing was to be learned on the way that could have changed it.
    pub version: Option<i64>,
}

/// How many referrers are asked about for a permit when the subject is not there.
const CANDIDATES: usize = 3;

impl Listing {
    /// No list was asked for yet.
    pub fn new(store: Arc<dyn Store>, tags: Arc<ReferrersTags>, metrics: Arc<Metrics>, tasks: Tasks) -> Self {
        let native = Arc::new(NativeLists::new(store.clone(), tags.clone(), tasks));
        Self { store, tags, metrics, recently: RecentlyAsked::default(), native, pages: Pages::default() }
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
        let mut is_settled = !start.unresolved;
        let mut lists = Vec::new();
        if NativeLists::may_be(registry, &subject.repository) {
            for subject in &subjects {
                lists.push(self.native.ask_if_known(registry, subject).await?);
            }
        }
        let named = lists.iter().find_map(Asked::names_somebody);
        let by_list = named.is_some();
        let permission = match named {
            Some(headers) => registry.permission_by_list(&held, headers),
            None => self.permission(registry, &held, &subjects).await,
        };
        self.metrics.permit(outcome(&permission));
        if let Ok(permit) = permission.permit() {
            relations::learn(&*self.store, &permission, subject).await;
            is_settled &= matches!(permission, Permission::Cached(_)) && lists.is_empty();
            // A list is no manifest: a registry may show one and hide the other.
            let asked = !by_list && matches!(permission, Permission::Asked(_));
            if start.unresolved {
                Box::pin(self.settle(registry, permit, &subjects, asked)).await?;
            }
            let mut lists = lists.into_iter();
            for subject in &subjects {
                if let Some(list) = lists.next() {
                    Box::pin(self.read_native(registry, permit, subject, list)).await?;
                }
                is_settled &= self.tags.is_checked(subject) || !registry.upstream().keeps_tags();
                self.tags.import(registry, permit, subject, asked).await?;
            }
        }
        Ok(Authorised { permission, other_form, version: is_settled.then_some(start.version) })
    }

    /// Has the rows say what the upstream's own list names. What isn't known of the upstream is asked for now.
    async fn read_native(
        &self,
        registry: &Registry,
        permit: &ReadPermit,
        subject: &ManifestKey,
        asked: Asked,
    ) -> Result<(), Error> {
        let answer = match asked {
            Asked::Nothing => self.native.ask_anew(registry, permit, subject).await?,
            Asked::TooMuch => None,
            Asked::List(answer) => Some(answer),
        };
        match answer {
            None | Some(NativeAnswer::AsKnown(_)) => Ok(()),
            Some(NativeAnswer::NoApi) => self.native.lose(registry, permit, subject).await,
            Some(NativeAnswer::List(list)) => self.native.read(registry, permit, subject, list).await,
        }
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
