//! Any registry, as commands ask it: with the operator's credentials, tokens and all. Not on the request path.

use std::{path::PathBuf, time::Duration};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{self, HeaderMap},
};

use super::challenge::Challenge;
use crate::oci::MANIFEST_ACCEPT;

/// A registry, and who asks it.
pub struct Remote {
    client: Client,
    origin: String,
    credentials: Option<Credentials>,
    /// The `Authorization` that worked last.
    authorization: Option<String>,
}

/// What an operator is known by. Never shown.
struct Credentials {
    user: String,
    secret: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credentials(…)")
    }
}

/// Why a registry can't be asked, or didn't answer.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum RemoteError {
    #[error("Docker's credentials for {registry} cannot be read: {reason}")]
    Credentials { registry: String, reason: String },
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

impl Remote {
    /// The registry at `host[:port]`, with the credentials that Docker's own configuration has for it.
    pub fn new(host: &str, plain_http: bool) -> Result<Self, RemoteError> {
        // Invariant: fails only where another provider was installed before, which is then used.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().timeout(TIMEOUT).user_agent(concat!("backref/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(request_error)?;
        let scheme = if plain_http || is_loopback(host) { "http" } else { "https" };
        let credentials = credentials(host)?;
        Ok(Self { client, origin: format!("{scheme}://{host}"), credentials, authorization: None })
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
        let detail: String = detail.chars().take(300).collect();
        let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
        Err(RemoteError::Status { url, status, detail })
    }

    async fn send(&mut self, url: &str) -> Result<Response, RemoteError> {
        let answer = self.request(url).send().await.map_err(request_error)?;
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        match self.log_in(answer.headers()).await? {
            Some(authorization) => self.authorization = Some(authorization),
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

    /// The `Authorization` that a challenge asks for; `None` where there is nothing to give.
    async fn log_in(&self, headers: &HeaderMap) -> Result<Option<String>, RemoteError> {
        let mut challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        match challenges.find_map(Challenge::parse) {
            Some(Challenge::Basic) => Ok(self.credentials.as_ref().map(Credentials::basic)),
            Some(Challenge::Bearer { realm, parameters }) => {
                let mut request = self.client.get(&realm).query(&parameters);
                if let Some(credentials) = &self.credentials {
                    request = request.header(header::AUTHORIZATION, credentials.basic());
                }
                let token = token(request).await.map_err(|reason| RemoteError::Token { realm, reason })?;
                Ok(Some(format!("Bearer {token}")))
            }
            None => Err(RemoteError::Challenge { registry: self.origin.clone() }),
        }
    }
}

impl Credentials {
    fn basic(&self) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.secret)))
    }
}

/// Asks a token server (distribution's "Token Authentication Specification").
async fn token(request: RequestBuilder) -> Result<String, String> {
    #[derive(serde::Deserialize)]
    struct Grant {
        #[serde(alias = "access_token")]
        token: String,
    }
    let answer = request.send().await.and_then(Response::error_for_status).map_err(|error| error.to_string())?;
    let body = answer.bytes().await.map_err(|error| error.to_string())?;
    serde_json::from_slice::<Grant>(&body).map(|grant| grant.token).map_err(|error| error.to_string())
}

fn credentials(host: &str) -> Result<Option<Credentials>, RemoteError> {
    // Docker Hub is logged in to under its oldest name.
    let key = if matches!(host, "docker.io" | "registry-1.docker.io") { "https://index.docker.io/v1/" } else { host };
    match docker_credential::get_credential(key) {
        Ok(DockerCredential::UsernamePassword(user, secret)) => Ok(Some(Credentials { user, secret })),
        Ok(DockerCredential::IdentityToken(secret)) => Ok(Some(Credentials { user: "<token>".into(), secret })),
        Err(CredentialRetrievalError::ConfigNotFound | CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // The crate says the same of a file that isn't there and of one that can't be read.
        Err(CredentialRetrievalError::ConfigReadError) if !has_docker_config() => Ok(None),
        Err(error) => Err(RemoteError::Credentials { registry: host.to_owned(), reason: error.to_string() }),
    }
}

/// Whether there is a file in which Docker keeps credentials.
fn has_docker_config() -> bool {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(std::env::home_dir()?.join(".docker")));
    folder.is_some_and(|folder| folder.join("config.json").exists())
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
