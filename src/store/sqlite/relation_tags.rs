//! Tags that say who refers to whom, and on which referrer each is.

use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{changes, late, reads};
use crate::{
    oci::Digest,
    referrers::{ManifestKey, RelationTag},
    store::{Applied, AttemptId, Basis, Close, Seen, TagSeen, TagVerdict},
};

/// Pushes of the same manifest under other tags say nothing against one under this: only deletes and the tag's own count.
pub(super) fn look(db: &Connection, key: &ManifestKey, tag: &str, but: Option<AttemptId>) -> Result<TagSeen> {
    let version = reads::look(db, key, but)?.version;
    let contended = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM attempt WHERE upstream = ?1 AND repository = ?2 AND digest = ?3
                            AND kind = 'delete' AND tag IS NULL AND id IS NOT ?5)
                 OR EXISTS (SELECT 1 FROM attempt WHERE upstream = ?1 AND repository = ?2 AND tag = ?4 AND id IS NOT ?5)",
        )?
        .query_row(
            params![key.upstream, key.repository.as_str(), key.digest.as_str(), tag, but.map(|id| id.0)],
            |row| row.get(0),
        )?;
    let known = db
        .prepare_cached("SELECT digest, version FROM tag WHERE upstream = ? AND repository = ? AND tag = ?")?
        .query_row(params![key.upstream, key.repository.as_str(), tag], |row| {
            let on: Option<Digest> =
                row.get_ref(0)?.as_str_or_null()?.map(|text| reads::digest(text, 0)).transpose()?;
            Ok((on, row.get::<_, i64>(1)?))
        })
        .optional()?;
    let (on, of_tag) = known.unwrap_or_default();
    Ok(TagSeen { seen: Seen { version: version + of_tag, contended }, on })
}

pub(super) fn apply(
    db: &Connection,
    key: &ManifestKey,
    tag: &RelationTag,
    verdict: &TagVerdict,
    basis: Basis,
    close: Close,
    now: i64,
) -> Result<Applied> {
    let mine = if let Close::One(id) | Close::GiveUp(id) = close { Some(id) } else { None };
    let known = look(db, key, &tag.tag, mine)?;
    if known.seen.version != basis.version || (basis.alone && known.seen.contended) {
        return Ok(Applied::Outdated(known.seen));
    }
    let on = match verdict {
        TagVerdict::On(relation) => Some(&relation.referrer.digest),
        TagVerdict::Off => None,
    };
    put(db, key, tag, on, now)?;
    if let TagVerdict::On(relation) = verdict {
        changes::hold(db, relation, now)?;
    }
    if let Some(before) = known.on.as_ref().filter(|before| Some(*before) != on) {
        end(db, &key.sibling(before.clone()), tag, now)?;
    }
    match close {
        Close::Nothing => {}
        Close::One(id) => changes::drop_attempt(db, id)?,
        Close::GiveUp(id) => changes::release(db, id)?,
        Close::Past(asked) => drop_past(db, key, &tag.tag, asked)?,
    }
    Ok(Applied::Done)
}

fn put(db: &Connection, key: &ManifestKey, tag: &RelationTag, on: Option<&Digest>, now: i64) -> Result<()> {
    let (upstream, repository) = (&key.upstream, key.repository.as_str());
    db.prepare_cached(
        "INSERT INTO tag (upstream, repository, tag, subject, digest, changed_at, version)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)
         ON CONFLICT (upstream, repository, tag) DO UPDATE SET digest = ?5, changed_at = ?6, version = version + 1",
    )?
    .execute(params![upstream, repository, tag.tag, tag.subject.as_str(), on.map(Digest::as_str), now])?;
    late::drop_off(db, now)
}

/// A referrer that is known by tags alone, and none is on it any more, is listed no more.
fn end(db: &Connection, key: &ManifestKey, tag: &RelationTag, now: i64) -> Result<()> {
    let ended = db
        .prepare_cached(
            "SELECT 1 FROM referrer WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND subject = ?4
             AND via = 'tag' AND state <> 'deleted'
             AND NOT EXISTS (SELECT 1 FROM tag
                             WHERE upstream = ?1 AND repository = ?2 AND digest = ?3 AND subject = ?4)",
        )?
        .exists(params![key.upstream, key.repository.as_str(), key.digest.as_str(), tag.subject.as_str()])?;
    if ended { changes::delete_one(db, key, tag.subject.as_str(), now) } else { Ok(()) }
}

/// A manifest was deleted, and its tags with it.
pub(super) fn take_off(db: &Connection, key: &ManifestKey, now: i64) -> Result<()> {
    db.prepare_cached(
        "UPDATE tag SET digest = NULL, changed_at = ?, version = version + 1
         WHERE upstream = ? AND repository = ? AND digest = ?",
    )?
    .execute(params![now, key.upstream, key.repository.as_str(), key.digest.as_str()])
    .map(drop)
}

fn drop_past(db: &Connection, key: &ManifestKey, tag: &str, asked: i64) -> Result<()> {
    db.prepare_cached("DELETE FROM attempt WHERE upstream = ? AND repository = ? AND tag = ? AND deadline < ?")?
        .execute(params![key.upstream, key.repository.as_str(), tag, asked])
        .map(drop)
}
