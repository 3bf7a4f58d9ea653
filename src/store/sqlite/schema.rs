//! The schema of the file: whose it is, whether this release may use it, what it lacks.

use rusqlite::{Connection, OptionalExtension, Result, Transaction, TransactionBehavior};

/// `PRAGMA application_id` of every file of ours: "bref".
const APPLICATION_ID: i64 = 0x6272_6566;

/// Append only; see migrations/README.md.
const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/sqlite/0001_state.sql")];

/// How many migrations this release knows.
// Invariant: they are few.
#[allow(clippy::cast_possible_wrap, reason = "the invariant stands above")]
pub(super) const KNOWN: i64 = MIGRATIONS.len() as i64;

/// What a file is to this release.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Schema {
    /// Empty, as a crash in the first moment of a new file leaves it too; or made by an earlier release.
    Behind,
    /// As this release makes it, or a newer one's that this release may use.
    Usable,
    /// A newer release's, with that many migrations.
    Newer(i64),
    /// Not backref's.
    Foreign,
}

/// What the file is just now: all of it is read at one moment, since another process may make the schema in the next.
pub(super) fn look(db: &Connection) -> Result<Schema> {
    let reading = db.is_autocommit().then(|| db.unchecked_transaction()).transpose()?;
    let found = look_within(db)?;
    reading.map(Transaction::commit).transpose()?;
    Ok(found)
}

fn look_within(db: &Connection) -> Result<Schema> {
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = pragma("user_version")?;
    if pragma("application_id")? != APPLICATION_ID {
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
        return Ok(if found == 0 && tables == 0 { Schema::Behind } else { Schema::Foreign });
    }
    if found < KNOWN {
        return Ok(Schema::Behind);
    }
    let usable = found == KNOWN || min_reader(db)?.is_some_and(|oldest| oldest <= KNOWN);
    Ok(if usable { Schema::Usable } else { Schema::Newer(found) })
}

/// `None` where a release so much newer that it keeps that elsewhere wrote the file.
fn min_reader(db: &Connection) -> Result<Option<i64>> {
    let kept = db.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'schema'")?.exists([])?;
    if kept { db.query_row("SELECT min_reader FROM schema", [], |row| row.get(0)).optional() } else { Ok(None) }
}

/// Brings the file to this release's schema, all or nothing, and gives what the file is then: another process may do the
/// same just now, or have come first.
pub(super) fn migrate(db: &mut Connection) -> Result<Schema> {
    if look(db)? == Schema::Behind {
        let changing = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if look(&changing)? == Schema::Behind {
            apply_missing(&changing)?;
        }
        changing.commit()?;
    }
    look(db)
}

fn apply_missing(db: &Connection) -> Result<()> {
    let done: i64 = db.pragma_query_value(None, "user_version", |row| row.get(0))?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(done).unwrap_or(usize::MAX)) {
        db.execute_batch(migration)?;
    }
    db.pragma_update(None, "application_id", APPLICATION_ID)?;
    db.pragma_update(None, "user_version", KNOWN)
}
