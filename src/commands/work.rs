//! What commands that go through repositories share: settings, the operator, which repositories, how many at a time, and
//! that a first Ctrl-C ends the work where it can be taken up again.

use std::{cell::Cell, time::Duration};

use futures_util::{StreamExt, stream};
use tokio::sync::Semaphore;

use super::{
    config,
    interrupt::Interrupt,
    log::log_to_stderr,
    printer::{Line, Printer, Unit, fail},
    status::ExitStatus,
};
use crate::{
    app::App,
    cli::{self, Output},
    config::{Config, Log, LogFormat, StoreUrl},
    oci::{Digest, Repository},
    operator::{Operator, OperatorError, RepositorySession},
    store::{OpenFor, Recorded},
};

/// A command at work.
pub(super) struct Work {
    pub(super) operator: Operator,
    pub(super) printer: Printer,
    pub(super) named: Vec<Repository>,
    places: Semaphore,
    jobs: usize,
    interrupt: Interrupt,
}

/// How long tags that are being written when a command is interrupted are waited for.
const LAST_WRITES: Duration = Duration::from_millis(250);

/// Whether a command may make the store that it works on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    MayBeNew,
    HasToBeThere,
}

/// From the arguments to the exit status.
pub(super) fn run(
    args: &cli::Work,
    store: Store,
    work: impl AsyncFnOnce(&Work) -> Result<(), OperatorError>,
) -> ExitStatus {
    let config = match Config::load(args.settings.sources()) {
        Ok(config) => config,
        Err(mistakes) => return config::say(args.output, &mistakes),
    };
    if !config.others.is_empty() {
        let names: Vec<&str> = config.upstreams().map(|one| &*one.name).collect();
        let names = names.join(" or ");
        return fail(
            args.output,
            &format!("several upstreams are configured: name the one that is meant, --upstream {names}"),
        );
    }
    let log =
        Log { filter: filter(&config.log.filter, args.output), format: for_people(config.log.format), access: 0.0 };
    log_to_stderr(&log);
    let mut named = Vec::new();
    for name in &args.repositories {
        let Some(repository) = Repository::parse(name) else {
            let why = format!("{name:?} is no repository: give its name without the registry's and without a tag");
            return fail(args.output, &why);
        };
        named.push(repository);
    }
    if store == Store::HasToBeThere
        && let StoreUrl::Sqlite(path) = &config.store.url
        && !path.exists()
    {
        let path = path.display();
        let why = format!("there is no store {path}: `backref serve` and `backref backfill` make one");
        return fail(args.output, &why);
    }
    at_work(args, config, named, work).unwrap_or_else(|error| fail(args.output, &error))
}

/// Commands say by themselves what `serve` logs.
fn filter(filter: &str, output: Output) -> String {
    match filter {
        "info" if output.verbose => "info,backref=debug".to_owned(),
        "info" => "warn".to_owned(),
        other => other.to_owned(),
    }
}

/// What a command says goes to standard output, for machines with `--json`; what it logs beside is read by people.
fn for_people(format: LogFormat) -> LogFormat {
    if format == LogFormat::Auto { LogFormat::Text } else { format }
}

fn at_work(
    args: &cli::Work,
    mut config: Config,
    named: Vec<Repository>,
    work: impl AsyncFnOnce(&Work) -> Result<(), OperatorError>,
) -> Result<ExitStatus, Box<dyn std::error::Error>> {
    let jobs = usize::from(args.jobs);
    // A list and what it names, for each, of the eighth that one caller may have: a command waits for nobody but itself.
    config.limits.buffered = config.limits.buffered.max(jobs * (64 << 20));
    let app = App::build(config, OpenFor::Command, 1)?;
    let this = Work {
        operator: Operator::new(app.clone())?,
        printer: Printer::new(args.output),
        named,
        places: Semaphore::new(jobs),
        jobs,
        interrupt: Interrupt::default(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        this.interrupt.listen()?;
        let done = work(&this).await;
        // Tags that are still being written; without the end of it they stay pending.
        app.tasks.stop();
        let give_up = async {
            this.interrupt.give_up.cancelled().await;
            tokio::time::sleep(LAST_WRITES).await;
        };
        tokio::select! {
            () = app.tasks.finished() => {}
            () = give_up => {}
        }
        this.printer.end();
        if let Err(error) = done {
            this.printer.finding(&Line { kind: "failed", message: error.to_string(), ..Line::default() });
        }
        if this.is_stopped() {
            let message = "interrupted: run again to continue".to_owned();
            this.printer.finding(&Line { kind: "interrupted", message, ..Line::default() });
        }
        Ok(if this.printer.has_found() { ExitStatus::Finding } else { ExitStatus::Fine })
    })
}

impl Work {
    /// What is done now may be finished, and nothing more is begun.
    pub(super) fn is_stopped(&self) -> bool {
        self.interrupt.stop.is_cancelled() || self.printer.is_closed()
    }

