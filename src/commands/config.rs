//! `backref config`: the settings, checked or shown with their sources.

use std::io::Write;

use super::{printer::fail, status::ExitStatus};
use crate::{
    cli::{ConfigCommand, Output},
    config::{Config, Mistake, Shown},
};

pub(super) fn run(what: &ConfigCommand) -> ExitStatus {
    let shown = match what {
        ConfigCommand::Check(serve) => {
            Config::load(serve.sources()).map(|_| "the settings are as they should be\n".to_owned())
        }
        ConfigCommand::Show { serve, json } => Config::show(serve.sources()).map(|all| show(&all, *json)),
    };
    match shown {
        Ok(text) => {
            // Nobody may read it any more.
            let _ = std::io::stdout().lock().write_all(text.as_bytes());
            ExitStatus::Fine
        }
        Err(mistakes) => {
            say(Output { json: matches!(what, ConfigCommand::Show { json: true, .. }), ..Output::default() }, &mistakes)
        }
    }
}

/// Says every mistake.
pub(super) fn say(output: Output, mistakes: &[Mistake]) -> ExitStatus {
    for mistake in mistakes {
        fail(output, mistake);
    }
    ExitStatus::Usage
}

fn show(all: &[Shown], json: bool) -> String {
    if json {
        // Invariant: strings serialize without fail.
        return all.iter().map(|one| serde_json::to_string(one).unwrap_or_default() + "\n").collect();
    }
    let width = all.iter().map(|one| one.setting.len()).max().unwrap_or_default();
    let line = |Shown { setting, value, source }: &Shown| {
        let value = value.as_deref().map_or_else(|| "(none)".to_owned(), |value| format!("{value:?}"));
        format!("{setting:width$} = {value}  ({source})\n")
    };
    all.iter().map(line).collect()
}
