//! `backref prune`: rows that the upstream has lost, and with `--orphans` referrers whose subject it has lost.

use std::cell::{Cell, RefCell};

use super::{
    ExitStatus,
    printer::Line,
    work::{self, Store, Work, of_repository, of_subject},
};
use crate::{
    cli::Prune,
    handler::{Asked, Beside, Fate, Inside, Trouble},
    oci::Digest,
    store::{Known, now_micros},
};

/// A subject may come after those that refer to it: for how long nothing was added before it counts as gone.
const QUIET: i64 = 24 * 3600 * 1_000_000;

/// How many subjects of what is gone are asked for, in search of anything that is there.
const WITNESSES: usize = 3;

pub(super) fn run(args: &Prune) -> ExitStatus {
    work::run(&args.work, Store::HasToBeThere, async |work| {
        let count = Cell::new(0_usize);
        let visit = async |inside: &Inside| {
            if args.orphans {
                orphans(work, inside, args.yes, &count).await?;
            } else {
                rows(work, inside, args.missing, &count).await?;
            }
            // Who only wants to know changes nothing.
            if !args.orphans || args.yes {
                work.pay(inside).await?;
            }
            Ok(())
        };
        work.each_repository(work.on_record().await?, args.yes, visit).await;
        let count = count.get();
        let message = match (args.orphans, args.yes) {
            (false, _) => format!("referrers not listed any more, or listed again: {count}"),
            (true, true) => format!("orphans deleted: {count}"),
            (true, false) => format!("orphans: {count}; --yes deletes them from the registry"),
        };
        work.printer.say(&Line { kind: "done", message, counts: [("referrers", count)].into(), ..Line::default() });
        Ok(())
    })
}

/// One round of questions: what isn't there counts beside something that is.
async fn rows(work: &Work, inside: &Inside, only_missing: bool, count: &Cell<usize>) -> Result<(), Trouble> {
    let (beside, gone) = (RefCell::new(None), RefCell::new(Vec::new()));
    let ask = async |digest: Digest, was_missing: bool| {
        let asked = match inside.ask(&digest).await {
            Ok(asked) => asked,
            Err(trouble) => return unseen(work, inside, &digest, &trouble),
        };
        match asked.beside() {
            Some(one) => {
                beside.replace(Some(one));
                if was_missing {
                    say(work, inside, &digest, inside.back(&asked).await, count);
                }
            }
            None => gone.borrow_mut().push((asked, was_missing)),
        }
    };
    // The missing first: those that are found so now are not asked about twice.
    work.each_known(inside, Known::Missing, async |digest| ask(digest, true).await).await?;
    if !only_missing {
        work.each_known(inside, Known::Listed, async |digest| ask(digest, false).await).await?;
    }
    let (beside, gone) = (beside.into_inner(), gone.into_inner());
    if gone.is_empty() || work.is_stopped() {
        return Ok(());
    }
    let Some(beside) = (match beside {
        Some(beside) => Some(beside),
        None => witness(inside, &gone).await?,
    }) else {
        let message = format!(
            "the registry shows none of the {} that were asked about, nor their subjects: they may be there and not \
             for these credentials, so that all stay as they are",
            gone.len()
        );
        work.printer.finding(&Line { message, ..of_repository("kept", inside) });
        return Ok(());
    };
    for (asked, was_missing) in gone {
        match inside.absent(&asked, &beside).await {
            // Nothing new.
            Ok(Fate::Missing) if was_missing => {}
            fate => say(work, inside, &asked.digest, fate, count),
        }
    }
    Ok(())
}

async fn witness(inside: &Inside, gone: &[(Asked, bool)]) -> Result<Option<Beside>, Trouble> {
    for (asked, _) in gone.iter().take(WITNESSES) {
        if let Some(beside) = inside.beside_subjects(&asked.digest).await? {
            return Ok(Some(beside));
        }
    }
    Ok(None)
}

/// Referrers that are there, of subjects that aren't.
async fn orphans(work: &Work, inside: &Inside, delete: bool, count: &Cell<usize>) -> Result<(), Trouble> {
    loop {
        let before = count.get();
        let look = async |subject: Digest| {
            let found = async {
                if !inside.is_gone(&subject).await? {
                    return Ok::<_, Trouble>(());
                }
                for referrer in inside.referrers(&subject).await? {
                    // One that is there is the 200 beside which the subject's 404 counts.
                    if inside.ask(&referrer).await?.there {
                        orphan(work, inside, &subject, &referrer, delete, count).await;
                    }
                }
                Ok(())
            };
            if let Err(trouble) = found.await {
                unseen(work, inside, &subject, &trouble);
            }
        };
        work.each_known(inside, Known::Quiet { since: now_micros() - QUIET }, look).await?;
        // What referred to an orphan is one now.
        if !delete || count.get() == before || work.is_stopped() {
            return Ok(());
        }
    }
}

async fn orphan(work: &Work, inside: &Inside, subject: &Digest, referrer: &Digest, delete: bool, count: &Cell<usize>) {
    let line = Line { referrer: Some(referrer.to_string()), ..of_subject("orphan", inside, subject) };
    let deleted = if delete { inside.delete(referrer).await } else { Ok(()) };
    match deleted {
        Ok(()) => {
            count.set(count.get() + 1);
            let message = if delete { "was deleted: its subject is gone" } else { "refers to a subject that is gone" };
            let line = Line { message: message.to_owned(), ..line };
            if delete { work.printer.say(&line) } else { work.printer.finding(&line) }
        }
        Err(trouble) => {
            let message = format!("refers to a subject that is gone, and could not be deleted: {trouble}");
            work.printer.finding(&Line { message, ..line });
        }
    }
}

fn say(work: &Work, inside: &Inside, digest: &Digest, fate: Result<Fate, Trouble>, count: &Cell<usize>) {
    let (kind, message) = match fate {
        Ok(Fate::Missing) => ("missing", "is gone, and listed no more; asked about again for a day"),
        Ok(Fate::Dropped) => ("dropped", "is gone for a day: dropped"),
        Ok(Fate::Listed) => ("back", "is there again, and listed"),
        Ok(Fate::Untouched) => return,
        Err(trouble) => return unseen(work, inside, digest, &trouble),
    };
    count.set(count.get() + 1);
    let line = Line { referrer: Some(digest.to_string()), ..of_repository(kind, inside) };
    work.printer.say(&Line { message: message.to_owned(), ..line });
}

fn unseen(work: &Work, inside: &Inside, digest: &Digest, trouble: &Trouble) {
    let line = Line { referrer: Some(digest.to_string()), ..of_repository("unseen", inside) };
    work.printer.finding(&Line { message: format!("can't be asked about: {trouble}"), ..line });
}
