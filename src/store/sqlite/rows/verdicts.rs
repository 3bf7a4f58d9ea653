//! What the upstream said, applied: if the knowledge under it still holds.

use rusqlite::{Connection, Result};

use super::{aliases, attempts, expiry, referrers, relation_tags, seen};
use crate::{
    referrers::{ManifestKey, Relation, RelationTag},
    store::{Applied, Basis, Close, StoreTime, TagVerdict, Verdict},
};

/// Applies what was said about a digest.
pub(crate) fn apply(
    db: &Connection,
    of: &ManifestKey,
    verdict: &Verdict,
    basis: Basis,
    close: Close,
    now: StoreTime,
) -> Result<Applied> {
    let seen = seen::look(db, of, close.asked(), now)?;
    if basis.is_outdated(seen) {
        return Ok(Applied::Outdated(seen));
    }
    match verdict {
        Verdict::Held(relation) => hold(db, relation, close, now)?,
        Verdict::Seen => referrers::change_state(db, of, "missing", "listed", now)?,
        Verdict::Deleted => {
            referrers::delete(db, of, now)?;
            relation_tags::take_off(db, of, now)?;
            expiry::drop_deleted(db, now)?;
            aliases::forget(db, of)?;
        }
        Verdict::Absent => {
            referrers::drop_missing(db, of, now)?;
            referrers::change_state(db, of, "listed", "missing", now)?;
        }
    }
    match close {
        Close::Nothing => {}
        Close::One(id) => attempts::forget(db, id)?,
        Close::GiveUp(id) => attempts::release(db, id)?,
        Close::Past(moment) => attempts::forget_past(db, of, moment)?,
    }
    Ok(Applied::Done)
}

/// Applies what was said about a tag.
pub(crate) fn apply_tag(
    db: &Connection,
    of: &ManifestKey,
    tag: &RelationTag,
    verdict: &TagVerdict,
    (basis, close): (Basis, Close),
    now: StoreTime,
) -> Result<Applied> {
    let known = seen::look_at_tag(db, of, &tag.tag, close.asked(), now)?;
    if basis.is_outdated(known.seen) {
        return Ok(Applied::Outdated(known.seen));
    }
    let on = match verdict {
        TagVerdict::On(relation) => Some(&relation.referrer.digest),
        TagVerdict::Off => None,
    };
    relation_tags::put(db, of, tag, on, now)?;
    if let TagVerdict::On(relation) = verdict {
        hold(db, relation, close, now)?;
    }
    if let Some(before) = known.on.as_ref().filter(|before| Some(*before) != on) {
        let before = of.sibling(before.clone());
        if relation_tags::left(db, &before, &tag.subject)? {
            referrers::delete_one(db, &before, tag.subject.as_str(), now)?;
        }
    }
    match close {
        Close::Nothing => {}
        Close::One(id) => attempts::forget(db, id)?,
        Close::GiveUp(id) => attempts::release(db, id)?,
        Close::Past(moment) => attempts::forget_past_of_tag(db, of, &tag.tag, moment)?,
    }
    Ok(Applied::Done)
}

fn hold(db: &Connection, relation: &Relation, close: Close, now: StoreTime) -> Result<()> {
    referrers::hold(db, relation, matches!(close, Close::Past(_)), now)?;
    if let Some(pushed) = &relation.pushed {
        aliases::keep(db, &relation.referrer, pushed)?;
    }
    expiry::drop_deleted(db, now)
}
