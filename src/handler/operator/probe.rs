//! What the upstream says to whoever knocks: asked without credentials.

use http::{HeaderMap, Method, StatusCode, Uri, header};

use super::{Operator, Trouble};
use crate::upstream::headers;

/// What was found out.
pub struct Probe {
    /// The answer to `GET /v2/`.
    pub status: StatusCode,
    /// How it wants to know who asks, as it says it.
    pub challenge: Option<String>,
    /// Docker's configuration has credentials for it.
    pub has_credentials: bool,
}

impl Operator {
    /// Knocks.
    pub async fn probe(&self) -> Result<Probe, Trouble> {
        let mut caller = HeaderMap::new();
        caller.insert(header::HOST, self.app().upstream_host.clone());
        let ask = self.handler.upstream.ask(Method::GET, Uri::from_static("/v2/"), headers::on_behalf(&caller));
        let answer = ask.await.map_err(crate::error::Error::from)?;
        let challenge = answer.headers().get(header::WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
        Ok(Probe {
            status: answer.status(),
            challenge: challenge.map(str::to_owned),
            has_credentials: self.login.has_credentials(),
        })
    }
}
