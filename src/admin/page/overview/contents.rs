//! What there is of one registry: the repositories with most referrers, and what changed last.

use std::time::Instant;

use maud::{Markup, html};
use serde::Serialize;

use crate::{
    admin::page::{
        address,
        counts::Counted,
        layout::{age, ago, digest, timestamp},
        site::Site,
    },
    oci::Digest,
    store::{Change, RepositoryCount},
    upstream::Upstream,
    words::{many, number},
};

/// How many repositories are named.
const NAMED: usize = 10;

#[derive(Default, Serialize)]
pub(super) struct Contents {
    registry: String,
    /// Why there are none yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    repositories: usize,
    subjects: i64,
    referrers: i64,
    #[serde(skip)]
    counted: Option<Instant>,
    most_referrers: Vec<Most>,
    last_changes: Vec<Last>,
}

#[derive(Serialize)]
struct Most {
    repository: String,
    referrers: i64,
    subjects: i64,
}

#[derive(Serialize)]
struct Last {
    repository: String,
    #[serde(serialize_with = "crate::admin::page::tree::as_text")]
    subject: Digest,
    #[serde(skip)]
    moment: i64,
    at: Option<String>,
}

impl Contents {
    pub(super) fn of(upstream: &Upstream, counted: Option<Counted>) -> Self {
        let registry = upstream.name.to_string();
        let none = |hint: String| Self { registry: registry.clone(), hint: Some(hint), ..Self::default() };
        let Some(counted) = counted else { return none("They are being counted.".to_owned()) };
        let counts = match counted.counts {
            Ok(counts) => counts,
            Err(why) => return none(format!("They could not be counted: {why}")),
        };
        let most = |one: &RepositoryCount| Most {
            repository: one.repository.clone(),
            referrers: one.referrers,
            subjects: one.subjects,
        };
        let last = |one: &Change| Last {
            repository: one.repository.clone(),
            subject: one.subject.clone(),
            moment: one.at,
            at: timestamp(one.at),
        };
        Self {
            registry,
            hint: None,
            repositories: counts.all,
            subjects: counts.subjects,
            referrers: counts.referrers,
            counted: Some(counted.at),
            most_referrers: counts.repositories.iter().take(NAMED).map(most).collect(),
            last_changes: counts.newest.iter().map(last).collect(),
        }
    }

    pub(super) fn shown(&self, site: &Site) -> Markup {
        let repositories = i64::try_from(self.repositories).unwrap_or(i64::MAX);
        html! {
            section class="columns" {
                div {
                    h2 { "Repositories " span class="quiet" { (self.registry) } }
                    @if let Some(hint) = &self.hint { p class="hint" { (hint) } }
                    @else {
                        p {
                            (many(repositories, "repository", "repositories")) ", " (many(self.referrers, "referrer", "referrers"))
                            " of " (many(self.subjects, "image", "images"))
                            @if let Some(at) = self.counted { span class="quiet" { ", counted " (age(i64::try_from(at.elapsed().as_secs()).unwrap_or(i64::MAX))) } }
                        }
                    }
                    ol class="rows" {
                        @for one in &self.most_referrers {
                            li {
                                a href=(address::repository(site, &self.registry, &one.repository)) { (one.repository) }
                                span class="quiet" { (number(one.referrers)) }
                            }
                        }
                    }
                    @if self.repositories > self.most_referrers.len() { p { a href="repositories" { "All " (number(repositories)) } } }
                }
                div {
                    h2 { "Last changes" }
                    @if self.last_changes.is_empty() { p class="quiet" { "None yet." } }
                    ol class="rows" {
                        @for one in &self.last_changes {
                            li {
                                a href=(address::image(site, &self.registry, &one.repository, &one.subject)) { (one.repository) " " (digest(&one.subject)) }
                                span class="quiet" { (ago(one.moment)) }
                            }
                        }
                    }
                }
            }
        }
    }
}
