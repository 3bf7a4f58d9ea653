//! The two forms of manifests, read.

use tokio_postgres::Row;

use super::columns::{digest, get, size};
use crate::{referrers::Alias, store::StoreError};

pub(crate) const ANY: &str = "SELECT 1 FROM alias LIMIT 1";

pub(crate) const ANY_IN: &str = "SELECT 1 FROM alias WHERE upstream = $1 AND repository = $2 LIMIT 1";

/// By either digest. Pushed under two digests, an original has one carrier: the first is as good as the other.
pub(crate) const ALIAS: &str = "
    SELECT original, length(bytes)::bigint, media_type, carrier, carrier_size FROM alias
    WHERE upstream = $1 AND repository = $2 AND original = $3
    UNION ALL
    SELECT original, length(bytes)::bigint, media_type, carrier, carrier_size FROM alias
    WHERE upstream = $1 AND repository = $2 AND carrier = $3
    LIMIT 1";

/// What a query begins with: that, the version of the subject's set, and whether anything is open on referrers of the
/// subject in either form.
pub(crate) const BEGIN_QUERY: &str = "
    WITH known AS (
        SELECT original, length(bytes)::bigint AS original_size, media_type, carrier, carrier_size FROM alias
        WHERE upstream = $1 AND repository = $2 AND original = $3
        UNION ALL
        SELECT original, length(bytes)::bigint, media_type, carrier, carrier_size FROM alias
        WHERE upstream = $1 AND repository = $2 AND carrier = $3
        LIMIT 1)
    SELECT known.*,
           coalesce((SELECT version FROM subject WHERE upstream = $1 AND repository = $2 AND subject = $3), 0),
           EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2 AND subject = $3)
           OR EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2 AND subject = known.original)
           OR EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2 AND subject = known.carrier)
    FROM (SELECT 1) AS one LEFT JOIN known ON true";

/// The first of $3 that is an original.
pub(crate) const FIRST_ORIGINAL: &str = "
    SELECT original, length(bytes)::bigint, media_type, carrier, carrier_size
    FROM unnest($3::text[]) WITH ORDINALITY AS this (digest, place)
    JOIN alias ON upstream = $1 AND repository = $2 AND original = this.digest
    ORDER BY place LIMIT 1";

pub(crate) const ORIGINAL: &str = "SELECT bytes FROM alias WHERE upstream = $1 AND repository = $2 AND original = $3";

pub(crate) fn alias(row: &Row) -> Result<Alias, StoreError> {
    Ok(Alias {
        original: digest(row, 0)?,
        original_size: size(row, 1)?,
        media_type: get(row, 2)?,
        carrier: digest(row, 3)?,
        carrier_size: size(row, 4)?,
    })
}
