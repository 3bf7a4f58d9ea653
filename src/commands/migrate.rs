//! `backref migrate`: the registry's own lists get what they lack, so that backref may go.

use std::cell::Cell;

use super::{
    greeting::{greet, rows_of_others},
    printer::{Health, Line},
    status::ExitStatus,
    work::{self, Store, Work, add, of_repository, of_subject},
};
use crate::{
    cli::Migrate,
    oci::Digest,
    operator::{MigrateOptions, Migrated, OperatorError, RepositorySession},
    store::Recorded,
    words::many,
};

/// What was done in all.
#[derive(Default)]
struct Count {
    subjects: Cell<usize>,
    pushed: Cell<usize>,
    originals: Cell<usize>,
    removed_tags: Cell<usize>,
}

pub(super) fn run(args: &Migrate) -> ExitStatus {
    let options = MigrateOptions { dry_run: args.dry_run, originals: args.originals, remove_tags: args.remove_tags };
    work::run(&args.work, Store::HasToBeThere, async |work| migrate(work, options).await)
}

async fn migrate(work: &Work, options: MigrateOptions) -> Result<(), OperatorError> {
    rows_of_others(work).await?;
    if greet(work).await?.is_none() {
        return Ok(());
    }
    let count = Count::default();
    let visit = async |session: &RepositorySession| {
        if !session.has_api().await? {
            let message = "the registry has no list of referrers of its own here: there is nothing to migrate to";
            work.printer.finding(&Line { message: message.to_owned(), ..of_repository("no-api", session) });
            return Ok(());
        }
        let each = async |subject: Digest| {
            add(&count.subjects, 1);
            match session.migrate(&subject, options).await {
                Ok(Some(done)) => say(work, session, &subject, &done, options, &count),
                Ok(None) => {}
                Err(error) => {
                    let line = of_subject("not-migrated", session, &subject);
                    work.printer.finding(&Line { message: error.to_string(), ..line });
                }
            }
        };
        work.each_recorded(session, Recorded::Subjects, each).await
    };
    // What is deleted is a carrier or an index of backref's own.
    let deletes = options.originals || options.remove_tags;
    work.each_repository(work.recorded_repositories().await?, deletes, visit).await;
    let [subjects, pushed, originals, removed] =
        [count.subjects, count.pushed, count.originals, count.removed_tags].map(Cell::into_inner);
    let would = if options.dry_run { "would be " } else { "" };
    let message = format!(
        "{} looked at; {} {would}pushed again, {} {would}put in the place of their carriers, {} {would}removed",
        many(subjects, "image", "images"),
        many(pushed, "referrer", "referrers"),
        many(originals, "artifact manifest", "artifact manifests"),
        many(removed, "referrers tag", "referrers tags"),
    );
    let counts = [("images", subjects), ("pushed", pushed), ("originals", originals), ("removed_tags", removed)].into();
    work.printer.say(&Line { kind: "done", message, counts, ..Line::default() });
    Ok(())
}

/// One line for what was done with a subject, and one for each thing that needs somebody.
fn say(
    work: &Work,
    session: &RepositorySession,
    subject: &Digest,
    done: &Migrated,
    options: MigrateOptions,
    count: &Count,
) {
    let Migrated { pushed, originals, refused, unlisted, by_tag_alone, removed_tag } = done;
    add(&count.pushed, pushed.len());
    add(&count.originals, originals.len());
    add(&count.removed_tags, usize::from(*removed_tag));
    let would = if options.dry_run { "would be " } else { "" };
    let mut parts = Vec::new();
    for (number, what) in [(pushed.len(), "pushed again"), (originals.len(), "put in the place of their carriers")] {
        if number > 0 {
            parts.push(format!("{number} {would}{what}"));
        }
    }
    if *removed_tag {
        parts.push("its referrers tag is removed".to_owned());
    }
    if !parts.is_empty() {
        let counts = [("pushed", pushed.len()), ("originals", originals.len())].into();
        let line = of_subject("migrated", session, subject);
        work.printer.say(&Line { message: parts.join("; "), counts, ..line });
    }
    let line = |kind, health, message| Line { status: Some(health), message, ..of_subject(kind, session, subject) };
    if !by_tag_alone.is_empty() {
        let message = format!("no API lists what refers to it by a tag alone: {}", all(by_tag_alone));
        work.printer.say(&line("by-tag-alone", Health::Warn, message));
    }
    if !refused.is_empty() {
        let message = format!("the registry takes no artifact manifests: the carriers stay, of {}", all(refused));
        work.printer.finding(&line("refused-original", Health::Fail, message));
    }
    if !unlisted.is_empty() {
        let message = format!("the registry's own list still lacks {}", all(unlisted));
        work.printer.finding(&line("still-not-in-api", Health::Fail, message));
    }
}

fn all(digests: &[Digest]) -> String {
    digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
