//! The first page: what is wrong, then how it goes, then what there is.

mod contents;
mod health;
mod problems;

use maud::{Markup, html};
use serde::Serialize;

use super::{
    chart::{Line, chart, per_second, seconds},
    layout::{Frame, Viewer},
    reply::View,
    samples::Interval,
    site::Site,
};
use contents::Contents;
use health::Health;
use problems::Problem;

#[derive(Serialize)]
struct Facts<'a> {
    version: &'static str,
    commit: &'static str,
    problems: &'a [Problem],
    #[serde(flatten)]
    health: &'a Health,
    #[serde(skip_serializing_if = "Option::is_none")]
    contents: Option<Vec<Contents>>,
}

pub(super) async fn view(site: &Site, frame: &Frame) -> View {
    let sees_all = frame.viewer == Viewer::Operator;
    let intervals = site.samples.intervals();
    let health = Health::of(site, intervals.last(), sees_all).await;
    let problems = problems::all(site, &health, &intervals, sees_all).await;
    let mut contents = Vec::new();
    if sees_all {
        for (counts, upstream) in site.counts.iter().zip(site.app.upstreams.iter()) {
            contents.push(Contents::of(upstream, counts.look().await));
        }
    }
    let shown = html! {
        (problems::shown(site, &problems))
        (health.shown())
        section { h2 { "The last half hour" } (charts(&intervals)) }
        @for one in &contents { (one.shown(site)) }
        @if frame.viewer == Viewer::Guest {
            p class="hint" { a href="login" { "Log in" } " to see repositories, images and settings." }
        } @else if frame.viewer == Viewer::GuestForGood {
            p class="hint" { "Repositories, images and settings are shown to whoever has a token: name a file with one in " code { "admin.token_file" } "." }
        }
    };
    let facts = Facts {
        version: env!("CARGO_PKG_VERSION"),
        commit: env!("BUILD_COMMIT"),
        problems: &problems,
        health: &health,
        contents: sees_all.then_some(contents),
    };
    View::of(frame.page("Overview", &shown), &facts)
}

fn charts(intervals: &[Interval]) -> Markup {
    type Times = fn(&Interval) -> Option<(f64, f64)>;
    let times = |title, of: Times| {
        let line = |name, times: &dyn Fn((f64, f64)) -> f64| Line {
            name,
            values: intervals.iter().map(|one| of(one).map(times)).collect(),
        };
        chart(title, &[line("half within", &|both| both.0), line("99 % within", &|both| both.1)], seconds)
    };
    let rate =
        |name, of: fn(&Interval) -> f64| Line { name, values: intervals.iter().map(|one| Some(of(one))).collect() };
    html! {
        @if intervals.is_empty() {
            p class="quiet" { "The first figures come after twenty seconds." }
        } @else {
            div class="charts" {
                (chart("Requests", &[rate("all", |one| one.requests), rate("5xx", |one| one.failed)], per_second))
                (times("Time to answer", |one| one.answers))
                (times("Referrers queries", |one| one.queries))
                (times("The registry's part", |one| one.upstream))
            }
        }
    }
}
