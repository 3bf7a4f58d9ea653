//! The two forms of manifests, read.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Result, Row};

use super::columns::{digest, key, sibling};
use crate::{
    oci::{Digest, Repository},
    referrers::{Alias, ManifestKey},
};

const ALIAS: &str = "SELECT original, length(bytes), media_type, carrier, carrier_size FROM alias
    WHERE upstream = ?1 AND repository = ?2 AND";

fn read(row: &Row<'_>) -> Result<Alias> {
    Ok(Alias {
        original: digest(row, 0)?,
        original_size: row.get::<_, u32>(1)? as usize,
        media_type: row.get(2)?,
        carrier: digest(row, 3)?,
        carrier_size: row.get::<_, u32>(4)? as usize,
    })
}

pub(crate) fn any(db: &Connection) -> Result<bool> {
    db.prepare("SELECT 1 FROM alias LIMIT 1")?.exists([])
}

pub(crate) fn any_in(db: &Connection, upstream: &str, repository: &Repository) -> Result<bool> {
    db.prepare_cached("SELECT 1 FROM alias WHERE upstream = ? AND repository = ? LIMIT 1")?
        .exists([upstream, repository.as_str()])
}

/// By either digest. Pushed under two digests, an original has one carrier: the first is as good as the other.
pub(crate) fn alias(db: &Connection, of: &ManifestKey) -> Result<Option<Alias>> {
    db.prepare_cached(&format!("{ALIAS} original = ?3 UNION ALL {ALIAS} carrier = ?3 LIMIT 1"))?
        .query_row(key(of), read)
        .optional()
}

/// The first of `digests` that is an original.
pub(crate) fn first_original(db: &Connection, beside: &ManifestKey, digests: &[Digest]) -> Result<Option<Alias>> {
    let mut by_original = db.prepare_cached(&format!("{ALIAS} original = ?3"))?;
    for digest in digests {
        let found = by_original.query_row(sibling(beside, digest.as_str()), read).optional()?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The other form of a manifest.
pub(crate) fn other(db: &Connection, beside: &ManifestKey, of: &str) -> Result<Option<String>> {
    db.prepare_cached(
        "SELECT carrier FROM alias WHERE upstream = ?1 AND repository = ?2 AND original = ?3
         UNION ALL
         SELECT original FROM alias WHERE upstream = ?1 AND repository = ?2 AND carrier = ?3
         LIMIT 1",
    )?
    .query_row(sibling(beside, of), |row| row.get(0))
    .optional()
}

pub(crate) fn original(db: &Connection, of: &ManifestKey) -> Result<Option<Bytes>> {
    db.prepare_cached("SELECT bytes FROM alias WHERE upstream = ? AND repository = ? AND original = ?")?
        .query_row(key(of), |row| row.get::<_, Vec<u8>>(0).map(Bytes::from))
        .optional()
}
