//! Log lines of a command.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Sends them to standard error.
pub(super) fn log_to_stderr(log: &Log) {
    // Invariant: the filter was parsed with the configuration.
    let mut filter = EnvFilter::try_new(&log.filter).unwrap_or_default();
    if log.access > 0.0
        && let Ok(access) = "backref::access=info".parse()
    {
        // A switch of its own, whatever the filter is.
        filter = filter.add_directive(access);
    }
    // A line that standard error doesn't take (a full disk, a closed terminal) is lost: to say so there would panic.
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    if is_json(log.format) {
        builder.json().flatten_event(true).init();
    } else {
        builder.with_ansi(std::io::stderr().is_terminal()).init();
    }
}

/// Whether lines are for machines.
pub(super) fn is_json(format: LogFormat) -> bool {
    match format {
        LogFormat::Auto => !std::io::stderr().is_terminal(),
        LogFormat::Text => false,
        LogFormat::Json => true,
    }
}
