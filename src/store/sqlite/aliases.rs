//! Manifests in two forms: as they were pushed, and as the upstream holds them.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, params};

use super::{changes, reads::digest};
use crate::{
    oci::Repository,
    referrers::{Alias, ManifestKey, Pushed},
};

pub(super) fn any(db: &Connection) -> Result<bool> {
    db.prepare("SELECT 1 FROM alias LIMIT 1")?.exists([])
}

pub(super) fn has_aliases(db: &Connection, upstream: &str, repository: &Repository) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM alias WHERE upstream = ? AND repository = ? LIMIT 1")?
        .exists([upstream, repository.as_str()])
}

/// By either digest. Pushed under two digests, an original has one carrier: the first is as good as the other.
pub(super) fn alias(db: &Connection, key: &ManifestKey) -> Result<Option<Alias>> {
    db.prepare_cached(
        "SELECT original, length(bytes), media_type, carrier, carrier_size FROM alias
         WHERE upstream = ?1 AND repository = ?2 AND original = ?3
         UNION ALL
         SELECT original, length(bytes), media_type, carrier, carrier_size FROM alias
         WHERE upstream = ?1 AND repository = ?2 AND carrier = ?3
         LIMIT 1",
    )?
    .query_row(params![key.upstream, key.repository.as_str(), key.digest.as_str()], |row| {
        Ok(Alias {
            original: digest(row.get_ref(0)?.as_str()?, 0)?,
            original_size: row.get::<_, u32>(1)? as usize,
            media_type: row.get(2)?,
            carrier: digest(row.get_ref(3)?.as_str()?, 3)?,
            carrier_size: row.get::<_, u32>(4)? as usize,
        })
    })
    .optional()
}

/// The other form of a manifest.
pub(super) fn other(db: &Connection, beside: &ManifestKey, of: &str) -> Result<Option<String>> {
    db.prepare_cached(
        "SELECT carrier FROM alias WHERE upstream = ?1 AND repository = ?2 AND original = ?3
         UNION ALL
         SELECT original FROM alias WHERE upstream = ?1 AND repository = ?2 AND carrier = ?3
         LIMIT 1",
    )?
    .query_row([&*beside.upstream, beside.repository.as_str(), of], |row| row.get(0))
    .optional()
}

pub(super) fn original(db: &Connection, key: &ManifestKey) -> Result<Option<Bytes>> {
    db.prepare_cached("SELECT bytes FROM alias WHERE upstream = ? AND repository = ? AND original = ?")?
        .query_row(params![key.upstream, key.repository.as_str(), key.digest.as_str()], |row| {
            row.get::<_, Vec<u8>>(0).map(Bytes::from)
        })
        .optional()
}

pub(super) fn keep(db: &Connection, carrier: &ManifestKey, pushed: &Pushed) -> Result<()> {
    let forms = [pushed.alias.original.as_str(), pushed.alias.carrier.as_str()];
    // From now on whoever refers to either form is of one set.
    if other(db, carrier, forms[0])?.as_deref() != Some(forms[1]) {
        let known: bool = db
            .prepare_cached("SELECT 1 FROM subject WHERE upstream = ? AND repository = ? AND subject IN (?, ?)")?
            .exists([&*carrier.upstream, carrier.repository.as_str(), forms[0], forms[1]])?;
        for form in forms.into_iter().filter(|_| known) {
            changes::bump_one(db, carrier, form)?;
        }
    }
    db.prepare_cached(
        "INSERT INTO alias (upstream, repository, original, carrier, carrier_size, media_type, bytes)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (upstream, repository, original) DO UPDATE SET
             carrier = excluded.carrier, carrier_size = excluded.carrier_size, media_type = excluded.media_type",
    )?
    .execute(params![
        carrier.upstream,
        carrier.repository.as_str(),
        pushed.alias.original.as_str(),
        pushed.alias.carrier.as_str(),
        u32::try_from(pushed.alias.carrier_size).unwrap_or(u32::MAX),
        pushed.alias.media_type,
        &*pushed.bytes
    ])
    .map(drop)
}

pub(super) fn forget(db: &Connection, carrier: &ManifestKey) -> Result<()> {
    db.prepare_cached("DELETE FROM alias WHERE upstream = ? AND repository = ? AND carrier = ?")?
        .execute(params![carrier.upstream, carrier.repository.as_str(), carrier.digest.as_str()])
        .map(drop)
}
