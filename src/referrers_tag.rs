//! The referrers tag of a subject (`sha256-<hex>`), kept up to date with the credentials of whoever pushes: clients that go
//! around backref see the same list, and the list can be made anew without the database. ARCHITECTURE.md, "The referrers
//! tag", has the rules.

mod adopt;
mod backoff;
mod content;
mod entries;
mod flush;
mod import;
mod keeper;
mod lock;
mod look;
mod missing;
mod places;
mod remove;
mod retire;
mod send;
mod write;

pub use entries::{AT_A_TIME, EntryStatus, entry_status};
pub use keeper::ReferrersTags;
pub use look::{Found, find};
pub use remove::{TakeOut, TakenOut};
