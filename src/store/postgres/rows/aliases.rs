//! Manifests in two forms, written.

use super::columns::{key, limit};
use crate::{
    referrers::{ManifestKey, Pushed},
    store::postgres::batch::{Batch, values},
};

/// Two digests are forms of one manifest from now on, so that who refers to either is of one set: a change of both, where
/// either is known and they were not forms of one before.
const JOIN: &str = "
    INSERT INTO subject AS this (upstream, repository, subject, version)
    SELECT $1::text, $2::text, form, 1 FROM (VALUES ($3::text), ($4::text)) AS forms (form)
    WHERE EXISTS (SELECT 1 FROM subject WHERE upstream = $1 AND repository = $2 AND subject IN ($3, $4))
    AND NOT EXISTS (SELECT 1 FROM alias WHERE upstream = $1 AND repository = $2 AND original = $3 AND carrier = $4)
    ON CONFLICT (upstream, repository, subject) DO UPDATE SET version = this.version + 1";

const KEEP: &str = "
    INSERT INTO alias (upstream, repository, original, carrier, carrier_size, media_type, bytes)
    VALUES ($1, $2, $3, $4, $5, $6, $7)
    ON CONFLICT (upstream, repository, original) DO UPDATE SET
        carrier = excluded.carrier, carrier_size = excluded.carrier_size, media_type = excluded.media_type";

const FORGET: &str = "DELETE FROM alias WHERE upstream = $1 AND repository = $2 AND carrier = $3";

pub(crate) fn keep<'v>(batch: &mut Batch<'v>, carrier: &'v ManifestKey, pushed: &'v Pushed) {
    let [upstream, repository, _] = key(carrier);
    let alias = &pushed.alias;
    let forms = [alias.original.as_str(), alias.carrier.as_str()];
    batch.add(JOIN, values![upstream, repository, forms[0], forms[1]]);
    batch.add(
        KEEP,
        values![upstream, repository, forms[0], forms[1], limit(alias.carrier_size), &alias.media_type, &*pushed.bytes],
    );
}

pub(crate) fn forget<'v>(batch: &mut Batch<'v>, carrier: &'v ManifestKey) {
    let [upstream, repository, carrier] = key(carrier);
    batch.add(FORGET, values![upstream, repository, carrier]);
}
