//! Who an operator is to a registry: the credentials in Docker's own configuration, and the tokens got for them. Not on
//! the request path, which has no credentials.

use std::{path::PathBuf, time::Duration};

use docker_credential::{CredentialRetrievalError, DockerCredential};
use http_body_util::{BodyExt, Limited};
use reqwest::{
    Client, RequestBuilder, Response,
    header::{self, HeaderMap},
};

use super::error::LoginError;
use crate::upstream::challenge::Challenge;

/// Logs in to one registry.
pub struct Login {
    client: Client,
    registry: String,
    /// The registry is asked over TLS, and so is who gives tokens for it.
    tls: bool,
    credentials: Option<Credentials>,
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

/// An `Authorization`, and for how long it is good. Never shown.
pub struct Grant {
    /// The header's value.
    pub authorization: String,
    /// Of a token.
    pub lifetime: Option<Duration>,
}

/// For how long a token is good that doesn't say it (distribution's "Token Authentication Specification").
const TOKEN: u64 = 60;

/// The longest answer of a token server.
const MAX_TOKEN: usize = 1 << 20;

impl Login {
    /// To the registry at `host[:port]`, with the credentials that Docker's own configuration has for it.
    /// `tls`: it is asked over TLS.
    pub fn new(host: &str, tls: bool, client: Client) -> Result<Self, LoginError> {
        Ok(Self { client, registry: host.to_owned(), tls, credentials: credentials(host)? })
    }

    /// Whether Docker's configuration has credentials for the registry.
    pub fn has_credentials(&self) -> bool {
        self.credentials.is_some()
    }

    /// What the headers of a 401 ask for; `None` where there is nothing to give. `scope`: what a token is asked for,
    /// instead of what the challenge says.
    pub async fn log_in(&self, headers: &HeaderMap, scope: Option<&str>) -> Result<Option<Grant>, LoginError> {
        let mut challenges = headers.get_all(header::WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        match challenges.find_map(Challenge::parse) {
            Some(Challenge::Basic) => {
                let basic = self.credentials.as_ref().map(Credentials::basic);
                Ok(basic.map(|authorization| Grant { authorization, lifetime: None }))
            }
            Some(Challenge::Bearer { realm, mut parameters }) => {
                if let Some(scope) = scope {
                    parameters.retain(|(name, _)| name != "scope");
                    parameters.push(("scope".to_owned(), scope.to_owned()));
                }
                let mut request = self.client.get(&realm).query(&parameters);
                if let Some(credentials) = &self.credentials {
                    if self.tls && !is_tls(&realm) {
                        let reason = "the credentials would go unencrypted: its address has to begin with https://";
                        return Err(LoginError::Token { realm, reason: reason.to_owned() });
                    }
                    request = request.basic_auth(&credentials.user, Some(&credentials.secret));
                }
                let (token, lifetime) = token(request, realm).await?;
                Ok(Some(Grant { authorization: format!("Bearer {token}"), lifetime: Some(lifetime) }))
            }
            None => Err(LoginError::Challenge { registry: self.registry.clone() }),
        }
    }
}

impl Credentials {
    fn basic(&self) -> String {
        use base64::{Engine, engine::general_purpose::STANDARD};
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.secret)))
    }
}

fn is_tls(realm: &str) -> bool {
    realm.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"))
}

/// Asks a token server (distribution's "Token Authentication Specification").
async fn token(request: RequestBuilder, realm: String) -> Result<(String, Duration), LoginError> {
    let answer = match request.send().await {
        Ok(answer) if answer.status().is_success() => answer,
        Ok(answer) => return Err(LoginError::Status { realm, status: answer.status() }),
        Err(error) => return Err(LoginError::Token { realm, reason: error.to_string() }),
    };
    token_in(answer).await.map_err(|reason| LoginError::Token { realm, reason })
}

/// The token in what a token server said, and for how long it is good.
async fn token_in(answer: Response) -> Result<(String, Duration), String> {
    #[derive(serde::Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
        expires_in: Option<u64>,
    }
    let body =
        Limited::new(reqwest::Body::from(answer), MAX_TOKEN).collect().await.map_err(|error| error.to_string())?;
    let body = body.to_bytes();
    let answer: Answer = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    let token = answer.token.or(answer.access_token).ok_or("there is no token in the answer")?;
    Ok((token, Duration::from_secs(answer.expires_in.unwrap_or(TOKEN))))
}

fn credentials(host: &str) -> Result<Option<Credentials>, LoginError> {
    // Docker Hub is logged in to under its oldest name.
    let key = if matches!(host, "docker.io" | "registry-1.docker.io") { "https://index.docker.io/v1/" } else { host };
    match docker_credential::get_credential(key) {
        Ok(DockerCredential::UsernamePassword(user, secret)) => Ok(Some(Credentials { user, secret })),
        Ok(DockerCredential::IdentityToken(secret)) => Ok(Some(Credentials { user: "<token>".into(), secret })),
        Err(CredentialRetrievalError::ConfigNotFound | CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // The crate says the same of a file that isn't there and of one that can't be read.
        Err(CredentialRetrievalError::ConfigReadError) if !has_docker_config() => Ok(None),
        Err(error) => Err(LoginError::Credentials { registry: host.to_owned(), reason: error.to_string() }),
    }
}

/// Whether there is a file in which Docker keeps credentials.
fn has_docker_config() -> bool {
    let folder = std::env::var_os("DOCKER_CONFIG").map(PathBuf::from);
    let folder = folder.or_else(|| Some(std::env::home_dir()?.join(".docker")));
    folder.is_some_and(|folder| folder.join("config.json").exists())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn credentials_are_never_sent_unencrypted_where_the_registry_is_asked_over_tls() {
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::new();
        let credentials = Some(Credentials { user: "u".into(), secret: "s".into() });
        let login = Login { client, registry: "r".into(), tls: true, credentials };
        let challenge = header::HeaderValue::from_static("Bearer realm=\"http://127.0.0.1:9/token\"");
        let headers = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, challenge)]);
        let Err(error) = login.log_in(&headers, None).await else { panic!("they were sent") };
        assert!(error.to_string().contains("unencrypted"), "{error}");
        assert!(is_tls("HTTPS://a") && !is_tls("http://a") && !is_tls("ü"));
    }
}
