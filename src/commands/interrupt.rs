//! The signals that end a command.

use std::{io, time::Duration};

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// How long what is on its way may still take after the first signal.
const GRACE: Duration = Duration::from_millis(500);

/// What the first SIGINT or SIGTERM does; the second ends the process.
#[derive(Default)]
pub(super) struct Interrupt {
    /// Nothing more is begun.
    pub(super) stop: CancellationToken,
    /// A moment later: what is on its way is given up.
    pub(super) give_up: CancellationToken,
}

impl Interrupt {
    /// From now on, in this runtime.
    pub(super) fn listen(&self) -> io::Result<()> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut next = async move || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        let (stop, give_up) = (self.stop.clone(), self.give_up.clone());
        tokio::spawn(async move {
            next().await;
            eprintln!("interrupted: the command ends within a second; a second signal ends it at once");
            stop.cancel();
            tokio::select! {
                () = tokio::time::sleep(GRACE) => give_up.cancel(),
                () = next() => std::process::exit(1),
            }
            next().await;
            std::process::exit(1);
        });
        Ok(())
    }
}
