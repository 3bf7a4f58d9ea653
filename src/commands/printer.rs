//! What commands say: findings on standard output, one a line, for people or as JSON; how far they are on standard error,
//! a bar on a terminal and plain lines elsewhere.

use std::{
    collections::BTreeMap,
    fmt,
    io::{IsTerminal, Write},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::printable::Printable;

/// One thing to say.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Line {
    /// What it is, for machines.
    pub(super) kind: &'static str,
    /// How it stands with it, in a report of how all stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) referrer: Option<String>,
    /// What it is, for people.
    pub(super) message: String,
    /// How much of what, for machines.
    #[serde(flatten)]
    pub(super) counts: BTreeMap<&'static str, usize>,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Health {
    /// As it should be.
    Ok,
    /// Less than there could be, and nothing is lost by it.
    Warn,
    /// Somebody has to do something.
    Fail,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, repository, tag, subject, referrer, message, .. } = self;
        f.write_str(match status {
            None => "",
            Some(Health::Ok) => "OK    ",
            Some(Health::Warn) => "WARN  ",
            Some(Health::Fail) => "FAIL  ",
        })?;
        if let Some(repository) = repository {
            f.write_str(repository)?;
            if let Some(tag) = tag {
                write!(f, ":{}", Printable(tag))?;
            }
            if let Some(subject) = subject {
                write!(f, "@{subject}")?;
            }
            f.write_str(": ")?;
        }
        if let Some(referrer) = referrer {
            write!(f, "{referrer} ")?;
        }
        // What a registry said may be part of it.
        write!(f, "{}", Printable(message))
    }
}

/// Says it.
pub(super) struct Printer {
    json: bool,
    bar: Option<ProgressBar>,
    done: AtomicU64,
    found: AtomicBool,
    /// Nobody reads any more.
    closed: AtomicBool,
}

/// How often a plain line says how far things are.
const EVERY: u64 = 1000;

impl Printer {
    pub(super) fn new(json: bool) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(0);
            // Invariant: the template is one that the crate reads; its own would do as well.
            if let Ok(style) = ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}") {
                bar.set_style(style);
            }
            bar
        });
        Self { json, bar, done: AtomicU64::new(0), found: AtomicBool::new(false), closed: AtomicBool::new(false) }
    }

    /// Something that makes the command end with 1.
    pub(super) fn finding(&self, line: &Line) {
        self.found.store(true, Ordering::Relaxed);
        self.say(line);
    }

    /// Something worth knowing.
    pub(super) fn say(&self, line: &Line) {
        let text = if self.json {
            // Invariant: strings serialize without fail.
            serde_json::to_string(line).unwrap_or_default()
        } else {
            line.to_string()
        };
        let print = || {
            if writeln!(std::io::stdout().lock(), "{text}").is_err() {
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
    pub(super) fn step(&self, place: &dyn fmt::Display) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        match &self.bar {
            Some(bar) => {
                bar.set_message(place.to_string());
                bar.inc(1);
            }
            None if done.is_multiple_of(EVERY) => eprintln!("{done} done, now in {place}"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn printer_line_names_its_place_and_escapes_control_characters() {
        let line = Line {
            kind: "k",
            repository: Some("a".into()),
            subject: Some("sha256:00".into()),
            referrer: Some("sha256:01".into()),
            message: "is gone".into(),
            ..Line::default()
        };
        assert_eq!(line.to_string(), "a@sha256:00: sha256:01 is gone");
        let said = Line { message: "it's \"é\": \u{1b}[2J\r\u{9b}".into(), ..Line::default() };
        assert_eq!(said.to_string(), "it's \"é\": \\u{1b}[2J\\r\\u{9b}");
        let counts = [("n", 1)].into();
        let tagged = Line { counts, repository: Some("a".into()), tag: Some("v\u{1b}".into()), ..Line::default() };
        assert_eq!(tagged.to_string(), "a:v\\u{1b}: ");
        assert_eq!(
            serde_json::to_string(&tagged).unwrap(),
            r#"{"kind":"","repository":"a","tag":"v\u001b","message":"","n":1}"#
        );
    }
}
