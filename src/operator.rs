//! What an operator's commands do: the work of requests, by the same rules and the same code, over whole repositories and
//! with the credentials of whoever runs the command.

mod backfill;
mod compare;
mod compare_tag;
mod connection;
mod copy_store;
mod difference;
mod error;
mod migrate;
mod names;
mod native;
mod notification;
mod probe;
mod prune;
mod registry;
mod repository;
mod retries;
mod tokens;
mod trial;
mod trial_push;

pub use backfill::Imported;
pub use connection::{Connection, Greeting};
pub use copy_store::{Copied, Sum, copy_table};
pub use difference::{Difference, DifferenceKind};
pub use error::OperatorError;
pub use migrate::{MigrateOptions, Migrated};
pub use names::{Catalog, NamePages};
pub use notification::Notification;
pub use probe::{Probe, probe};
pub use prune::{Corroboration, Presence, RowOutcome};
pub use registry::Operator;
pub use repository::RepositorySession;
pub use tokens::Tokens;
pub use trial::Trial;
