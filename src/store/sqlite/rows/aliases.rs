//! Manifests in two forms, written.

use rusqlite::{Connection, Result, params};

use super::{columns::key, forms, subjects};
use crate::referrers::{ManifestKey, Pushed};

pub(crate) fn keep(db: &Connection, carrier: &ManifestKey, pushed: &Pushed) -> Result<()> {
    let forms = [pushed.alias.original.as_str(), pushed.alias.carrier.as_str()];
    if forms::other(db, carrier, forms[0])?.as_deref() != Some(forms[1]) {
        subjects::join(db, carrier, forms)?;
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
        forms[0],
        forms[1],
        u32::try_from(pushed.alias.carrier_size).unwrap_or(u32::MAX),
        pushed.alias.media_type,
        &*pushed.bytes
    ])
    .map(drop)
}

pub(crate) fn forget(db: &Connection, carrier: &ManifestKey) -> Result<()> {
    db.prepare_cached("DELETE FROM alias WHERE upstream = ? AND repository = ? AND carrier = ?")?
        .execute(key(carrier))
        .map(drop)
}
