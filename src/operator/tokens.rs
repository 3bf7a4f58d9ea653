//! The operator's headers for some repository, with a token that is renewed before it ends.

use std::{sync::Arc, time::Instant};

use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::sync::Mutex;

use super::{connection::Connection, error::OperatorError};
use crate::{
    error::Error,
    upstream::{Grant, Refusal, Registry, USER_AGENT},
};

/// Who asks.
pub struct Tokens {
    connection: Arc<Connection>,
    /// What tokens are asked for.
    scopes: Vec<String>,
    now: Mutex<Option<Now>>,
}

/// What is sent now.
struct Now {
    headers: HeaderMap,
    until: Option<Instant>,
}

impl Tokens {
    /// No token yet. `scopes`: what tokens are asked for; the first that is given counts.
    pub fn new(connection: Arc<Connection>, scopes: Vec<String>) -> Self {
        Self { connection, scopes, now: Mutex::new(None) }
    }

    /// Does something in the operator's name, again where the registry can't answer for the moment.
    pub async fn with<T>(&self, work: impl AsyncFn(&Registry) -> Result<T, Error>) -> Result<T, OperatorError> {
        self.connection.retries.run(async || self.logged_in(&work).await).await
    }

    /// Refused for want of a login, it is done again after one: a token may have ended sooner than it said, and some
    /// registries ask for one only where it matters.
    async fn logged_in<T>(&self, work: impl AsyncFn(&Registry) -> Result<T, Error>) -> Result<T, OperatorError> {
        let headers = self.headers().await?;
        let challenge = match work(&self.connection.registry(&headers)).await {
            Err(Error::Refused(Refusal::Denied(StatusCode::UNAUTHORIZED, challenge))) => challenge,
            Err(Error::TagRefused(StatusCode::UNAUTHORIZED)) => HeaderMap::new(),
            done => return Ok(done?),
        };
        match self.renewed(&headers, &challenge).await? {
            Some(renewed) => Ok(work(&self.connection.registry(&renewed)).await?),
            None => Err(Refusal::Denied(StatusCode::UNAUTHORIZED, challenge).into()),
        }
    }

    async fn headers(&self) -> Result<HeaderMap, OperatorError> {
        let mut now = self.now.lock().await;
        if let Some(now) = &*now
            && now.until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(now.headers.clone());
        }
        let grant = match self.connection.challenge().await? {
            Some(challenge) => self.connection.log_in(challenge, &self.scopes).await?,
            None => None,
        };
        Ok(self.keep(&mut now, grant))
    }

    /// The headers after another login; `None` where that changes nothing. Others may have done it meanwhile.
    async fn renewed(&self, used: &HeaderMap, challenge: &HeaderMap) -> Result<Option<HeaderMap>, OperatorError> {
        let mut now = self.now.lock().await;
        if let Some(now) = now.as_ref().filter(|now| now.headers != *used) {
            return Ok(Some(now.headers.clone()));
        }
        let first = self.connection.known_challenge();
        let challenge = Some(challenge).filter(|challenge| challenge.contains_key(header::WWW_AUTHENTICATE)).or(first);
        let Some(challenge) = challenge else { return Ok(None) };
        match self.connection.log_in(challenge, &self.scopes).await? {
            Some(grant) => Ok(Some(self.keep(&mut now, Some(grant))).filter(|headers| headers != used)),
            None => Ok(None),
        }
    }

    fn keep(&self, now: &mut Option<Now>, grant: Option<Grant>) -> HeaderMap {
        let mut headers = self.connection.headers();
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let mut until = None;
        if let Some(grant) = grant
            && let Ok(mut value) = HeaderValue::from_str(&grant.authorization)
        {
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
            // What begins with it now may go on for a while.
            until = grant.lifetime.and_then(|lifetime| Instant::now().checked_add(lifetime / 2));
        }
        *now = Some(Now { headers: headers.clone(), until });
        headers
    }
}
