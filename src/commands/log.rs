//! Log lines of a command.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt};

use crate::config::{Log, LogFormat};

/// Sends them to standard error.
pub(super) fn log_to_stderr(log: &Log) {
    // Invariant: the filter was parsed with the configuration.
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_default();
    // A line that standard error doesn't take (a full disk, a closed terminal) is lost: to say so there would panic.
    let builder = fmt().with_env_filter(filter).with_writer(std::io::stderr).log_internal_errors(false);
    match log.format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => builder.json().flatten_event(true).init(),
    }
}
