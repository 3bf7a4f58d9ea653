//! An image as the registry and the database have it.

use std::sync::Arc;

use http::StatusCode;
use serde::Serialize;

use super::knowledge;
use crate::{
    admin::page::{
        aside::aside,
        layout::{Frame, short},
        lookup::Manifest,
        problem::{no_upstream, problem, unreadable},
        reply::View,
        site::{Parameters, Site},
        tree::{Below, Growth},
    },
    oci::{Digest, ReferrersTag, Repository},
    referrers::ManifestKey,
    store::{Store, StoreError, TagState},
    upstream::Upstream,
};

/// What is shown of an image.
#[derive(Serialize)]
pub(super) struct Image {
    pub(super) registry: String,
    pub(super) repository: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tag: Option<String>,
    #[serde(serialize_with = "crate::admin::page::tree::as_text")]
    pub(super) digest: Digest,
    pub(super) in_the_registry: String,
    pub(super) media_type: Option<String>,
    pub(super) size: Option<usize>,
    pub(super) knowledge: String,
    pub(super) referrers_tag: String,
    /// When the referrers tag was read, in microseconds since 1970.
    #[serde(skip)]
    pub(super) tag_read: Option<i64>,
    #[serde(flatten)]
    pub(super) below: Below,
    /// What it holds, where it is an index.
    pub(super) children: Vec<Child>,
    /// It holds more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) more_children: bool,
}

/// A manifest of an index.
#[derive(Serialize)]
pub(super) struct Child {
    #[serde(serialize_with = "crate::admin::page::tree::as_text")]
    pub(super) digest: Digest,
    pub(super) platform: Option<String>,
    #[serde(flatten)]
    pub(super) below: Below,
}

impl Image {
    pub(super) async fn find(site: &Site, frame: &Frame, parameters: &Parameters) -> Result<Self, View> {
        let upstream = site.upstream(parameters).ok_or_else(|| no_upstream(frame))?;
        let wanted =
            Wanted::parse(parameters).map_err(|why| problem(frame, StatusCode::BAD_REQUEST, "No such image", &why))?;
        let asked = ask(site, upstream, &wanted.repository, wanted.reference()).await;
        let digest = wanted.digest(frame, &asked)?;
        let found = asked.as_ref().ok().and_then(Option::as_ref);
        let key = upstream.key(wanted.repository.clone(), digest.clone());
        let children = found.map_or_else(Vec::new, |found| key.siblings(found.digests()));
        let (store, of) = (site.app.store.clone(), key.clone());
        let known = aside(move || async move { Known::read(store, &of, &children).await }).await;
        let known =
            known.map_err(|why| unreadable(frame, &why))?.map_err(|error| unreadable(frame, &error.to_string()))?;
        let in_tag = if known.below.referrers.is_empty() {
            let asked = ask(site, upstream, &key.repository, ReferrersTag::from(&digest).to_string()).await;
            Some(asked.map(|found| found.map(|index| index.entries.len())))
        } else {
            None
        };
        let entries = found.into_iter().flat_map(|found| &found.entries);
        let child = |(entry, below): (&crate::admin::page::lookup::Entry, Below)| Child {
            digest: entry.digest.clone(),
            platform: entry.platform.clone(),
            below,
        };
        Ok(Self {
            registry: upstream.name.to_string(),
            repository: wanted.repository.as_str().to_owned(),
            tag: wanted.tag,
            digest,
            in_the_registry: knowledge::in_the_registry(&asked),
            media_type: found.and_then(|found| found.media_type.clone()),
            size: found.map(|found| found.size),
            knowledge: knowledge::knowledge(&known.below, in_tag.as_ref()),
            referrers_tag: knowledge::referrers_tag(upstream, known.tag.as_ref()),
            tag_read: known.tag.and_then(|tag| tag.checked_at).map(|at| at.0),
            below: known.below,
            children: entries.zip(known.of_children).map(child).collect(),
            more_children: found.is_some_and(|found| found.has_more),
        })
    }

    pub(super) fn title(&self) -> String {
        match &self.tag {
            Some(tag) => format!("{}:{tag}", self.repository),
            None => format!("{}@{}", self.repository, short(&self.digest)),
        }
    }
}

/// Which image somebody wants to see.
struct Wanted {
    repository: Repository,
    digest: Option<Digest>,
    /// Where no digest is given.
    tag: Option<String>,
}

impl Wanted {
    fn parse(parameters: &Parameters) -> Result<Self, String> {
        let text = |key: &str| parameters.get(key).map(String::as_str);
        let name = text("name").unwrap_or_default();
        let repository = Repository::parse(name).ok_or_else(|| format!("{name:?} is no name of a repository."))?;
        let digest = text("digest").map(Digest::parse).transpose().map_err(|error| error.to_string())?;
        let tag = digest.is_none().then(|| text("tag").unwrap_or("latest").to_owned());
        Ok(Self { repository, digest, tag })
    }

    fn reference(&self) -> String {
        self.digest.as_ref().map(Digest::to_string).or_else(|| self.tag.clone()).unwrap_or_default()
    }

    /// The one that is given, or the one that the tag is on.
    fn digest(&self, frame: &Frame, asked: &Result<Option<Manifest>, String>) -> Result<Digest, View> {
        if let Some(digest) = &self.digest {
            return Ok(digest.clone());
        }
        let name = format!("{}:{}", self.repository, self.reference());
        match asked {
            Ok(Some(manifest)) => Ok(manifest.digest.clone()),
            Ok(None) => {
                let why = format!("The registry has no {name}, or doesn't show it to backref's own credentials.");
                Err(problem(frame, StatusCode::NOT_FOUND, "No such tag", &why))
            }
            Err(why) => {
                let why = format!("Which image {name} is, the registry alone knows: {why}");
                Err(problem(frame, StatusCode::BAD_GATEWAY, "The registry could not be asked", &why))
            }
        }
    }
}

/// What the registry says of a manifest.
async fn ask(
    site: &Site,
    upstream: &Arc<Upstream>,
    repository: &Repository,
    reference: String,
) -> Result<Option<Manifest>, String> {
    let (lookup, upstream, repository) = (site.lookup.clone(), upstream.clone(), repository.clone());
    aside(move || async move { lookup.manifest(&upstream, &repository, &reference).await })
        .await
        .and_then(|asked| asked)
}

/// What the database has of an image.
struct Known {
    below: Below,
    /// Of what the image holds, in its order.
    of_children: Vec<Below>,
    tag: Option<TagState>,
}

impl Known {
    async fn read(store: Arc<dyn Store>, key: &ManifestKey, children: &[ManifestKey]) -> Result<Self, StoreError> {
        let tag = store.tag(key).await?;
        let mut growth = Growth::new(store);
        let below = growth.below(key).await?;
        let mut of_children = Vec::with_capacity(children.len());
        for child in children {
            of_children.push(growth.below(child).await?);
        }
        Ok(Self { below, of_children, tag })
    }
}
