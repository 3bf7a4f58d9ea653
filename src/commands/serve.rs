//! `backref serve`: from the configuration to a served registry, until a signal.

mod notified;
mod own_address;
mod page;
mod service;
mod signals;
mod sockets;
mod tokens;

use std::{io::Write, net::TcpListener, process, sync::Arc, time::Duration};

use sd_notify::NotifyState;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::{
    config,
    log::{is_json, log_to_stderr},
    status::ExitStatus,
};
use crate::{
    admin,
    app::App,
    cli::{Output, Serve},
    config::{Config, Shown, Tls},
    server::{self, Acceptor, Options, PlainTcp, Server, TlsTcp, raise_descriptor_limit},
    store::OpenFor,
    tls::{CertificateError, CertificateFiles, Certificates},
    traces::Traces,
};
use notified::notified;
use page::page_options;
use service::RegistryService;
use signals::{EndSignals, outlive_others};
use sockets::Sockets;

pub(super) fn run(args: &Serve) -> ExitStatus {
    let (config, settings) = match Config::load_and_show(args.sources()) {
        Ok(loaded) => loaded,
        Err(mistakes) => return config::say(Output::default(), &mistakes),
    };
    log_to_stderr(&config.log);
    match serve(config, settings) {
        Ok(()) => ExitStatus::Fine,
        Err(error) => {
            eprintln!("backref: {error}");
            ExitStatus::Usage
        }
    }
}

fn serve(config: Config, settings: Vec<Shown>) -> Result<(), Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Tasks and sockets are the runtime's from here on.
    let _entered = runtime.enter();
    outlive_others()?;
    let Sockets { clients: listener, admin } = Sockets::open(config.listen, config.admin.listen)?;
    let here = listener.local_addr()?;
    if let Some(own) = config.upstreams().map(|one| &one.url).find(|url| own_address::leads_to(url, here)) {
        return Err(format!("upstream.url: {own} is where backref itself listens: name the registry behind it").into());
    }
    // One for each worker, one for the admin listener, and one for its page.
    let readers = server::workers(config.workers) + 2;
    let app = App::build(config, OpenFor::Serving, readers)?;
    // Ends last: what the last requests did is sent, too.
    let _traces = Traces::start()?;
    let leaving = CancellationToken::new();
    let options = options(&app, &leaving);
    let (notifications, looking) = notified(&app)?.unzip();
    let page = page_options(&app, here, settings)?;
    let service = || RegistryService::new(app.clone());
    let certificates = certificates(&app)?;
    let server = match &certificates {
        Some((_, transport)) => Server::start(&options, &listener, transport, service)?,
        None => Server::start(&options, &listener, &PlainTcp, service)?,
    };
    runtime.block_on(async {
        let mut end = EndSignals::listen()?;
        announce(&app, &listener, &admin)?;
        tell_manager(NotifyState::Ready);
        // The socket closes with its last holder: the workers, when they stop.
        drop(listener);
        let admin = Acceptor::new("admin", tokio::net::TcpListener::from_std(admin)?, app.repeats.clone());
        if let Some((certificates, _)) = certificates {
            tokio::spawn(certificates.keep_up());
        }
        tokio::spawn(admin::serve(admin, app.clone(), leaving.clone(), notifications, page));
        let looking = async {
            match looking {
                Some(looking) => looking.run().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = end.next() => {}
            () = looking => {}
        }
        tell_manager(NotifyState::Stopping);
        // Not ready first, so that load balancers send no more; then nothing new is taken.
        leaving.cancel();
        wait_for_load_balancers(app.config.limits.drain_delay, &mut end).await;
        tracing::info!("shutting down: draining requests; a second signal stops at once");
        let mut stopping = tokio::task::spawn_blocking(|| server.stop());
        tokio::select! {
            stopped = &mut stopping => stopped?,
            () = end.next() => process::exit(1),
        }
        Ok(())
    })
}

/// The certificate that clients are shown, and how connections are opened with it. `None`: clients come in the clear.
fn certificates(app: &App) -> Result<Option<(Certificates, TlsTcp)>, CertificateError> {
    let Some(Tls { certificate, key, client_ca, subject_header }) = app.config.tls.clone() else { return Ok(None) };
    let files = CertificateFiles { certificate, key, client_ca };
    let certificates = Certificates::load(files, app.metrics.certificate_end())?;
    let transport = TlsTcp { config: certificates.shown(), names_clients: subject_header.is_some() };
    Ok(Some((certificates, transport)))
}

/// What a service manager may want to know (`sd_notify(3)`); it does without where it can't be told.
fn tell_manager(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager could not be told");
    }
}

fn options(app: &Arc<App>, leaving: &CancellationToken) -> Options {
    let limits = &app.config.limits;
    let descriptors = raise_descriptor_limit();
    if let Some(warning) = descriptors.warning(limits.connections) {
        tracing::warn!("{warning}");
    }
    Options {
        workers: app.config.workers,
        connections: descriptors.connections(limits.connections),
        limits: limits.clone(),
        open: app.metrics.connections.clone(),
        repeats: app.repeats.clone(),
        tasks: app.tasks.clone(),
        leaving: leaving.clone(),
        stop: CancellationToken::new(),
    }
}

/// For `delay`, everything goes on, while `/readyz` says that it won't.
async fn wait_for_load_balancers(delay: Duration, end: &mut EndSignals) {
    if delay.is_zero() {
        return;
    }
    tracing::info!("shutting down: not ready any more; new connections are taken for another {delay:?}");
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = end.next() => process::exit(1),
    }
}

/// The one line on standard output: where it listens, what it fronts, which store.
fn announce(app: &App, listener: &TcpListener, admin: &TcpListener) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let scheme = if app.config.tls.is_some() { "https" } else { "http" };
    let (listen, admin) = (format!("{scheme}://{}", listener.local_addr()?), format!("http://{}", admin.local_addr()?));
    let upstreams: Vec<String> = app.upstreams.iter().map(|one| one.settings.url.to_string()).collect();
    let (version, store) = (env!("CARGO_PKG_VERSION"), app.config.store.url.to_string());
    let message = format!(
        "backref {version} listens on {listen} (admin {admin}), upstream {}, store {store}",
        upstreams.join(" ")
    );
    if is_json(app.config.log.format) {
        let line = json!({
            "timestamp": jiff::Timestamp::now().to_string(), "level": "INFO", "message": message, "version": version,
            "listen": listen, "admin": admin, "upstreams": upstreams, "store": store,
        });
        writeln!(out, "{line}")?;
    } else {
        writeln!(out, "{message}")?;
    }
    out.flush()
}
