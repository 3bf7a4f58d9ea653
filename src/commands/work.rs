//! What commands that go through repositories share: settings, the operator, which repositories, how many at a time, and
//! that a first Ctrl-C ends the work where it can be taken up again.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;

use super::{
    ExitStatus, log_to_stderr,
    printer::{Line, Printer},
};
use crate::{
    app::App,
    cli,
    config::{Config, Log},
    handler::{Inside, Operator, Trouble},
    oci::{Digest, Repository},
    store::{Known, OpenFor},
    upstream::MAX_PAGES,
};

/// A command at work.
pub(super) struct Work {
    pub(super) operator: Arc<Operator>,
    pub(super) printer: Printer,
    pub(super) named: Vec<Repository>,
    places: Semaphore,
    jobs: usize,
    stop: CancellationToken,
}

/// Whether a command may make the store that it works on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    MayBeNew,
    HasToBeThere,
}

/// From the arguments to the exit status.
pub(super) fn run(args: &cli::Work, store: Store, work: impl AsyncFnOnce(&Work) -> Result<(), Trouble>) -> ExitStatus {
    let config = match Config::load(args.settings.sources()) {
        Ok(config) => config,
        Err(mistakes) => {
            for mistake in mistakes {
                eprintln!("backref: {mistake}");
            }
            return ExitStatus::Usage;
        }
    };
    let log = Log { filter: quiet(&config.log.filter), ..config.log.clone() };
    log_to_stderr(&log);
    let mut named = Vec::new();
    for name in &args.repositories {
        let Some(repository) = Repository::parse(name) else {
            eprintln!("backref: {name:?} is no repository: give its name without the registry's and without a tag");
            return ExitStatus::Usage;
        };
        named.push(repository);
    }
    if store == Store::HasToBeThere && !config.store.exists() {
        let path = config.store.display();
        eprintln!("backref: there is no store {path}: `backref serve` and `backref backfill` make one");
        return ExitStatus::Usage;
    }
    match at_work(args, config, named, work) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("backref: {error}");
            ExitStatus::Usage
        }
    }
}

/// Commands say by themselves what `serve` logs.
fn quiet(filter: &str) -> String {
    if filter == "info" { "warn".to_owned() } else { filter.to_owned() }
}

fn at_work(
    args: &cli::Work,
    mut config: Config,
    named: Vec<Repository>,
    work: impl AsyncFnOnce(&Work) -> Result<(), Trouble>,
) -> Result<ExitStatus, Box<dyn std::error::Error>> {
    let jobs = usize::from(args.jobs);
    // A list and what it names, for each: a command has nobody to send away when there is no room.
    config.limits.buffered = config.limits.buffered.max(jobs * (8 << 20));
    let app = App::build(config, OpenFor::Command)?;
    let this = Work {
        operator: Operator::new(app.clone())?,
        printer: Printer::new(args.json),
        named,
        places: Semaphore::new(jobs),
        jobs,
        stop: CancellationToken::new(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let stop = this.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            eprintln!("ending: what is on its way is finished; a second signal ends at once");
            stop.cancel();
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(1);
        });
        let done = work(&this).await;
        // Tags that are still being written.
        app.tasks.close();
        app.tasks.wait().await;
        this.printer.end();
        if let Err(trouble) = done {
            this.printer.finding(&Line { kind: "failed", message: trouble.to_string(), ..Line::default() });
        }
        if this.is_stopped() {
            let message = "interrupted: run it again, and it goes on".to_owned();
            this.printer.finding(&Line { kind: "interrupted", message, ..Line::default() });
        }
        Ok(if this.printer.has_found() { ExitStatus::Finding } else { ExitStatus::Fine })
    })
}

impl Work {
    /// What is done now is finished, and nothing more begun.
    pub(super) fn is_stopped(&self) -> bool {
        self.stop.is_cancelled() || self.printer.is_closed()
    }

    /// The repositories of which anything is on record, unless some were named.
    pub(super) async fn on_record(&self) -> Result<Vec<Repository>, Trouble> {
        if !self.named.is_empty() {
            return Ok(self.named.clone());
        }
        let app = self.operator.app();
        Ok(app.store.repositories(&app.config.upstream.name).await?)
    }

    /// Those, and all that the upstream lists. Why it lists none, if it doesn't.
    pub(super) async fn everywhere(&self) -> Result<(Vec<Repository>, Option<Trouble>), Trouble> {
        let mut all = self.on_record().await?;
        if !self.named.is_empty() {
            return Ok((all, None));
        }
        let why = match self.operator.catalog().await {
            Ok(listed) => {
                all.extend(listed);
                None
            }
            Err(trouble) => Some(trouble),
        };
        all.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        all.dedup();
        Ok((all, why))
    }

