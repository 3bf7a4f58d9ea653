//! A few of a subject's referrers, the newest first: by whom a caller's rights are found out.

use crate::store::postgres::batch::now;

/// Of the subjects $3: listed before missing, each with what is known about it, as [`super::seen::LOOK`] has it.
pub(crate) const CANDIDATES: &str = concat!(
    "SELECT (SELECT coalesce(sum(version), 0)::bigint FROM referrer
             WHERE upstream = $1 AND repository = $2 AND digest = found.digest),
            EXISTS (SELECT 1 FROM attempt WHERE upstream = $1 AND repository = $2 AND digest = found.digest
                    AND tag IS NULL), ",
    now!(),
    ", digest
     FROM unnest($3::text[]) AS this (form), LATERAL (
        (SELECT 0 AS rank, arrival, digest FROM referrer
         WHERE upstream = $1 AND repository = $2 AND subject = this.form AND state = 'listed'
         ORDER BY arrival DESC, digest DESC LIMIT $4)
        UNION ALL
        (SELECT 1, arrival, digest FROM referrer
         WHERE upstream = $1 AND repository = $2 AND subject = this.form AND state = 'missing'
         ORDER BY arrival DESC, digest DESC LIMIT $4)) AS found
     ORDER BY rank, arrival DESC, digest DESC"
);

/// The same of one subject, only those whose own bytes name it.
pub(crate) const STATED: &str = "
    SELECT digest FROM (
        (SELECT 0 AS rank, arrival, digest FROM referrer
         WHERE upstream = $1 AND repository = $2 AND subject = $3 AND state = 'listed' AND via <> 'tag'
         ORDER BY arrival DESC, digest DESC LIMIT $4)
        UNION ALL
        (SELECT 1, arrival, digest FROM referrer
         WHERE upstream = $1 AND repository = $2 AND subject = $3 AND state = 'missing' AND via <> 'tag'
         ORDER BY arrival DESC, digest DESC LIMIT $4)) AS found
    ORDER BY rank, arrival DESC, digest DESC LIMIT $4";
