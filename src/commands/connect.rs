//! A connection to a registry that is named on the command line, with the credentials that Docker's own configuration has.

use std::{net::IpAddr, path::Path, sync::Arc};

use crate::{
    app,
    config::{Config, Sources},
    operator::Connection,
    upstream::{ConnectorError, LoginError},
};

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConnectError {
    #[error("{0}")]
    Config(String),
    #[error(transparent)]
    Tls(#[from] ConnectorError),
    #[error(transparent)]
    Login(#[from] LoginError),
}

/// How it is to be reached.
pub(super) struct Way<'a> {
    /// Where it is given; otherwise http for loopback addresses, https elsewhere.
    pub(super) scheme: Option<&'a str>,
    pub(super) host: &'a str,
    pub(super) plain_http: bool,
    pub(super) ca_file: Option<&'a Path>,
}

/// The scheme where one is given, the host, and what stands behind it: `[http://]HOST[:PORT]/REST`.
pub(super) fn split(text: &str) -> Option<(Option<&str>, &str, &str)> {
    let (scheme, rest) = match text.split_once("://") {
        Some((scheme @ ("http" | "https"), rest)) => (Some(scheme), rest),
        Some(_) => return None,
        None => (None, text),
    };
    let (host, rest) = rest.split_once('/').filter(|(host, _)| !host.is_empty())?;
    Some((scheme, host, rest))
}

/// Asks nothing yet.
pub(super) fn connect(way: &Way<'_>) -> Result<Arc<Connection>, ConnectError> {
    let is_plain = way.plain_http || (is_loopback(way.host) && way.ca_file.is_none());
    let scheme = way.scheme.unwrap_or(if is_plain { "http" } else { "https" });
    let mut sources = Sources::default();
    sources.flag("HOST", "upstream.url", Some(&format!("{scheme}://{}", way.host)));
    let ca_file = way.ca_file.map(Path::to_string_lossy);
    sources.flag("--ca-file", "upstream.ca_file", ca_file.as_deref());
    let config = Config::load(sources).map_err(|mistakes| {
        ConnectError::Config(mistakes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    })?;
    Ok(Arc::new(Connection::new(Arc::new(app::upstream(&config)?))?))
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
