//! A subject's referrers tag beside the rows.

use std::collections::HashSet;

use futures_util::{StreamExt, stream};

use super::difference::{Difference, DifferenceKind};
use crate::{
    app::App,
    error::Error,
    oci::{Digest, Listed},
    referrers::ManifestKey,
    referrers_tag::{AT_A_TIME, EntryStatus, Found, entry_status, find},
    upstream::Registry,
};

/// How the subject's tag differs from what it should hold.
pub(super) async fn compare_tag(
    app: &App,
    registry: &Registry,
    subject: &ManifestKey,
    wanted: &[Listed],
) -> Result<Vec<Difference>, Error> {
    let (mut found, marked) = match find(&app.tags, registry, subject, None).await? {
        Found::List(_, list) => (list.entries, list.marked),
        Found::Nothing | Found::Known(_) => (Vec::new(), false),
        // An ordinary tag, as long as nobody refers to what it looks like.
        Found::Foreign(_) if wanted.is_empty() => return Ok(Vec::new()),
        Found::Foreign(_) => return Ok(vec![DifferenceKind::Foreign.at_all()]),
    };
    let mut seen = HashSet::new();
    found.retain(|entry| seen.insert(entry.digest.clone()));
    let known: HashSet<&Digest> = wanted.iter().map(|entry| &entry.digest).collect();

    let missing = wanted.iter().filter(|entry| !seen.contains(&entry.digest));
    let mut differences: Vec<Difference> = missing.map(|entry| DifferenceKind::NotInTag.of(&entry.digest)).collect();
    let forms = app.tags.known_forms(subject).await?;
    let unknown = found.iter().filter(|entry| !known.contains(&entry.digest)).map(|entry| entry.digest.clone());
    let statuses = stream::iter(unknown.collect::<Vec<_>>()).map(async |digest| {
        let status = entry_status(registry, &*app.store, &forms, digest.clone()).await;
        (digest, status)
    });
    for (digest, status) in statuses.buffered(AT_A_TIME).collect::<Vec<_>>().await {
        differences.push(match status {
            EntryStatus::Refers(_) => DifferenceKind::NotInDatabase.of(&digest),
            EntryStatus::Other { known: true } if marked => DifferenceKind::Untrue.of(&digest),
            EntryStatus::Other { .. } => DifferenceKind::Kept.of(&digest),
            EntryStatus::Gone => DifferenceKind::Gone.of(&digest),
            // It stays in the tag as it was found.
            EntryStatus::Unreadable => continue,
            EntryStatus::Withheld | EntryStatus::Unclear => return Err(Error::Incomplete),
        });
    }
    let common: Vec<&Listed> = found.iter().filter(|entry| known.contains(&entry.digest)).collect();
    let in_order = wanted.iter().filter(|entry| seen.contains(&entry.digest));
    if !in_order.clone().map(|entry| &entry.digest).eq(common.iter().map(|entry| &entry.digest)) {
        differences.push(DifferenceKind::Order.at_all());
    }
    let types = |entry: &Listed| {
        let fields: Option<serde_json::Value> = serde_json::from_str(&entry.descriptor).ok();
        fields.and_then(|fields| fields.get("artifactType").cloned())
    };
    for entry in in_order {
        let tagged = common.iter().find(|other| other.digest == entry.digest);
        if tagged.is_some_and(|tagged| types(tagged) != types(entry)) {
            differences.push(DifferenceKind::Described.of(&entry.digest));
        }
    }
    // An ordinary index, tagged like a list.
    if wanted.is_empty() && differences.iter().all(|one| one.kind == DifferenceKind::Kept) {
        differences.clear();
    }
    Ok(differences)
}