    /// Goes through repositories, a few at a time. What happens in one doesn't end the others.
    pub(super) async fn each_repository(
        &self,
        repositories: Vec<Repository>,
        deletes: bool,
        visit: impl AsyncFn(&Inside) -> Result<(), Trouble>,
    ) {
        let visits = stream::iter(repositories).for_each_concurrent(self.jobs, async |repository| {
            if self.is_stopped() {
                return;
            }
            let inside = self.operator.enter(repository, deletes);
            if let Err(trouble) = visit(&inside).await {
                let message = trouble.to_string();
                self.printer.finding(&Line { message, ..of_repository("unseen-repository", &inside) });
            }
        });
        visits.await;
    }

    /// Does something with each, in all repositories together as many at a time as was asked for.
    pub(super) async fn each<T>(&self, inside: &Inside, items: Vec<T>, work: impl AsyncFn(T)) {
        self.printer.expect(items.len());
        let working = stream::iter(items).for_each_concurrent(self.jobs, async |item| {
            // Invariant: the semaphore is never closed.
            let _place = self.places.acquire().await;
            if !self.is_stopped() {
                work(item).await;
                self.printer.step(inside.repository());
            }
        });
        working.await;
    }

    /// Does something with all digests of a kind that are on record of a repository, piece by piece.
    pub(super) async fn each_known(
        &self,
        inside: &Inside,
        what: Known,
        work: impl AsyncFn(Digest),
    ) -> Result<(), Trouble> {
        let mut after = None;
        while !self.is_stopped() {
            let piece = inside.known(what, after.as_ref()).await?;
            let Some(last) = piece.last().cloned() else { break };
            self.each(inside, piece, &work).await;
            after = Some(last);
        }
        Ok(())
    }

    /// Does something with what a repository's tags are read as, page by page.
    pub(super) async fn each_tag<T>(
        &self,
        inside: &Inside,
        read: impl Fn(Vec<String>) -> Vec<T>,
        work: impl AsyncFn(T),
    ) -> Result<(), Trouble> {
        let mut next = None;
        for _ in 0..MAX_PAGES {
            if self.is_stopped() {
                return Ok(());
            }
            let Some(page) = inside.tags(next.as_deref()).await? else {
                // Of one that it lists itself, it means that there are no tags.
                if !self.named.is_empty() {
                    let message = "the registry knows no tags of it, or not for these credentials".to_owned();
                    self.printer.finding(&Line { message, ..of_repository("unseen-repository", inside) });
                }
                return Ok(());
            };
            self.each(inside, read(page.tags), &work).await;
            next = page.next;
            if next.is_none() {
                return Ok(());
            }
        }
        let message = format!("its tags have more than {MAX_PAGES} pages: the rest was not looked at");
        self.printer.finding(&Line { message, ..of_repository("unseen-repository", inside) });
        Ok(())
    }

    /// Settles what is open and writes the tags that are owed. How many were written.
    pub(super) async fn pay(&self, inside: &Inside) -> Result<usize, Trouble> {
        let settle = async |subject: Digest| {
            if let Err(trouble) = inside.settle(&subject).await {
                let message = format!("what was left open can't be settled: {trouble}");
                self.printer.finding(&Line { message, ..of_subject("open", inside, &subject) });
            }
        };
        self.each_known(inside, Known::Open, settle).await?;
        let paid = std::cell::Cell::new(0);
        if self.operator.keeps_tags() {
            let pay = async |subject: Digest| {
                let message = match inside.pay(&subject).await {
                    Ok(true) => {
                        paid.set(paid.get() + 1);
                        return;
                    }
                    Ok(false) => "its referrers tag was written, but something sent earlier may still change it: \
                                  run `backref repair` in a while"
                        .to_owned(),
                    Err(trouble) => format!("its referrers tag stays owed: {trouble}"),
                };
                self.printer.finding(&Line { message, ..of_subject("owed", inside, &subject) });
            };
            self.each_known(inside, Known::Owed, pay).await?;
        }
        Ok(paid.get())
    }
}

pub(super) fn of_repository(kind: &'static str, inside: &Inside) -> Line {
    Line { kind, repository: Some(inside.repository().to_string()), ..Line::default() }
}

pub(super) fn of_subject(kind: &'static str, inside: &Inside, subject: &Digest) -> Line {
    Line { subject: Some(subject.to_string()), ..of_repository(kind, inside) }
}
