//! How the registries and the database are, and how much is asked.

use maud::{Markup, html};
use serde::Serialize;

use crate::admin::page::{chart::per_second, layout::bytes, samples::Interval, site::Site};
use crate::words::many;

#[derive(Serialize)]
pub(super) struct Health {
    /// What is wrong with this process, if anything.
    #[serde(skip)]
    pub(super) process: Option<String>,
    pub(super) registries: Vec<Part>,
    pub(super) database: Part,
    database_size_bytes: Option<i64>,
    requests_per_second: f64,
    failed_per_second: f64,
    open_connections: i64,
}

/// A registry, or the database.
#[derive(Serialize)]
pub(super) struct Part {
    pub(super) name: String,
    /// For who may see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    /// That all is well, or what is wrong.
    pub(super) state: String,
    pub(super) is_well: bool,
}

impl Health {
    pub(super) async fn of(site: &Site, last: Option<&Interval>, sees_all: bool) -> Self {
        let parts = site.health.parts().await;
        let upstreams = parts.upstreams.into_iter().zip(site.app.upstreams.iter());
        let registry =
            |((name, outcome), upstream): (
                (String, Result<(), String>),
                &std::sync::Arc<crate::upstream::Upstream>,
            )| { Part::of(name, sees_all.then(|| upstream.settings.url.to_string()), outcome, "answers") };
        let url = sees_all.then(|| site.app.config.store.url.to_string());
        Self {
            process: parts.process.err(),
            registries: upstreams.map(registry).collect(),
            database: Part::of("database".to_owned(), url, parts.store, "takes writes"),
            database_size_bytes: site.app.store.size().await.ok(),
            requests_per_second: last.map_or(0.0, |last| last.requests),
            failed_per_second: last.map_or(0.0, |last| last.failed),
            open_connections: site.app.metrics.connections.get(),
        }
    }

    pub(super) fn shown(&self) -> Markup {
        html! {
            section aria-label="Health" {
                ul class="tiles" {
                    @for one in &self.registries { li { h3 { "Registry " (one.name) } (one.shown()) } }
                    li {
                        h3 { "Database" }
                        (self.database.shown())
                        @if let Some(size) = self.database_size_bytes { p class="quiet" { (bytes(size.unsigned_abs())) } }
                    }
                    li {
                        h3 { "Requests" }
                        p class="figure" { (per_second(self.requests_per_second)) }
                        p class="quiet" { (many(self.open_connections, "open connection", "open connections")) }
                    }
                }
            }
        }
    }
}

impl Part {
    fn of(name: String, url: Option<String>, outcome: Result<(), String>, well: &str) -> Self {
        Self { name, url, is_well: outcome.is_ok(), state: outcome.err().unwrap_or_else(|| well.to_owned()) }
    }

    fn shown(&self) -> Markup {
        html! {
            p { span class=(if self.is_well { "dot well-dot" } else { "dot bad-dot" }) aria-hidden="true" {} (self.state) }
            @if let Some(url) = &self.url { p class="quiet" { (url) } }
        }
    }
}
