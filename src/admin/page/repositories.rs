//! All repositories, those with most referrers first; or those whose name holds a text.

use maud::html;
use serde::Serialize;

use super::{
    address,
    counts::MOST,
    layout::{Frame, ago, escaped, timestamp},
    reply::View,
    site::{Parameters, Site},
};
use crate::store::RepositoryCount;
use crate::words::number;

/// How many stand on a page.
const SHOWN: usize = 100;

#[derive(Serialize)]
struct Facts<'a> {
    search: &'a str,
    found: usize,
    state: &'a str,
    repositories: Vec<Row>,
    more: bool,
}

#[derive(Serialize)]
struct Row {
    registry: String,
    repository: String,
    referrers: i64,
    subjects: i64,
    stale_tags: i64,
    #[serde(skip)]
    moment: i64,
    last_change: Option<String>,
}

pub(super) async fn view(site: &Site, frame: &Frame, parameters: &Parameters) -> View {
    let search = parameters.get("q").map_or("", |text| text.trim());
    let from: usize = parameters.get("from").and_then(|text| text.parse().ok()).unwrap_or(0);
    let (mut rows, mut found, mut state, mut beyond) = (Vec::new(), 0, String::new(), 0);
    for (counts, upstream) in site.counts.iter().zip(site.app.upstreams.iter()) {
        let counted = match counts.look().await.map(|counted| counted.counts) {
            Some(Ok(counted)) => counted,
            Some(Err(why)) => {
                state = format!("The repositories of {} could not be counted: {why}", upstream.name);
                continue;
            }
            None => {
                state = format!(
                    "The repositories of {} are being counted: load this page again in a moment.",
                    upstream.name
                );
                continue;
            }
        };
        beyond += counted.all - counted.repositories.len();
        for one in counted.repositories.iter().filter(|one| one.repository.contains(search)) {
            if (from..=from + SHOWN).contains(&found) {
                rows.push(Row::of(&upstream.name, one));
            }
            found += 1;
        }
    }
    let more = rows.len() > SHOWN;
    rows.truncate(SHOWN);
    let link = |from: usize| format!("repositories?q={}&from={from}", escaped(search));
    let count = |count: usize| number(count);
    let shown = html! {
        form action="repositories" class="filter" {
            label for="filter" { "Names that hold" }
            input id="filter" type="search" name="q" value=(search) autocomplete="off" spellcheck="false";
            button { "Show" }
        }
        @if !state.is_empty() { p class="hint" { (state) } }
        p { (count(found)) " found" @if !search.is_empty() { " with “" bdi { (search) } "”" } "." }
        @if beyond > 0 { p class="hint" { (count(beyond)) " more have fewer referrers than the " (count(MOST)) " that are looked through: give the whole name to the search above." } }
        @if !rows.is_empty() {
            table {
                thead { tr { th scope="col" { "Repository" } th scope="col" class="count" { "Referrers" } th scope="col" class="count" { "Images" } th scope="col" { "Last change" } th scope="col" { "Referrers tags" } } }
                tbody {
                    @for row in &rows {
                        tr {
                            td { a href=(address::repository(site, &row.registry, &row.repository)) { (row.repository) } @if site.app.upstreams.only().is_none() { " " span class="quiet" { (row.registry) } } }
                            td class="count" { (number(row.referrers)) }
                            td class="count" { (number(row.subjects)) }
                            td { (ago(row.moment)) }
                            td { @if row.stale_tags > 0 { span class="warn" { (number(row.stale_tags)) " pending" } } @else { span class="quiet" { "up to date" } } }
                        }
                    }
                }
            }
        }
        nav aria-label="More" class="pager" {
            @if from > 0 { a rel="prev" href=(link(from.saturating_sub(SHOWN))) { "Previous" } }
            @if more { a rel="next" href=(link(from + SHOWN)) { "Next" } }
        }
    };
    View::of(frame.page("Repositories", &shown), &Facts { search, found, state: &state, repositories: rows, more })
}

impl Row {
    fn of(registry: &str, one: &RepositoryCount) -> Self {
        Self {
            registry: registry.to_owned(),
            repository: one.repository.clone(),
            referrers: one.referrers,
            subjects: one.subjects,
            stale_tags: one.stale,
            moment: one.last_change,
            last_change: timestamp(one.last_change),
        }
    }
}
