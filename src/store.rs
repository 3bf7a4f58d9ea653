//! The store: an index of who refers to whom. Its traits speak of rows and decide nothing: whoever calls them decides, and
//! says on what knowledge ([`Basis`]).
//!
//! One trait for each kind of row; [`Store`] is all of them.

mod aliased;
mod aliases;
mod attempts;
mod error;
mod inventory;
mod kept;
mod knowledge;
mod postgres;
mod purpose;
mod referrers_tags;
mod relation_tags;
mod relations;
mod sqlite;
mod time;
mod transfer;
mod upstreams;
mod via;

pub use aliases::Aliases;
pub use attempts::{Attempt, AttemptKind, Attempts, Orphan};
pub use error::{OpenError, StoreError};
pub use inventory::{
    COUNTED, Change, Counts, Found, Inventory, ReferrerRow, RepositoryCount, StaleTag, SubjectCursor, SubjectRow,
    Unresolved,
};
pub use knowledge::{Applied, AttemptId, Basis, Close, Seen};
pub use postgres::PostgresStore;
pub use purpose::OpenFor;
pub use referrers_tags::{ReferrersTags, TagHolds, TagIndex, TagLook, TagOutcome, TagState, TagWrite, Until};
pub use relation_tags::{RelationTags, TagSeen, TagVerdict};
pub use relations::{Finding, QueryStart, Recorded, Relations, Row, RowSink, Verdict};
pub use sqlite::SqliteStore;
pub use time::StoreTime;
pub use transfer::{Cell, Kind, RawRow, Table, Transfer};
pub use upstreams::{Capability, Pending, Upstreams};

/// What every store can do. Reads of the SQLite store are answered on the calling thread: a hop to another costs more than
/// the read.
pub trait Store:
    Aliases + Attempts + Inventory + ReferrersTags + RelationTags + Relations + Transfer + Upstreams + Send + Sync
{
}

impl<T: Aliases + Attempts + Inventory + ReferrersTags + RelationTags + Relations + Transfer + Upstreams + Send + Sync>
    Store for T
{
}
