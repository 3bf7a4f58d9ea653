//! Signals: two that end `serve`, and those that don't.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGTERM and SIGINT.
pub(super) struct EndSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl EndSignals {
    /// From now on, both are waited for and end nothing by themselves.
    pub(super) fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// The next of them.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Keeps the signals that have no meaning here from ending the process: SIGUSR1 and SIGUSR2 do nothing, SIGHUP logs a
/// line.
pub(super) fn outlive_others() -> io::Result<()> {
    // The system's default, to end the process, doesn't come back when these are dropped.
    drop(signal(SignalKind::user_defined1())?);
    drop(signal(SignalKind::user_defined2())?);
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::warn!(
                "SIGHUP: no setting can be changed while backref runs; restart it to use a changed configuration"
            );
        }
    });
    Ok(())
}
