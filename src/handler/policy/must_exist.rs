//! `subject.must_exist`: what refers to nothing that is there is refused.

use http::{HeaderMap, StatusCode};

use crate::{
    config::RewriteMode,
    error::Error,
    handler::{carrier::recover::Lost, exchange::Hop},
    oci::{ErrorCode, Manifest},
    referrers::ManifestKey,
    upstream::Refusal,
};

impl Hop {
    /// Asks for the subject of a push, in the form that the upstream holds. One that is deleted meanwhile is not
    /// noticed.
    pub(in crate::handler) async fn look_for_subject(
        &self,
        caller: &HeaderMap,
        pushed: &ManifestKey,
        manifest: &Manifest,
    ) -> Result<(), Error> {
        let config = &self.handler.app.config;
        let Some(subject) = manifest.subject.as_ref().filter(|_| config.subject.must_exist) else { return Ok(()) };
        let named = pushed.sibling(subject.digest.clone());
        let alias = self.handler.app.store.alias(&named).await?;
        let held = alias.map_or_else(|| named.clone(), |alias| named.sibling(alias.carrier));
        let (status, _) = self.access(caller).head(&held).await.map_err(|refusal| self.refused(refusal))?;
        if status == StatusCode::OK {
            return Ok(());
        }
        if config.rewrite.mode != RewriteMode::Never
            && let Lost::Found(_) = self.recover(caller, &named).await?
        {
            return Ok(());
        }
        // distribution 2.8 says so of a digest that only a blob has; nobody should of any other.
        if status == StatusCode::INTERNAL_SERVER_ERROR && !self.has_blob(caller, &named).await? {
            return Err(Error::Refused(Refusal::Unclear(status, HeaderMap::new())));
        }
        let message = format!("the subject {} is not in {}: push it first", subject.digest, pushed.repository);
        Err(Error::bad(ErrorCode::ManifestInvalid, message))
    }
}
