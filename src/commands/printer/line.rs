//! One thing that a command says.

use std::{collections::BTreeMap, fmt};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::printable::Printable;

/// One thing to say.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::commands) struct Line {
    /// What it is, for machines.
    pub(in crate::commands) kind: &'static str,
    /// How it stands with it, in a report of how all stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) status: Option<Health>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) repository: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) tag: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) subject: Option<String>,
    /// Whom it is about, where that is one; stands before the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::commands) referrer: Option<String>,
    /// What it is, for people.
    pub(in crate::commands) message: String,
    /// Whom it is about, where there may be several; the first stand behind the message.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(in crate::commands) referrers: Vec<String>,
    /// How much of what, for machines.
    #[serde(flatten)]
    pub(in crate::commands) counts: BTreeMap<&'static str, usize>,
}

/// How it stands with one thing.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::commands) enum Health {
    /// As it should be.
    Ok,
    /// Less than there could be, and nothing is lost by it.
    Warn,
    /// Somebody has to do something.
    Fail,
}

/// How many referrers people are told on one line.
const NAMED: usize = 3;

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (color, word) = match self {
            Self::Ok => (AnsiColor::Green, "OK"),
            Self::Warn => (AnsiColor::Yellow, "WARN"),
            Self::Fail => (AnsiColor::Red, "FAIL"),
        };
        let style = Style::new().bold().fg_color(Some(color.into()));
        write!(f, "{style}{word}{style:#}{:width$}", "", width = 6 - word.len())
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, repository, tag, subject, referrer, message, referrers, .. } = self;
        if let Some(status) = status {
            write!(f, "{status}")?;
        }
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
        write!(f, "{}", Printable(message))?;
        for (number, referrer) in referrers.iter().take(NAMED).enumerate() {
            write!(f, "{} {referrer}", if number == 0 { ":" } else { "," })?;
        }
        match referrers.len().checked_sub(NAMED) {
            Some(more @ 1..) => write!(f, " and {more} more"),
            _ => Ok(()),
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

    #[test]
    fn printer_line_names_the_first_of_many_referrers() {
        let of = |names: &[&str]| {
            let referrers = names.iter().map(|name| (*name).to_owned()).collect();
            Line { message: "lost".into(), referrers, ..Line::default() }.to_string()
        };
        assert_eq!([of(&[]), of(&["a"]), of(&["a", "b", "c"])], ["lost", "lost: a", "lost: a, b, c"]);
        assert_eq!(of(&["a", "b", "c", "d", "e"]), "lost: a, b, c and 2 more");
    }

    #[test]
    fn printer_line_has_its_status_in_a_column_of_its_own() {
        let of = |status| {
            anstream::adapter::strip_str(
                &Line { status: Some(status), message: "m".into(), ..Line::default() }.to_string(),
            )
            .to_string()
        };
        assert_eq!([Health::Ok, Health::Warn, Health::Fail].map(of), ["OK    m", "WARN  m", "FAIL  m"]);
    }
}
