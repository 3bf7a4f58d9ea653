//! `backref tree`
pub(super) fn run(_args: &crate::cli::Tree) -> super::ExitStatus { super::ExitStatus::Fine }
