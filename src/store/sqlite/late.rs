//! What is kept for as long as something slow may still ask for it, and goes after that: a few rows with each change, found
//! by their age alone, so that a change costs the same however much is on record.

use rusqlite::{Connection, Result};

/// How long a deleted row stays, so that nothing slow brings it back: longer than
/// `upstream.answer_timeout` can make any request.
const KEEP_DELETED: i64 = 4 * 3600 * 1_000_000;

/// More than one change leaves behind, so that they get fewer.
const DELETED: &str = "DELETE FROM referrer WHERE (upstream, repository, subject, arrival, digest) IN (
         SELECT upstream, repository, subject, arrival, digest FROM referrer INDEXED BY referrer_deleted
         WHERE state = 'deleted' AND changed_at < ? LIMIT 16)";

const OFF: &str = "DELETE FROM tag WHERE (upstream, repository, tag) IN (
         SELECT upstream, repository, tag FROM tag INDEXED BY tag_off
         WHERE digest IS NULL AND changed_at < ? LIMIT 16)";

const DELETES: &str = "DELETE FROM attempt INDEXED BY attempt_without_subject WHERE subject IS NULL AND deadline < ?";

/// Referrers that were deleted.
pub(super) fn drop_deleted(db: &Connection, now: i64) -> Result<()> {
    db.prepare_cached(DELETED)?.execute([now - KEEP_DELETED]).map(drop)
}

/// Tags that are on nothing: until then a request may have read their version.
pub(super) fn drop_off(db: &Connection, now: i64) -> Result<()> {
    db.prepare_cached(OFF)?.execute([now - KEEP_DELETED]).map(drop)
}

/// Deletes of digests that never had a subject, and can't reach the upstream any more.
pub(super) fn drop_deletes(db: &Connection, now: i64) -> Result<usize> {
    db.prepare_cached(DELETES)?.execute([now])
}

#[cfg(test)]
mod tests {
    use rusqlite::{StatementStatus, params};

    use super::*;

    const NOW: i64 = 2 * KEEP_DELETED;

    /// A subject with that many referrers, as many open attempts, and tags: and one of each that is due.
    fn store(many: i64) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(include_str!("../../../migrations/sqlite/0001_state.sql")).unwrap();
        for n in 0..=many {
            let (due, changed) = (n == many, if n == many { 1 } else { NOW });
            let state = if due { "deleted" } else { "listed" };
            db.execute(
                "INSERT INTO referrer VALUES ('up', 'app', 's', ?1, 'd' || ?1, ?2, 'subject', NULL, 0, '', NULL, ?3, 1)",
                params![n, state, changed],
            )
            .unwrap();
            let subject = (!due).then_some("s");
            db.execute(
                "INSERT INTO attempt VALUES (?1, 'delete', 'up', 'app', 'd', ?2, NULL, NULL, ?3)",
                params![n, subject, changed],
            )
            .unwrap();
            let on = (!due).then_some("d");
            db.execute("INSERT INTO tag VALUES ('up', 'app', 't' || ?1, 's', ?2, ?3, 1)", params![n, on, changed])
                .unwrap();
        }
        db
    }

    #[test]
    fn what_is_due_goes_at_the_same_cost_however_much_stays() {
        let steps = |many| {
            let db = store(many);
            drop_deleted(&db, NOW).unwrap();
            drop_off(&db, NOW).unwrap();
            drop_deletes(&db, NOW).unwrap();
            for table in ["referrer", "tag", "attempt"] {
                let left: i64 = db.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap();
                assert_eq!(left, many, "{table}");
            }
            [DELETED, OFF, DELETES].map(|sql| db.prepare_cached(sql).unwrap().get_status(StatementStatus::VmStep))
        };
        assert_eq!(steps(10), steps(1000));
    }
}