    /// What comes of some work, unless a signal ends the command before.
    pub(super) async fn unless_given_up<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.interrupt.give_up.cancelled() => None,
            done = work => Some(done),
        }
    }

    /// The repositories that the database has, unless some were named.
    pub(super) async fn recorded_repositories(&self) -> Result<Vec<Repository>, OperatorError> {
        if !self.named.is_empty() {
            return Ok(self.named.clone());
        }
        let app = self.operator.app();
        Ok(app.store.repositories(&app.config.upstream.name).await?)
    }

    /// Goes through repositories, a few at a time. What happens in one doesn't end the others. Into how many it looked.
    pub(super) async fn each_repository(
        &self,
        repositories: Vec<Repository>,
        deletes: bool,
        visit: impl AsyncFn(&RepositorySession) -> Result<(), OperatorError>,
    ) -> usize {
        let begun = Cell::new(0);
        let visits = stream::iter(repositories).for_each_concurrent(self.jobs, async |repository| {
            if self.is_stopped() {
                return;
            }
            begun.set(begun.get() + 1);
            let session = self.operator.repository(repository, deletes);
            if let Some(Err(error)) = self.unless_given_up(visit(&session)).await {
                let message = error.to_string();
                self.printer.finding(&Line { message, ..of_repository("unseen-repository", &session) });
            }
        });
        visits.await;
        begun.get()
    }

    /// Does something with each, in all repositories together as many at a time as was asked for.
    async fn each<T>(&self, session: &RepositorySession, unit: Unit, items: Vec<T>, work: impl AsyncFn(T)) {
        self.printer.expect(items.len());
        let working = stream::iter(items).for_each_concurrent(self.jobs, async |item| {
            // Invariant: the semaphore is never closed.
            let _place = self.places.acquire().await;
            if !self.is_stopped() {
                work(item).await;
                self.printer.step(unit, session.repository());
            }
        });
        working.await;
    }

    /// Does something with all digests of a kind that the database has of a repository, piece by piece.
    pub(super) async fn each_recorded(
        &self,
        session: &RepositorySession,
        which: Recorded,
        work: impl AsyncFn(Digest),
    ) -> Result<(), OperatorError> {
        let unit = match which {
            Recorded::Listed | Recorded::Missing => Unit::Referrers,
            Recorded::Subjects | Recorded::Quiet(_) | Recorded::Stale | Recorded::Unresolved => Unit::Images,
        };
        let mut after = None;
        while !self.is_stopped() {
            let piece = session.recorded(which, after.as_ref()).await?;
            let Some(last) = piece.last().cloned() else { break };
            self.each(session, unit, piece, &work).await;
            after = Some(last);
        }
        Ok(())
    }

    /// Does something with what a repository's tags are read as, page by page.
    pub(super) async fn each_tag<T>(
        &self,
        session: &RepositorySession,
        read: impl Fn(Vec<String>) -> Vec<T>,
        work: impl AsyncFn(T),
    ) -> Result<(), OperatorError> {
        let mut pages = session.tags();
        while !self.is_stopped() {
            match session.next_tags(&mut pages).await {
                Ok(Some(names)) => self.each(session, Unit::Tags, read(names), &work).await,
                Ok(None) => break,
                // Of one that it lists itself, it means that there are no tags.
                Err(error) if error.is_not_found() => {
                    if !self.named.is_empty() {
                        let message = "the registry knows no tags of it, or not for these credentials".to_owned();
                        self.printer.finding(&Line { message, ..of_repository("unseen-repository", session) });
                    }
                    break;
                }
                Err(OperatorError::Endless(endless)) => {
                    let message = format!("not all of its tags were looked at: {endless}");
                    self.printer.finding(&Line { message, ..of_repository("unseen-repository", session) });
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Settles unresolved writes and writes the tags that are stale; `written` counts these.
    pub(super) async fn flush(&self, session: &RepositorySession, written: &Cell<usize>) -> Result<(), OperatorError> {
        let settle = async |subject: Digest| {
            if let Err(error) = session.settle(&subject).await {
                let message = format!("an unresolved write can't be resolved: {error}");
                self.printer.finding(&Line { message, ..of_subject("unresolved-write", session, &subject) });
            }
        };
        self.each_recorded(session, Recorded::Unresolved, settle).await?;
        if self.operator.app().upstream.keeps_tags() {
            let flush = async |subject: Digest| {
                let message = match session.flush(&subject).await {
                    Ok(true) => {
                        written.set(written.get() + 1);
                        return;
                    }
                    Ok(false) => "its referrers tag was written, but something sent earlier may still change it: \
                                  run `backref repair` in a while"
                        .to_owned(),
                    Err(error) => format!("its referrers tag stays pending: {error}"),
                };
                self.printer.finding(&Line { message, ..of_subject("pending-tag", session, &subject) });
            };
            self.each_recorded(session, Recorded::Stale, flush).await?;
        }
        Ok(())
    }
}

pub(super) fn of_repository(kind: &'static str, session: &RepositorySession) -> Line {
    Line { kind, repository: Some(session.repository().to_string()), ..Line::default() }
}

pub(super) fn of_subject(kind: &'static str, session: &RepositorySession, subject: &Digest) -> Line {
    Line { subject: Some(subject.to_string()), ..of_repository(kind, session) }
}

pub(super) fn add(count: &Cell<usize>, more: usize) {
    count.set(count.get() + more);
}
