//! An index that lists a rewritten artifact manifest by the digest that it was pushed by. The upstream holds no manifest
//! of that digest and refuses; its refusal alone would leave the client at a loss.

use http::{Request, Response, StatusCode, header, request};
use serde_json::{Value, json};

use super::Change;
use crate::{
    error::Error,
    oci::RawManifest,
    referrers::{Alias, Claim, ManifestKey},
    upstream::{Body, short_answer},
};

/// How many of an index's entries are looked at.
const MAX_ENTRIES: usize = 1000;

impl Change<'_> {
    /// Pushes an index.
    pub async fn push_index(
        &mut self,
        head: request::Parts,
        key: &ManifestKey,
        raw: RawManifest,
        claim: Option<Claim>,
    ) -> Result<Response<Body>, Error> {
        let request = Request::from_parts(head, Body::from(raw.bytes.clone()));
        let answer = self.push(request, claim).await?;
        if !matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND) {
            return Ok(answer);
        }
        match self.rewritten_entry(key, &raw).await {
            Some(alias) => Ok(explain(answer, &alias).await),
            None => Ok(answer),
        }
    }

    /// The first entry that names an original whose carrier this caller may see.
    async fn rewritten_entry(&self, key: &ManifestKey, raw: &RawManifest) -> Option<Alias> {
        let entries: Vec<_> = raw.entries().ok()?.into_iter().take(MAX_ENTRIES).collect();
        let alias = self.store.first_original(key, &entries).await.ok()??;
        let head = self.registry.shows(&key.sibling(alias.carrier.clone())).await.ok()?;
        (head.status == StatusCode::OK).then_some(alias)
    }
}

/// The upstream's refusal of an absent entry, with what is to be done about it before what it says.
async fn explain(answer: Response<Body>, alias: &Alias) -> Response<Body> {
    let (mut answer, body) = short_answer(answer).await;
    if let Some(explained) = body.and_then(|body| with_explanation(&body, alias)) {
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        *answer.body_mut() = Body::from(bytes::Bytes::from(explained));
    }
    answer
}

fn with_explanation(body: &[u8], alias: &Alias) -> Option<String> {
    let mut said: Value = serde_json::from_slice(body).ok()?;
    let errors = said.get_mut("errors")?.as_array_mut()?;
    let absent = |code: &&str| matches!(*code, "MANIFEST_BLOB_UNKNOWN" | "MANIFEST_UNKNOWN" | "BLOB_UNKNOWN");
    let code = errors.iter().filter_map(|error| error["code"].as_str()).find(absent)?.to_owned();
    let (original, carrier) = (&alias.original, &alias.carrier);
    let message = format!(
        "the registry holds the artifact manifest {original} as {carrier}: list that one, or refer to {original} as the \
         subject instead"
    );
    errors.insert(0, json!({"code": code, "message": message, "detail": {"digest": original.as_str()}}));
    Some(said.to_string())
}
