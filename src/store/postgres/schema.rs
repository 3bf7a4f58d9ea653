//! The schema of the database: whose it is, whether this release may use it, what it lacks.

use tokio_postgres::error::SqlState;

use super::{errors::in_words, session::Session};

/// Append only; see migrations/README.md.
const MIGRATIONS: &[&str] = &[include_str!("../../../migrations/postgres/0001_state.sql")];

/// How many migrations this release knows.
// Invariant: they are few.
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "the invariant stands above")]
const KNOWN: i32 = MIGRATIONS.len() as i32;

/// How often it is tried while other processes do the same.
const ROUNDS: usize = 20;

/// Why a database can't be used.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum SchemaError {
    /// It is somebody else's.
    #[error("it holds tables that are not backref's: give backref a database of its own")]
    Foreign,
    /// A newer release's.
    #[error("it was written by a newer backref (schema {found}, this one knows {KNOWN}): use that release")]
    Newer { found: i32 },
    /// It can't be said now.
    #[error("{0}")]
    Failed(String),
}

/// Brings the database to this release's schema, all or nothing, if it is behind. Other processes may do the same just now.
pub(super) async fn migrate(session: &Session) -> Result<(), SchemaError> {
    let mut tried = Ok(());
    for _ in 0..ROUNDS {
        tried = try_to(session).await;
        let Err(error) = &tried else { return Ok(()) };
        let Failure::Server(error) = error else { break };
        session.batch_execute("ROLLBACK").await.map_err(|error| SchemaError::Failed(in_words(&error)))?;
        // The tables, or their names, are somebody else's who was faster.
        let faster = [
            SqlState::DUPLICATE_TABLE,
            SqlState::DUPLICATE_OBJECT,
            SqlState::UNIQUE_VIOLATION,
            SqlState::T_R_SERIALIZATION_FAILURE,
            SqlState::T_R_DEADLOCK_DETECTED,
        ];
        if !error.code().is_some_and(|code| faster.contains(code)) {
            break;
        }
    }
    tried.map_err(|failure| match failure {
        Failure::Server(error) => SchemaError::Failed(in_words(&error)),
        Failure::Schema(error) => error,
    })
}

enum Failure {
    Server(tokio_postgres::Error),
    Schema(SchemaError),
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Server(error)
    }
}

async fn try_to(session: &Session) -> Result<(), Failure> {
    let tables = "SELECT count(*) FILTER (WHERE relname = 'backref_schema'), count(*) FROM pg_class
                  WHERE relkind IN ('r', 'p', 'v', 'm', 'f') AND relnamespace = current_schema()::regnamespace";
    let (ours, all): (i64, i64) = session.one(tables).await?;
    let mut done = 0;
    if ours == 0 {
        if all > 0 {
            return Err(Failure::Schema(SchemaError::Foreign));
        }
    } else {
        let (found, min_reader): (i32, i32) = session.one("SELECT migrations, min_reader FROM backref_schema").await?;
        if found >= KNOWN {
            let usable = found == KNOWN || min_reader <= KNOWN;
            return if usable { Ok(()) } else { Err(Failure::Schema(SchemaError::Newer { found })) };
        }
        done = found;
    }
    session.batch_execute("BEGIN; SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0").await?;
    if ours > 0 {
        session.batch_execute("SELECT 1 FROM backref_schema FOR UPDATE").await?;
        // Somebody may have been faster while this one waited.
        (done, _) = session.one::<i32, i32>("SELECT migrations, min_reader FROM backref_schema").await?;
    }
    for migration in MIGRATIONS.iter().skip(usize::try_from(done).unwrap_or(usize::MAX)) {
        session.batch_execute(migration).await?;
    }
    let known = format!("UPDATE backref_schema SET migrations = greatest(migrations, {KNOWN}); COMMIT");
    Ok(session.batch_execute(&known).await?)
}
