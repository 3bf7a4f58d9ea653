//! What earlier requests left open about a subject, settled by whoever asks about it with the right to.

use std::time::Duration;

use moka::future::Cache;

use super::{
    attempts::holds,
    corroborating::CorroboratingOk,
    reading::{Fetched, fetch},
    tag_reading::settle_tag,
};
use crate::{
    error::Error,
    referrers::{ManifestKey, RelationTag},
    store::{Basis, Close, Orphan, Store, Verdict},
    upstream::{Permission, ReadPermit, Registry},
};

/// How many attempts one query settles; the next query goes on.
const AT_A_TIME: usize = 8;

/// How many attempts are remembered as just asked about, and for how long.
const ASKED: u64 = 10_000;
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// Attempts, of a manifest and perhaps a tag, that a caller's query just asked the upstream about: not again for a while. By
/// caller, since the upstream may tell another one more.
pub struct RecentlyAsked(Cache<Question, ()>);

type Question = ([u8; 32], ManifestKey, Option<Box<str>>);

impl Default for RecentlyAsked {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(ASKED).time_to_live(ASK_AGAIN).build())
    }
}

/// Applies what the upstream said about referrers while it was asked for a permit: a 404 counts beside a 200.
pub async fn learn(store: &dyn Store, permission: &Permission, subject: &ManifestKey) {
    let Permission::Asked(round) = permission else { return };
    if permission.permit().is_err() {
        return;
    }
    for (candidate, is_there) in &round.answers {
        let verdict = if *is_there { Verdict::Seen } else { Verdict::Absent };
        let basis = Basis { version: candidate.version, alone: true };
        let key = subject.sibling(candidate.digest.clone());
        // Out of date or not to be written: whoever asks next finds the same.
        if let Err(error) = store.apply(&key, verdict, basis, Close::Nothing).await {
            tracing::warn!(%error, "a missing referrer stays listed for now");
        }
    }
}

/// A caller's pull of a manifest was answered with 404. If that is a listed referrer, and its 404 is to be believed, it is
/// missing: one dead entry would break every copy of an image with its referrers.
pub async fn look_for_lost(registry: &Registry, store: &dyn Store, key: &ManifestKey) -> Result<(), Error> {
    let seen = store.look(key).await?;
    if seen.version == 0 {
        return Ok(());
    }
    let subjects = key.siblings(store.subjects(key).await?);
    let is_listed = !store.listed_among(&subjects, std::slice::from_ref(&key.digest)).await?.is_empty();
    // Asked again, since what was known is read before the upstream is asked.
    if is_listed && !holds(registry, key).await? && CorroboratingOk::new(false, subjects).is_there(registry).await? {
        let basis = Basis { version: seen.version, alone: true };
        store.apply(key, Verdict::Absent, basis, Close::Nothing).await?;
    }
    Ok(())
}

/// Settles orphaned attempts on referrers of a subject, given in each of its forms. What can't be settled now is left for a
/// later query. `asked`: the upstream gave this caller a 200 in this round.
pub async fn settle(
    registry: &Registry,
    store: &dyn Store,
    recently: &RecentlyAsked,
    _: &ReadPermit,
    subjects: &[ManifestKey],
    asked: bool,
) -> Result<(), Error> {
    let Some(subject) = subjects.first() else { return Ok(()) };
    let mut ok = CorroboratingOk::new(asked, vec![subject.clone()]);
    for orphan in store.orphans(subjects, AT_A_TIME).await? {
        let key = subject.sibling(orphan.digest.clone());
        // Just asked about, and nothing came of it.
        let attempt = (registry.holder().caller, key.clone(), orphan.tag.clone());
        if recently.0.contains_key(&attempt) {
            continue;
        }
        recently.0.insert(attempt, ()).await;
        let settled = match &orphan.tag {
            Some(tag) => {
                let tag = RelationTag { tag: tag.clone(), subject: orphan.subject.clone() };
                settle_tag(registry, store, &key, &tag, orphan.expired, &mut ok).await
            }
            None => settle_one(registry, store, &key, &orphan, &mut ok).await,
        };
        if let Err(error) = settled {
            tracing::debug!(%error, digest = %key.digest, "an unresolved write could not be resolved");
        }
    }
    Ok(())
}

async fn settle_one(
    registry: &Registry,
    store: &dyn Store,
    key: &ManifestKey,
    orphan: &Orphan,
    ok: &mut CorroboratingOk,
) -> Result<(), Error> {
    let seen = store.look(key).await?;
    let verdict = if store.alias(key).await?.is_some_and(|alias| alias.is_original(&key.digest)) {
        // Refused as it is, then taken as its carrier: it is never asked for as a manifest.
        Verdict::Seen
    } else if holds(registry, key).await? {
        ok.found();
        // What may still be on its way is left open, and has changed nothing so far.
        let subject = key.sibling(orphan.subject.clone());
        let listed = store.listed_among(&[subject], std::slice::from_ref(&key.digest)).await?;
        if !orphan.expired && !listed.is_empty() {
            return Ok(());
        }
        match fetch(registry, store, key).await? {
            Fetched::Relation(relation) => Verdict::Held(relation),
            Fetched::Plain | Fetched::Unreadable => Verdict::Seen,
            // Gone since: the next query asks again.
            Fetched::Absent => return Ok(()),
        }
    } else if !ok.is_there(registry).await? {
        return Ok(());
    } else if orphan.expired {
        Verdict::Deleted
    } else {
        // Not there now; what is still on its way may bring it back.
        Verdict::Absent
    };
    let basis = Basis { version: seen.version, alone: false };
    store.apply(key, verdict, basis, Close::Past(seen.at)).await?;
    Ok(())
}
