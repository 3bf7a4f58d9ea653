//! What is kept for as long as something slow may still ask for it, and goes after that: a few rows with each change, found
//! by their age alone, so that a change costs the same however much is in the database.

use rusqlite::{Connection, Result};

use crate::store::{StoreTime, kept};

/// Each takes more rows than one change leaves behind, so that they get fewer.
const DELETED: &str = "DELETE FROM referrer WHERE (upstream, repository, subject, arrival, digest) IN (
         SELECT upstream, repository, subject, arrival, digest FROM referrer INDEXED BY referrer_deleted
         WHERE state = 'deleted' AND changed_at < ? LIMIT 16)";

const OFF: &str = "DELETE FROM tag WHERE (upstream, repository, tag) IN (
         SELECT upstream, repository, tag FROM tag INDEXED BY tag_off
         WHERE digest IS NULL AND changed_at < ? LIMIT 16)";

const CAPABILITIES: &str = "DELETE FROM capability WHERE (upstream, repository, what) IN (
         SELECT upstream, repository, what FROM capability INDEXED BY capability_until WHERE until <= ? LIMIT 16)";

const DELETES: &str = "DELETE FROM attempt INDEXED BY attempt_without_subject WHERE subject = '' AND deadline < ?";

/// Referrers that were deleted.
pub(crate) fn drop_deleted(db: &Connection, now: StoreTime) -> Result<()> {
    db.prepare_cached(DELETED)?.execute([now.0 - kept::DELETED]).map(drop)
}

/// Tags that are on nothing: until then a request may have read their version.
pub(crate) fn drop_off(db: &Connection, now: StoreTime) -> Result<()> {
    db.prepare_cached(OFF)?.execute([now.0 - kept::DELETED]).map(drop)
}

/// What was learned of upstreams and is believed no more.
pub(crate) fn drop_capabilities(db: &Connection, now: StoreTime) -> Result<()> {
    db.prepare_cached(CAPABILITIES)?.execute([now.0]).map(drop)
}

/// Deletes of digests that never had a subject, and can't reach the upstream any more.
pub(crate) fn drop_deletes(db: &Connection, now: StoreTime) -> Result<()> {
    db.prepare_cached(DELETES)?.execute([now.0]).map(drop)
}

#[cfg(test)]
mod tests {
    use rusqlite::{StatementStatus, params};

    use super::*;

    const NOW: i64 = 2 * kept::DELETED;

    /// A subject with that many referrers, as many open attempts, tags and capabilities: and one of each that is due.
    fn store(many: i64) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../../../migrations/sqlite/0001_state.sql")).unwrap();
        for n in 0..=many {
            let (due, changed) = (n == many, if n == many { 1 } else { NOW });
            let state = if due { "deleted" } else { "listed" };
            db.execute(
                "INSERT INTO referrer VALUES ('up', 'app', 's', ?1, 'd' || ?1, ?2, 'subject', NULL, 0, '', NULL, ?3, 1)",
                params![n, state, changed],
            )
            .unwrap();
            let subject = if due { "" } else { "s" };
            db.execute(
                "INSERT INTO attempt VALUES (?1, ?2, 'delete', 'up', 'app', 'd', NULL, NULL, ?3)",
                params![n, subject, changed],
            )
            .unwrap();
            let on = (!due).then_some("d");
            db.execute("INSERT INTO tag VALUES ('up', 'app', 't' || ?1, 's', ?2, ?3, 1)", params![n, on, changed])
                .unwrap();
            let until = if due { 1 } else { NOW + 1 };
            db.execute("INSERT INTO capability VALUES ('up', 'app', 'c' || ?1, ?2)", params![n, until]).unwrap();
        }
        db
    }

    #[test]
    fn store_deletes_expired_rows_at_the_same_cost_however_many_stay() {
        let steps = |many| {
            let (db, now) = (store(many), StoreTime(NOW));
            drop_deleted(&db, now).unwrap();
            drop_off(&db, now).unwrap();
            drop_deletes(&db, now).unwrap();
            drop_capabilities(&db, now).unwrap();
            for table in ["referrer", "tag", "attempt", "capability"] {
                let left: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
                assert_eq!(left, many, "{table}");
            }
            [DELETED, OFF, DELETES, CAPABILITIES]
                .map(|sql| db.prepare_cached(sql).unwrap().get_status(StatementStatus::VmStep))
        };
        assert_eq!(steps(10), steps(1000));
    }
}
