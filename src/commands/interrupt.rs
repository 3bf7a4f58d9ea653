//! The signals that end a command.

use std::{
    io::{self, Write},
    process, thread,
    time::Duration,
};

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
    /// From now on, on a thread of its own: the command's may wait for somebody to read what it says.
    pub(super) fn listen(&self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let entered = runtime.enter();
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        drop(entered);
        let mut next = async move || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        let (stop, give_up) = (self.stop.clone(), self.give_up.clone());
        let listening = move || {
            runtime.block_on(async {
                next().await;
                stop.cancel();
                // Standard error may be closed.
                let _ = writeln!(
                    io::stderr(),
                    "interrupted: the command ends within a second; a second signal ends it at once"
                );
                tokio::select! {
                    () = tokio::time::sleep(GRACE) => give_up.cancel(),
                    () = next() => process::exit(1),
                }
                next().await;
                process::exit(1);
            });
        };
        thread::Builder::new().name("signals".to_owned()).spawn(listening)?;
        Ok(())
    }
}
