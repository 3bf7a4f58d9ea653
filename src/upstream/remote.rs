//! Any registry, as commands ask it: with the operator's credentials, tokens and all. Not on the request path.

use std::{path::Path, time::Duration};

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, header};

use super::Login;
use crate::oci::MANIFEST_ACCEPT;

/// A registry, and who asks it.
pub struct Remote {
    client: Client,
    origin: String,
    login: Login,
    /// The `Authorization` that worked last.
    authorization: Option<String>,
}

/// Why a registry can't be asked, or didn't answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RemoteError {
    #[error("Docker's credentials for {registry} cannot be read: {reason}")]
    Credentials { registry: String, reason: String },
    #[error("upstream.ca_file {path}: {reason}")]
    CaFile { path: String, reason: String },
    #[error("{registry} asks for a login that is neither Basic nor Bearer")]
    Challenge { registry: String },
    #[error("no token from {realm}: {reason}")]
    Token { realm: String, reason: String },
    #[error("{0}")]
    Request(String),
    #[error("{url} answered {status}{detail}")]
    Status { url: String, status: StatusCode, detail: String },
}

/// Registries are quick; what takes longer is a connection that is gone.
const TIMEOUT: Duration = Duration::from_mins(1);

/// What commands ask by. `ca_file`: certificate authorities to trust beside the system's.
pub fn client(ca_file: Option<&Path>) -> Result<Client, RemoteError> {
    // Invariant: fails only where another provider was installed before, which is then used.
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut client = Client::builder().timeout(TIMEOUT).user_agent(USER_AGENT);
    if let Some(path) = ca_file {
        let unusable = |reason: String| RemoteError::CaFile { path: path.display().to_string(), reason };
        let pem = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
        let authorities = reqwest::Certificate::from_pem_bundle(&pem).map_err(|error| unusable(error.to_string()))?;
        client = client.tls_certs_merge(authorities);
    }
    client.build().map_err(request_error)
}

/// How commands are known to registries.
pub const USER_AGENT: &str = concat!("backref/", env!("CARGO_PKG_VERSION"));

impl Remote {
    /// The registry at `host[:port]`, with the credentials that Docker's own configuration has for it.
    pub fn new(host: &str, plain_http: bool) -> Result<Self, RemoteError> {
        let client = client(None)?;
        let scheme = if plain_http || is_loopback(host) { "http" } else { "https" };
        let login = Login::new(host, scheme == "https", client.clone())?;
        Ok(Self { client, origin: format!("{scheme}://{host}"), login, authorization: None })
    }

    /// `GET`s a path with everything that a manifest can be among the accepted types; 404 is an answer, other refusals
    /// are errors.
    pub async fn get(&mut self, path: &str) -> Result<Response, RemoteError> {
        let url = format!("{}{path}", self.origin);
        let answer = self.send(&url).await?;
        let status = answer.status();
        if status.is_success() || status == StatusCode::NOT_FOUND {
            return Ok(answer);
        }
        let detail = answer.text().await.unwrap_or_default();
        // A registry's words: no control character of theirs reaches the terminal.
        let detail: String = detail.chars().take(300).flat_map(char::escape_debug).collect();
        let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
        Err(RemoteError::Status { url, status, detail })
    }

    async fn send(&mut self, url: &str) -> Result<Response, RemoteError> {
        let answer = self.request(url).send().await.map_err(request_error)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match self.login.log_in(answer.headers(), None).await? {
            Some(grant) => self.authorization = Some(grant.authorization),
            None => return Ok(answer),
        }
        self.request(url).send().await.map_err(request_error)
    }

    fn request(&self, url: &str) -> RequestBuilder {
        let request = self.client.request(Method::GET, url).header(header::ACCEPT, MANIFEST_ACCEPT);
        match &self.authorization {
            Some(authorization) => request.header(header::AUTHORIZATION, authorization),
            None => request,
        }
    }
}

fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[allow(clippy::needless_pass_by_value, reason = "it is given where an error ends")]
fn request_error(error: reqwest::Error) -> RemoteError {
    use std::error::Error;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    RemoteError::Request(text)
}
