//! What clients themselves do to a referrers tag, or to an index that was one. Their request goes on as it came, in the
//! subject's turn; what their list names is put on record, and the tag is written again if it lacks anything.

use http::{HeaderMap, Request, Response};

use super::read::Found;
use crate::{
    error::Error,
    handler::{evidence::is_definite, exchange::Hop},
    oci::{Digest, RawManifest, Reference, ReferrersList, ReferrersTag},
    referrers::ManifestKey,
    step::step,
    store::{TagEnd, now_micros},
    upstream::{Body, headers},
};

impl Hop {
    /// Whose list a push replaces: the subject, and what the client says about it.
    pub(in crate::handler) fn list_of(
        &self,
        reference: &Reference,
        raw: &RawManifest,
    ) -> Option<(Digest, ReferrersList)> {
        let Reference::Tag(tag) = reference else { return None };
        let subject = ReferrersTag::parse(tag).filter(|_| self.keeps_tags() && raw.media_type.is_index())?;
        let list = ReferrersList::parse(&raw.bytes, &subject)?;
        Some((subject, list))
    }

    /// Whose list an index is or was not long ago.
    pub(in crate::handler) async fn was_list_of(&self, index: &ManifestKey) -> Result<Option<ManifestKey>, Error> {
        let app = &self.handler.app;
        // What is a referrer itself is deleted as one.
        if !self.keeps_tags() || app.store.look(index).await?.version > 0 {
            return Ok(None);
        }
        let subject = match app.turns.lists.get(index) {
            Some(subject) => Some(subject),
            None => app.store.tagged(index).await?,
        };
        Ok(subject.map(|subject| index.sibling(subject)))
    }

    /// Lets through what a client does to the tag of `subject`, with the list that it says if it does, and has the tag say
    /// again what is on record.
    pub(in crate::handler) async fn absorb(
        &self,
        request: Request<Body>,
        subject: &ManifestKey,
        list: Option<&ReferrersList>,
    ) -> Result<Response<Body>, Error> {
        let store = &self.handler.app.store;
        let caller = headers::on_behalf(request.headers());
        let turn = self.handler.app.turns.of(subject);
        // As long as the upstream itself may be waited for.
        let patience = self.handler.app.config.upstream.answer_timeout;
        let taken = tokio::time::timeout(patience, turn.take()).await.map_err(|_| Error::TagBusy)?;
        self.learn_list(&caller, subject, list).await?;
        step("absorb-learned");
        let until = self.settled_after();
        let began = now_micros();
        // The client's list may lack any of those on record.
        let before = self.begin_tag(subject, until, true).await?;
        step("absorb-begun");
        let answer = self.forward(request).await;
        // What was tried before was tried with another tag.
        self.handler.app.turns.written.invalidate(subject);
        step("absorb-answered");
        let standing = before.unsettled_until.filter(|until| *until > began);
        let unsettled_until = if answer.as_ref().is_ok_and(is_definite) { standing } else { Some(until) };
        store.end_tag(subject, TagEnd { holds: None, unsettled_until, over: true }).await?;
        let answer = answer?;
        step("absorb-settled");

        match self.write(&caller, subject, &turn, taken).await {
            Ok(Some(after)) => after.finish(self, &caller).await,
            Ok(None) => {}
            Err(error) => self.owe(&caller, subject, &error).await,
        }
        Ok(answer)
    }

    /// Puts on record what the tag names, which is about to be gone, and what the client's list names. If that can't be
    /// found out now, nothing is sent: once it was acknowledged, nobody else might know of it.
    async fn learn_list(
        &self,
        caller: &HeaderMap,
        subject: &ManifestKey,
        list: Option<&ReferrersList>,
    ) -> Result<(), Error> {
        let known = self.handler.app.store.tag(subject).await?.and_then(|state| state.tag);
        let found = match self.find(caller, subject, known.as_ref()).await? {
            Found::List(_, found) => Some(found),
            Found::Nothing | Found::Known(_) | Found::Foreign => None,
        };
        for list in found.iter().chain(list) {
            if self.check(caller, subject, list).await?.unclear {
                return Err(Error::Incomplete);
            }
        }
        Ok(())
    }

    /// What the tag holds now is not what is on record, and could not be written.
    async fn owe(&self, caller: &HeaderMap, subject: &ManifestKey, error: &Error) {
        tracing::info!(%error, repository = %subject.repository, subject = %subject.digest, "its referrers tag is owed");
        // Unless what the client wrote names all of it.
        self.handler.app.turns.checked.invalidate(subject);
        if let Err(error) = self.read_tag(caller, subject).await {
            tracing::debug!(%error, "nor read");
        }
    }
}
