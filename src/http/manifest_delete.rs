//! A manifest DELETE, by digest or by tag.

use http::{Request, Response, StatusCode};

use super::{exchange::Exchange, passthrough};
use crate::{
    app::App,
    carrier::{self, Lost},
    config::OnDelete,
    error::Error,
    oci::{Digest, ReferrersTag, Repository},
    policy,
    referrers::{ManifestKey, RelationTag},
    relations,
    upstream::{Body, Refusal, Registry, manifest_uri},
};

/// Answers `DELETE /v2/<name>/manifests/<digest>`.
pub(super) async fn delete(
    app: &App,
    exchange: Exchange,
    repository: Repository,
    digest: Digest,
) -> Result<Response<Body>, Error> {
    let registry = exchange.registry();
    let mut head = exchange.head;
    let place = app.tasks.place_for_change(registry.holder()).await?;
    let named = registry.upstream().key(repository, digest);
    let key = held_form(app, &registry, &named).await?;
    if key != named {
        head.uri = manifest_uri(&key);
    }
    // With a subject goes the knowledge of its other form: both are read before.
    let cascade = match app.config.subject.on_delete {
        OnDelete::Keep => None,
        OnDelete::Referrers => {
            // What a query would list is to go too.
            drop(Box::pin(app.listing.authorise(&registry, &named)).await);
            Some(app.tags.known_forms(&key).await?)
        }
    };
    let request = move || Request::from_parts(head.clone(), Body::EMPTY);
    let list_of = app.tags.subject_of(&registry, &named).await?;
    let changes = app.changes.clone();
    // A client that leaves changes nothing from here on.
    let deleting = app.tasks.detached(place.clone(), async move {
        let mut change = changes.begin(&registry);
        if let Some(subject) = list_of {
            let answer = change.tags.adopt(&registry, request(), &subject, None).await;
            return change.finish(&place, answer).await;
        }
        let answer = change.delete(request(), &key).await;
        let answer = change.finish(&place, answer).await?;
        let Some(subjects) = cascade else { return Ok(answer) };
        let (answer, comes_last) = policy::is_for_referrers(answer).await;
        if !comes_last && !answer.status().is_success() {
            return Ok(answer);
        }
        let are_gone = policy::delete_referrers(&changes, &registry, subjects, place.clone()).await;
        if !(comes_last && are_gone) {
            return Ok(answer);
        }
        let mut change = changes.begin(&registry);
        let answer = change.delete(request(), &key).await;
        change.finish(&place, answer).await
    });
    deleting.await.ok_or(Error::Bug)?
}

/// The manifest that is to go when `key` is: the carrier, where there is one. A digest that only a blob has is never
/// deleted as a manifest: distribution 2.8 would unlink the blob. The upstream is asked first whatever the database has, so
/// that the number of requests tells nobody whether it has anything. What it says counts for nothing else: a push may come
/// between that and the delete.
async fn held_form(app: &App, registry: &Registry, key: &ManifestKey) -> Result<ManifestKey, Error> {
    let alias = app.store.alias(key).await?;
    let held = alias.map_or_else(|| key.clone(), |alias| key.sibling(alias.carrier));
    if !registry.upstream().rewrites() {
        return Ok(held);
    }
    let seen = app.store.look(key).await?;
    let known = held != *key || seen.version > 0 || seen.contended;
    let status = match registry.shows(&held).await {
        Ok(answer) => answer.status,
        Err(Refusal::Denied(..) | Refusal::Unclear(..)) => return Ok(held),
        Err(refusal) => return Err(refusal.into()),
    };
    if known || status == StatusCode::OK {
        return Ok(held);
    }
    match carrier::recover(registry, &*app.store, key).await? {
        Lost::Found(alias) => Ok(key.sibling(alias.carrier)),
        Lost::Nothing => Ok(held),
        Lost::Original | Lost::Unreadable => Err(Error::absent()),
    }
}

/// Answers `DELETE /v2/<name>/manifests/<tag>`, which distribution 3 knows: of a tag that says who refers to whom, the
/// relation goes with it; a referrers tag comes back with what the rows say.
pub(super) async fn delete_tag(
    app: &App,
    exchange: Exchange,
    repository: Repository,
    tag: Box<str>,
) -> Result<Response<Body>, Error> {
    let upstream = exchange.upstream.clone();
    let list_of = ReferrersTag::parse(&tag).filter(|_| upstream.keeps_tags());
    let relation_of = relations::subject_of(&tag, &upstream.referrers);
    let Some(subject) = list_of.as_ref().or(relation_of.as_ref()) else { return passthrough::pass(exchange).await };
    let subject = upstream.key(repository, subject.clone());
    let registry = exchange.registry();
    let request = Request::from_parts(exchange.head, Body::EMPTY);
    let changes = app.changes.clone();
    // A client that leaves changes nothing from here on.
    let place = app.tasks.place_for_change(registry.holder()).await?;
    let deleting = app.tasks.detached(place.clone(), async move {
        let mut change = changes.begin(&registry);
        let answer = if list_of.is_some() {
            change.tags.adopt(&registry, request, &subject, None).await
        } else {
            let tag = RelationTag { tag, subject: subject.digest.clone() };
            change.untag(request, &subject, &tag).await
        };
        change.finish(&place, answer).await
    });
    deleting.await.ok_or(Error::Bug)?
}
