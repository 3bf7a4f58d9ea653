//! `backref serve`: from the configuration to a served registry, until a signal.

use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
};

use tokio::signal::unix::{SignalKind, signal};

use super::{ExitStatus, log_to_stderr};
use crate::{admin, app::App, cli::Serve, config::Config, handler::Handler, server::Server, store::OpenFor};

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
    let app = App::build(config, OpenFor::Serving)?;
    let server = Server::start(&app, &listener)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        announce(&app, &listener, &admin)?;
        // The socket closes with its last holder: the workers, when they stop.
        drop(listener);
        let handler = Handler::new(app.clone());
        tokio::spawn(admin::serve(tokio::net::TcpListener::from_std(admin)?, handler));
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending: requests on their way are finished; a second signal ends at once");
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
