//! What an operator may ask of pushes and deletes beyond the specifications.

mod artifact_type;
mod cascade;
mod gate;
mod judge;
mod subject_exists;

pub use cascade::{delete_referrers, is_for_referrers};
pub use gate::{Pushed, odd_put};
pub use judge::Policies;
