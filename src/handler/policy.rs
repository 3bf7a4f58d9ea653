//! What an operator may ask of pushes and deletes beyond the specifications.

pub(super) mod gate;
mod must_exist;
pub(super) mod stranded;
