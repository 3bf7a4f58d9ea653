//! What commands say: findings on standard output, one a line, for people or as JSON; how far they are on standard error,
//! a bar on a terminal and plain lines elsewhere. Colours are for terminals, and for whoever has not set `NO_COLOR`.

mod line;

use std::{
    fmt,
    io::{IsTerminal, Write},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};

use super::status::ExitStatus;
use crate::{cli::Output, printable::Printable, words::number};

pub(super) use line::{Health, Line};

/// Says it.
pub(super) struct Printer {
    output: Output,
    bar: Option<ProgressBar>,
    /// How many of each unit are done.
    done: [AtomicU64; 4],
    found: AtomicBool,
    /// Nobody reads any more.
    closed: AtomicBool,
}

/// What a command goes through.
#[derive(Clone, Copy)]
pub(super) enum Unit {
    Tags,
    Images,
    Referrers,
    Rows,
}

/// How often a plain line says how far things are.
const EVERY: u64 = 1000;

impl Printer {
    pub(super) fn new(output: Output) -> Self {
        let bar = (!output.quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(0);
            // Invariant: the template is one that the crate reads; its own would do as well.
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { output, bar, done: Default::default(), found: AtomicBool::new(false), closed: AtomicBool::new(false) }
    }

    /// Something that makes the command end with 1.
    pub(super) fn finding(&self, line: &Line) {
        self.found.store(true, Ordering::Relaxed);
        self.print(line);
    }

    /// Something worth knowing, unless only findings are.
    pub(super) fn say(&self, line: &Line) {
        if !self.output.quiet {
            self.print(line);
        }
    }

    fn print(&self, line: &Line) {
        let print = || {
            // What isn't for a terminal loses its colours on the way.
            let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
            let printed = if self.output.json {
                // Invariant: strings serialize without fail.
                writeln!(out, "{}", serde_json::to_string(line).unwrap_or_default())
            } else {
                writeln!(out, "{line}")
            };
            if printed.is_err() {
                self.closed.store(true, Ordering::Relaxed);
            }
        };
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// So much more is to be done.
    pub(super) fn expect(&self, more: usize) {
        if let Some(bar) = &self.bar {
            bar.inc_length(more as u64);
        }
    }

    /// One more is done, somewhere.
    pub(super) fn step(&self, unit: Unit, place: &dyn fmt::Display) {
        let done = self.done[unit as usize].fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) => {
                bar.set_message(far(done, unit, place));
                bar.inc(1);
            }
            None if !self.output.quiet && done.is_multiple_of(EVERY) => eprintln!("{}", far(done, unit, place)),
            None => {}
        }
    }

    /// Whether anything was found.
    pub(super) fn has_found(&self) -> bool {
        self.found.load(Ordering::Relaxed)
    }

    /// Whether nobody reads what is said: then nobody waits for it either.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The bar goes.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// How far things are.
fn far(done: u64, unit: Unit, place: &dyn fmt::Display) -> String {
    let unit = match unit {
        Unit::Tags => "tags",
        Unit::Images => "images",
        Unit::Referrers => "referrers",
        Unit::Rows => "rows",
    };
    format!("{} {unit} done, now in {place}", number(done))
}

/// Says why a command could not begin: on standard error, or to who reads JSON.
pub(super) fn fail(output: Output, error: &dyn fmt::Display) -> ExitStatus {
    let message = error.to_string();
    if output.json {
        Printer::new(output).finding(&Line { kind: "error", message, ..Line::default() });
    } else {
        // A registry's words may be part of it.
        eprintln!("backref: {}", Printable(&message));
    }
    ExitStatus::Usage
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printer_says_what_is_counted() {
        assert_eq!(far(2000, Unit::Tags, &"team/api"), "2,000 tags done, now in team/api");
    }
}
