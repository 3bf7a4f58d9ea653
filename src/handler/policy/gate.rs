//! The gate: a tag may point at a manifest only when what has to refer to it does. ARCHITECTURE.md's "The gate".

use std::collections::{BTreeMap, HashSet};

use http::{HeaderMap, StatusCode};

use crate::{
    config::Gate,
    error::Error,
    handler::{exchange::Hop, referrers::lists_any, tags::Set},
    oci::{DigestTag, ErrorCode, Manifest, MediaType, RawManifest, Reference, ReferrersTag},
    referrers::{ManifestKey, Order, Query},
    upstream::Refusal,
};

/// How many referrers of a subject a referrers tag's entries are looked for among.
const MAX_ENTRIES: usize = 10_000;

/// A push whose path no gate can judge.
pub(in crate::handler) fn odd() -> Error {
    let message = "what this registry's gates guard is pushed by a name in lower case and a tag of letters, digits, \
                   `.`, `_` and `-`";
    Error::bad(ErrorCode::NameInvalid, message)
}

impl Hop {
    /// Whether a push may have its tags. Nothing was sent yet but questions of this caller's.
    pub(in crate::handler) async fn pass_gates(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        tags: &[Set],
        raw: &RawManifest,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        let app = &self.handler.app;
        let gates: Vec<&Gate> = app.config.gates.iter().filter(|gate| gate.is_for(key.repository.as_str())).collect();
        if gates.is_empty() || tags.is_empty() {
            return Ok(());
        }
        if let Some(odd) =
            tags.iter().map(|set| &set.tag).find(|tag| !matches!(Reference::parse(tag), Ok(Some(Reference::Tag(_)))))
        {
            return Err(Error::bad(ErrorCode::TagInvalid, format!("{odd:?} is no tag")));
        }
        let mut demands = self.demands(caller, key, tags, &gates, raw, manifest).await?;
        if demands.is_empty() {
            return Ok(());
        }
        if key.digest.algorithm().is_none() {
            let message = format!("{} can't be verified: push what a gate guards by sha256 or sha512", key.digest);
            return Err(Error::bad(ErrorCode::DigestInvalid, message));
        }
        let mut query = query(key);
        let permission = self.authorise(caller, &mut query).await?;
        match permission.permit() {
            Ok(permit) => {
                for artifact_type in demands.keys().copied().collect::<Vec<_>>() {
                    query.artifact_types = vec![artifact_type.to_owned()];
                    if lists_any(permit, self, &query).await? {
                        demands.remove(artifact_type);
                    }
                }
            }
            // The same as where nothing refers to it: what is there is not said to whom the upstream shows nothing.
            Err(Refusal::Absent) => {}
            Err(refusal) => return Err(self.refused(refusal)),
        }
        app.metrics.gate(demands.is_empty());
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
        caller: &HeaderMap,
        key: &ManifestKey,
        tags: &'a [Set],
        gates: &[&'a Gate],
        raw: &RawManifest,
        manifest: &Manifest,
    ) -> Result<BTreeMap<&'a str, &'a str>, Error> {
        let is_guarded = |tag: &&String| gates.iter().any(|gate| gate.covers(tag));
        let subject = manifest.subject.as_ref().map(|subject| &subject.digest);
        let is_digest_tag = |tag: &str| {
            DigestTag::parse(tag).is_some_and(|tag| Some(&tag.subject) == subject && tag.names(&key.digest))
        };
        let mut guarded: Vec<&String> =
            tags.iter().map(|set| &set.tag).filter(is_guarded).filter(|tag| !is_digest_tag(tag)).collect();
        if guarded.iter().any(|tag| may_be_referrers_tag(tag)) {
            let own = self.referrers_tags(caller, key, raw).await?;
            guarded.retain(|tag| !(may_be_referrers_tag(tag) && own.contains(tag)));
        }
        let demands = |tag: &'a String| {
            let gates = gates.iter().filter(|gate| gate.covers(tag));
            gates.flat_map(|gate| &gate.require).map(|artifact_type| (artifact_type.as_str(), tag.as_str()))
        };
        Ok(guarded.into_iter().flat_map(demands).collect())
    }

    /// The tags under which an index is a list of referrers: it lists some, and each is on record for the subject that
    /// the first one names, by its own bytes, which this caller may read.
    async fn referrers_tags(
        &self,
        caller: &HeaderMap,
        key: &ManifestKey,
        raw: &RawManifest,
    ) -> Result<Vec<String>, Error> {
        if raw.media_type.as_str() != MediaType::INDEX {
            return Ok(Vec::new());
        }
        // What two readers could read differently is no list that a gate lets pass.
        let Ok(entries) = raw.entries() else { return Ok(Vec::new()) };
        let Some(first) = entries.first() else { return Ok(Vec::new()) };
        let first = match self.fetch_manifest(caller, &key.sibling(first.clone())).await {
            Ok(Some((_, first))) => first,
            // Not there, not for this caller, or nothing that can be read.
            Ok(None) | Err(Error::Request(..) | Error::Manifest(_) | Error::Refused(Refusal::Denied(..))) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let Some(subject) = first.subject else { return Ok(Vec::new()) };
        let subjects = self.forms_on_record(&key.sibling(subject.digest)).await?;
        let mut on_record = HashSet::new();
        for subject in &subjects {
            on_record.extend(self.handler.app.store.stated(subject, MAX_ENTRIES).await?);
        }
        let is_list = entries.iter().all(|entry| on_record.contains(entry));
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
fn query(subject: &ManifestKey) -> Query {
    Query {
        subject: subject.clone(),
        alias: None,
        artifact_types: Vec::new(),
        after: None,
        limit: 1,
        order: Order::Arrival,
        originals: true,
        without_subject: true,
        opening: "",
        max_bytes: 1,
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
