//! What is known about upstreams as a whole.

use crate::store::postgres::batch::now;

/// Of one repository, and for how many microseconds each is still believed.
pub(crate) const CAPABILITIES: &str = concat!(
    "SELECT repository, what, until - ",
    now!(),
    " FROM capability WHERE upstream = $1 AND repository = $2 AND until > ",
    now!(),
    " ORDER BY what"
);

/// Of all.
pub(crate) const ALL_CAPABILITIES: &str = concat!(
    "SELECT repository, what, until - ",
    now!(),
    " FROM capability WHERE upstream = $1 AND until > ",
    now!(),
    " ORDER BY repository, what"
);

pub(crate) const LEARN: &str = concat!(
    "INSERT INTO capability (upstream, repository, what, until) VALUES ($1, $2, $3, ",
    now!(),
    " + $4) ON CONFLICT (upstream, repository, what) DO UPDATE SET until = excluded.until"
);

/// Goes from one name to the next, whatever lies between.
pub(crate) const NAMES: &str = "
    WITH RECURSIVE names (name) AS (
        (SELECT upstream FROM subject ORDER BY upstream LIMIT 1)
        UNION ALL
        SELECT (SELECT upstream FROM subject WHERE upstream > name ORDER BY upstream LIMIT 1) FROM names
        WHERE name IS NOT NULL)
    SELECT name FROM names WHERE name IS NOT NULL";

pub(crate) const PENDING: &str = "
    SELECT (SELECT count(*) FROM subject WHERE upstream = $1 AND version > tag_version),
           (SELECT count(DISTINCT (repository, id)) FROM attempt WHERE upstream = $1)";

pub(crate) const CHECK: &str = concat!(
    "INSERT INTO upstream (name, checked_at) VALUES ($1, ",
    now!(),
    ") ON CONFLICT (name) DO UPDATE SET checked_at = excluded.checked_at"
);
