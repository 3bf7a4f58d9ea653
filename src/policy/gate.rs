//! The gate: a tag may point at a manifest only when what has to refer to it does. ARCHITECTURE.md, "Policies".

use std::{
    collections::{BTreeMap, HashSet},
    sync::Arc,
};

use http::StatusCode;

use crate::{
    config::Gate,
    error::Error,
    listing::Listing,
    metrics::Metrics,
    oci::{Digest, DigestTag, ErrorCode, Manifest, MediaType, RawManifest, Reading, Reference, ReferrersTag},
    referrers::{ManifestKey, Order, Query},
    relations::SetTag,
    store::Store,
    upstream::{ReadError, Refusal, Registry},
};

/// How many referrers of a subject a referrers tag's entries are looked for among.
const MAX_ENTRIES: usize = 10_000;

/// A push whose path no gate can judge.
pub fn odd_put() -> Error {
    let message = "what this registry's gates guard is pushed by a name in lower case and a tag of letters, digits, \
                   `.`, `_` and `-`";
    Error::bad(ErrorCode::NameInvalid, message)
}

/// A manifest that is to be pushed.
#[derive(Clone, Copy)]
pub struct Pushed<'a> {
    /// Its digest.
    pub key: &'a ManifestKey,
    /// Its bytes.
    pub raw: &'a RawManifest,
    /// What it says.
    pub manifest: &'a Manifest,
}

/// The gates that are set.
pub(super) struct Gates {
    pub(super) all: Vec<Gate>,
    pub(super) store: Arc<dyn Store>,
    pub(super) listing: Arc<Listing>,
    pub(super) metrics: Arc<Metrics>,
}

impl Gates {
    /// Whether a push may have its tags.
    pub(super) async fn pass(&self, registry: &Registry, tags: &[SetTag], pushed: &Pushed<'_>) -> Result<(), Error> {
        let key = pushed.key;
        let gates: Vec<&Gate> = self.all.iter().filter(|gate| gate.is_for(key.repository.as_str())).collect();
        if gates.is_empty() || tags.is_empty() {
            return Ok(());
        }
        if let Some(odd) =
            tags.iter().map(|set| &set.tag).find(|tag| !matches!(Reference::parse(tag), Ok(Some(Reference::Tag(_)))))
        {
            return Err(Error::bad(ErrorCode::TagInvalid, format!("{odd:?} is no tag")));
        }
        let mut demands = self.demands(registry, tags, &gates, pushed).await?;
        if demands.is_empty() {
            return Ok(());
        }
        if key.digest.algorithm().is_none() {
            let message = format!("{} can't be verified: push what a gate guards by sha256 or sha512", key.digest);
            return Err(Error::bad(ErrorCode::DigestInvalid, message));
        }
        let authorised = self.listing.authorise(registry, key).await?;
        match authorised.permission.permit() {
            Ok(permit) => {
                let mut query = query(&key.digest, authorised.other_form);
                for artifact_type in demands.keys().copied().collect::<Vec<_>>() {
                    query.artifact_types = vec![artifact_type.to_owned()];
                    if self.listing.any(permit, &query).await? {
                        demands.remove(artifact_type);
                    }
                }
            }
            // The same as where nothing refers to it: what is there is not said to whom the upstream shows nothing.
            Err(Refusal::Absent) => {}
            Err(refusal) => return Err(registry.to_client(refusal).into()),
        }
        self.metrics.gate(demands.is_empty());
        let Some((_, tag)) = demands.first_key_value() else {
            return Ok(());
        };
        let missing = demands.keys().copied().collect::<Vec<_>>().join(", ");
        tracing::info!(repository = %key.repository, tag, digest = %key.digest, missing, "a gate stayed closed");
        Err(denied(key, tag, &missing))
    }

