//! A registry, and what the operator is known by there.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, Method, StatusCode, Uri, header};
use tokio::sync::OnceCell;

use super::retries::{Retries, is_momentary};
use crate::{
    error::Error,
    oci::header::media_type,
    upstream::{Body, Caller, Grant, Login, LoginError, Refusal, Registry, Upstream, token_client},
};

/// A registry, and the operator's login to it.
pub struct Connection {
    upstream: Arc<Upstream>,
    login: Login,
    /// What the registry asks of whoever is not known to it, if anything.
    challenge: OnceCell<Option<HeaderMap>>,
    pub(super) retries: Retries,
}

/// The answer to `GET /v2/` without credentials.
pub struct Greeting {
    /// Its status.
    pub status: StatusCode,
    /// It is a page for people.
    pub is_html: bool,
    /// How the registry wants to know who asks, as it says it: whichever the client prefers.
    pub challenges: Vec<String>,
    /// Docker's configuration has credentials for it.
    pub has_credentials: bool,
}

/// How long the registry's first word is waited for.
const PATIENCE: Duration = Duration::from_mins(1);

impl Connection {
    /// Reads the credentials; asks nothing yet.
    pub fn new(upstream: Arc<Upstream>) -> Result<Self, LoginError> {
        let url = &upstream.settings.url;
        let tls = url.scheme == http::uri::Scheme::HTTPS;
        let login = Login::new(url.authority.as_str(), tls, token_client(&upstream.settings)?)?;
        Ok(Self { upstream, login, challenge: OnceCell::new(), retries: Retries::default() })
    }

    /// The registry, for requests with these headers.
    pub(super) fn registry(&self, headers: &HeaderMap) -> Registry {
        Registry::new(self.upstream.clone(), Caller::operator(headers, self.upstream.host.clone()))
    }

    /// The registry's `Host` header.
    pub(super) fn headers(&self) -> HeaderMap {
        HeaderMap::from_iter([(header::HOST, self.upstream.host.clone())])
    }

    /// Asks who it is without credentials.
    pub async fn greet(&self) -> Result<Greeting, Error> {
        let (status, headers) = self.knock().await?;
        let is_html = media_type(&headers).is_some_and(|kind| kind.as_str() == "text/html");
        let challenges = headers.get_all(header::WWW_AUTHENTICATE).iter();
        let challenges = challenges.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect();
        Ok(Greeting { status, is_html, challenges, has_credentials: self.login.has_credentials() })
    }

    async fn knock(&self) -> Result<(StatusCode, HeaderMap), Error> {
        let registry = self.registry(&self.headers());
        let ask = registry.send(Method::GET, Uri::from_static("/v2/"), None, Body::EMPTY);
        let answer = tokio::time::timeout(PATIENCE, ask).await.map_err(|_| Error::Incomplete)??;
        Ok((answer.status(), answer.headers().clone()))
    }

    /// What the registry asks of whoever comes without credentials; asked once.
    pub(super) async fn challenge(&self) -> Result<Option<&HeaderMap>, Error> {
        let ask = || async {
            let (status, headers) = self.knock().await?;
            if is_momentary(status) {
                return Err(Refusal::of(status, &headers).into());
            }
            Ok::<_, Error>((status == StatusCode::UNAUTHORIZED).then_some(headers))
        };
        Ok(self.challenge.get_or_try_init(ask).await?.as_ref())
    }

    /// The same, as far as it is known.
    pub(super) fn known_challenge(&self) -> Option<&HeaderMap> {
        self.challenge.get().and_then(Option::as_ref)
    }

    /// Logs in, with a token for the first of these scopes that is given: some servers give all of a scope or nothing.
    pub(super) async fn log_in(&self, challenge: &HeaderMap, scopes: &[String]) -> Result<Option<Grant>, LoginError> {
        let mut scopes = scopes.iter().peekable();
        while let Some(scope) = scopes.next() {
            match self.login.log_in(challenge, Some(scope)).await {
                Err(LoginError::Status { status, .. }) if !is_momentary(status) && scopes.peek().is_some() => {}
                Err(LoginError::Token { .. }) if scopes.peek().is_some() => {}
                done => return done,
            }
        }
        Ok(None)
    }
}
