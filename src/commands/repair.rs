//! `backref repair`: the referrers tags that are pending, written with the operator's credentials.

use std::cell::Cell;

use super::{
    printer::Line,
    status::ExitStatus,
    work::{self, Store, Work},
};
use crate::{
    cli,
    operator::{OperatorError, RepositorySession},
    words::many,
};

pub(super) fn run(args: &cli::Work) -> ExitStatus {
    work::run(args, Store::HasToBeThere, repair)
}

async fn repair(work: &Work) -> Result<(), OperatorError> {
    let written = Cell::new(0_usize);
    let visit = async |session: &RepositorySession| work.flush(session, &written).await;
    work.each_repository(work.recorded_repositories().await?, false, visit).await;
    let message = if work.operator.app().upstream.keeps_tags() {
        format!("{} written", many(written.get(), "referrers tag", "referrers tags"))
    } else {
        "referrers.tag is off: no referrers tag is pending".to_owned()
    };
    let counts = [("written", written.get())].into();
    work.printer.say(&Line { kind: "done", message, counts, ..Line::default() });
    Ok(())
}
