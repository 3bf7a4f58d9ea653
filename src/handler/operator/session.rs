//! The operator's headers for some repository, with a token that is renewed before it ends.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use tokio::sync::Mutex;

use super::{Operator, Trouble};
use crate::{
    error::Error,
    upstream::{Grant, Refusal, RemoteError, USER_AGENT, headers},
};

/// Who asks.
pub(super) struct Session {
    operator: Arc<Operator>,
    /// What tokens are asked for: the first that is given counts, since some servers give all of a scope or nothing.
    scopes: Vec<String>,
    now: Mutex<Option<Now>>,
}

/// What is sent now.
struct Now {
    headers: HeaderMap,
    until: Option<Instant>,
}

impl Session {
    pub(super) fn new(operator: &Arc<Operator>, scopes: Vec<String>) -> Self {
        Self { operator: operator.clone(), scopes, now: Mutex::new(None) }
    }

    /// Does something in the operator's name. Refused for want of a login, it is done again after one: a token may have
    /// ended sooner than it said, and some registries ask for one only where it matters.
    pub(super) async fn with<T>(&self, work: impl AsyncFn(&HeaderMap) -> Result<T, Error>) -> Result<T, Trouble> {
        let caller = self.caller().await?;
        match work(&caller).await {
            Err(Error::Refused(Refusal::Denied(StatusCode::UNAUTHORIZED, challenge))) => {
                let renewed = self.renewed(&caller, &challenge).await?;
                match renewed {
                    Some(renewed) => Ok(work(&renewed).await?),
                    None => Err(Error::Refused(Refusal::Denied(StatusCode::UNAUTHORIZED, challenge)).into()),
                }
            }
            Err(Error::TagRefused(StatusCode::UNAUTHORIZED)) => match self.renewed(&caller, &HeaderMap::new()).await? {
                Some(renewed) => Ok(work(&renewed).await?),
                None => Err(Error::TagRefused(StatusCode::UNAUTHORIZED).into()),
            },
            done => Ok(done?),
        }
    }

    async fn caller(&self) -> Result<HeaderMap, Trouble> {
        let mut now = self.now.lock().await;
        if let Some(now) = &*now
            && now.until.is_none_or(|until| Instant::now() < until)
        {
            return Ok(now.headers.clone());
        }
        let challenge = self.operator.challenge.get_or_try_init(|| self.challenge()).await?;
        let grant = match challenge {
            Some(challenge) => self.log_in(challenge).await?,
            None => None,
        };
        Ok(self.keep(&mut now, grant))
    }

    /// The headers after another login; `None` where that changes nothing. Others may have done it meanwhile.
    async fn renewed(&self, used: &HeaderMap, challenge: &HeaderMap) -> Result<Option<HeaderMap>, Trouble> {
        let mut now = self.now.lock().await;
        if let Some(now) = now.as_ref().filter(|now| now.headers != *used) {
            return Ok(Some(now.headers.clone()));
        }
        let first = self.operator.challenge.get().and_then(Option::as_ref);
        let challenge = Some(challenge).filter(|challenge| challenge.contains_key(header::WWW_AUTHENTICATE)).or(first);
        let Some(challenge) = challenge else { return Ok(None) };
        match self.log_in(challenge).await? {
            Some(grant) => Ok(Some(self.keep(&mut now, Some(grant))).filter(|headers| headers != used)),
            None => Ok(None),
        }
    }

    fn keep(&self, now: &mut Option<Now>, grant: Option<Grant>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, self.operator.app().upstream_host.clone());
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

    async fn log_in(&self, challenge: &HeaderMap) -> Result<Option<Grant>, RemoteError> {
        let mut scopes = self.scopes.iter().peekable();
        while let Some(scope) = scopes.next() {
            match self.operator.login.log_in(challenge, Some(scope)).await {
                Err(RemoteError::Token { .. }) if scopes.peek().is_some() => {}
                done => return done,
            }
        }
        Ok(None)
    }

    /// What the upstream asks of whoever comes without credentials.
    async fn challenge(&self) -> Result<Option<HeaderMap>, Error> {
        let mut caller = HeaderMap::new();
        caller.insert(header::HOST, self.operator.app().upstream_host.clone());
        let uri = Uri::from_static("/v2/");
        let ask = self.operator.handler.upstream.ask(Method::GET, uri, headers::on_behalf(&caller));
        let answer = tokio::time::timeout(PATIENCE, ask).await.map_err(|_| Error::Incomplete)??;
        Ok((answer.status() == StatusCode::UNAUTHORIZED).then(|| answer.headers().clone()))
    }
}

/// How long the upstream's first word is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
