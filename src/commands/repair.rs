//! `backref repair`: the referrers tags that are owed, written with the operator's credentials.

use std::cell::Cell;

use super::{
    ExitStatus,
    printer::Line,
    work::{self, Store, Work},
};
use crate::{
    cli,
    handler::{Inside, Trouble},
};

pub(super) fn run(args: &cli::Work) -> ExitStatus {
    work::run(args, Store::HasToBeThere, repair)
}

async fn repair(work: &Work) -> Result<(), Trouble> {
    let written = Cell::new(0_usize);
    let visit = async |inside: &Inside| {
        written.set(written.get() + work.pay(inside).await?);
        Ok(())
    };
    work.each_repository(work.on_record().await?, false, visit).await;
    let message = if work.operator.keeps_tags() {
        format!("referrers tags written: {}", written.get())
    } else {
        "referrers.tag is off: no referrers tag is owed".to_owned()
    };
    let counts = [("written", written.get())].into();
    work.printer.say(&Line { kind: "done", message, counts, ..Line::default() });
    Ok(())
}
