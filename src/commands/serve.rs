//! `backref serve`: from the configuration to a served registry, until a signal.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
};

use tokio::signal::unix::{SignalKind, signal};

use super::{log::log_to_stderr, status::ExitStatus};
use crate::{
    admin,
    app::App,
    cli::Serve,
    config::Config,
    server::{self, Server},
    store::OpenFor,
};

pub(super) fn run(args: &Serve) -> ExitStatus {
    let config = match Config::load(args.sources()) {
        Ok(config) => config,
        Err(mistakes) => {
            for mistake in mistakes {
                eprintln!("backref: {mistake}");
            }
            return ExitStatus::Usage;
        }
    };
    log_to_stderr(&config.log);
    match serve(config) {
        Ok(()) => ExitStatus::Fine,
        Err(error) => {
            eprintln!("backref: {error}");
            ExitStatus::Usage
        }
    }
}

fn serve(config: Config) -> Result<(), Box<dyn std::error::Error>> {
    let listener = bind("listen", config.listen)?;
    let admin = bind("admin", config.admin)?;
    // One for each worker, and one for the admin listener.
    let readers = server::workers(config.workers) + 1;
    let app = App::build(config, OpenFor::Serving, readers)?;
    let server = Server::start(&app, &listener)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        announce(&app, &listener, &admin)?;
        // The socket closes with its last holder: the workers, when they stop.
        drop(listener);
        tokio::spawn(admin::serve(tokio::net::TcpListener::from_std(admin)?, app.clone()));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("shutting down: draining requests; a second signal ends at once");
        let mut stopping = tokio::task::spawn_blocking(|| server.stop());
        tokio::select! {
            stopped = &mut stopping => stopped?,
            _ = terminate.recv() => std::process::exit(1),
            _ = interrupt.recv() => std::process::exit(1),
        }
        Ok(())
    })
}

fn bind(setting: &str, address: SocketAddr) -> Result<TcpListener, String> {
    let listen = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    listen().map_err(|error: std::io::Error| format!("{setting}: cannot listen on {address}: {error}"))
}

/// The one line on standard output: where it listens, what it fronts, which store.
fn announce(app: &App, listener: &TcpListener, admin: &TcpListener) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(
        out,
        "backref {} listens on http://{} (admin http://{}), upstream {}, store sqlite:{}",
        env!("CARGO_PKG_VERSION"),
        listener.local_addr()?,
        admin.local_addr()?,
        app.config.upstream.url,
        app.config.store.display()
    )?;
    out.flush()
}