    /// The artifact types that have to be there, each with a tag for which.
    async fn demands<'a>(
        &self,
        registry: &Registry,
        tags: &'a [SetTag],
        gates: &[&'a Gate],
        pushed: &Pushed<'_>,
    ) -> Result<BTreeMap<&'a str, &'a str>, Error> {
        let is_guarded = |tag: &&String| gates.iter().any(|gate| gate.covers(tag));
        let subject = pushed.manifest.subject.as_ref().map(|subject| &subject.digest);
        let is_digest_tag = |tag: &str| {
            DigestTag::parse(tag).is_some_and(|tag| Some(&tag.subject) == subject && tag.names(&pushed.key.digest))
        };
        let mut guarded: Vec<&String> =
            tags.iter().map(|set| &set.tag).filter(is_guarded).filter(|tag| !is_digest_tag(tag)).collect();
        if guarded.iter().any(|tag| may_be_referrers_tag(tag)) {
            let own = self.referrers_tags(registry, pushed).await?;
            guarded.retain(|tag| !(may_be_referrers_tag(tag) && own.contains(tag)));
        }
        let demands = |tag: &'a String| {
            let gates = gates.iter().filter(|gate| gate.covers(tag));
            gates.flat_map(|gate| &gate.require).map(|artifact_type| (artifact_type.as_str(), tag.as_str()))
        };
        Ok(guarded.into_iter().flat_map(demands).collect())
    }

    /// The tags under which an index is a list of referrers: it lists some, and each has a row under the subject that the
    /// first one names, by its own bytes, which this caller may read.
    async fn referrers_tags(&self, registry: &Registry, pushed: &Pushed<'_>) -> Result<Vec<String>, Error> {
        if pushed.raw.media_type.as_str() != MediaType::INDEX {
            return Ok(Vec::new());
        }
        // What two readers could read differently is no list that a gate lets pass.
        let Ok(entries) = pushed.raw.entries() else { return Ok(Vec::new()) };
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let first = match registry.manifest(&pushed.key.sibling(first.clone())).await {
            Ok(Some(Reading::Refers(_, first))) => first,
            // Not there, not for this caller, or nothing that refers to anything beyond doubt.
            Ok(_) | Err(ReadError::OtherBytes | ReadError::Refused(Refusal::Denied(..))) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        };
        let Some(subject) = first.subject else { return Ok(Vec::new()) };
        let subject = pushed.key.sibling(subject.digest);
        let alias = self.store.alias(&subject).await?;
        let other = alias.map(|alias| subject.sibling(alias.other_form(&subject.digest).clone()));
        let subjects: Vec<ManifestKey> = std::iter::once(subject).chain(other).collect();
        let mut referrers: HashSet<Digest> = HashSet::new();
        for subject in &subjects {
            referrers.extend(self.store.stated(subject, MAX_ENTRIES).await?);
        }
        let is_list = entries.iter().all(|entry| referrers.contains(entry));
        Ok(subjects.iter().filter(|_| is_list).map(|subject| ReferrersTag::from(&subject.digest).to_string()).collect())
    }
}

/// One of an algorithm that backref can compute: any other could be made up, to name a tag that is no referrers tag.
/// Whether it is one, what is pushed says.
fn may_be_referrers_tag(tag: &str) -> bool {
    let hex = tag.strip_prefix("sha256-").or_else(|| tag.strip_prefix("sha512-"));
    hex.is_some_and(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Whatever any API lists: one is enough.
fn query(subject: &Digest, other_form: Option<Digest>) -> Query {
    Query {
        subject: subject.clone(),
        other_form,
        artifact_types: Vec::new(),
        after: None,
        limit: 1,
        order: Order::Arrival,
        originals: true,
        without_subject: true,
    }
}

fn denied(key: &ManifestKey, tag: &str, missing: &str) -> Error {
    let message = format!(
        "{}:{tag} may not point at {} yet: nothing that you can see of type {missing} refers to it; push it by digest, \
         attach what is missing, then tag it",
        key.repository, key.digest
    );
    Error::Request(StatusCode::FORBIDDEN, ErrorCode::Denied, message)
}
