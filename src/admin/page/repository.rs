//! One repository: its images that something refers to, those whose referrers changed last first.

use http::StatusCode;
use maud::html;
use serde::Serialize;

use super::{
    address,
    aside::aside,
    kinds::kind,
    layout::{Frame, ago, digest, escaped, timestamp},
    problem::{no_upstream, problem, unreadable},
    reply::View,
    site::{Parameters, Site},
};
use crate::{
    oci::{Digest, Repository},
    store::{COUNTED, SubjectCursor, SubjectRow},
    words::many,
};

/// How many stand on a page.
const SHOWN: usize = 50;

#[derive(Serialize)]
struct Facts<'a> {
    registry: &'a str,
    repository: &'a str,
    images: Vec<Image>,
    more: bool,
}

#[derive(Serialize)]
struct Image {
    #[serde(serialize_with = "super::tree::as_text")]
    digest: Digest,
    referrers: i64,
    /// There are more than were counted.
    more_referrers: bool,
    types: Vec<Type>,
    #[serde(skip)]
    moment: i64,
    last_change: Option<String>,
    tag_is_stale: bool,
}

#[derive(Serialize)]
struct Type {
    artifact_type: Option<String>,
    referrers: i64,
}

pub(super) async fn view(site: &Site, frame: &Frame, parameters: &Parameters) -> View {
    let Some(upstream) = site.upstream(parameters) else { return no_upstream(frame) };
    let name = parameters.get("name").map_or("", String::as_str);
    let Some(repository) = Repository::parse(name) else {
        return problem(
            frame,
            StatusCode::BAD_REQUEST,
            "No such repository",
            &format!("{name:?} is no name of a repository."),
        );
    };
    let after = cursor(parameters);
    let (store, of, asked) = (site.app.store.clone(), upstream.name.clone(), repository.clone());
    let read = aside(move || async move { store.subjects_by_change(&of, &asked, after.as_ref(), SHOWN + 1).await });
    let mut rows = match read.await {
        Ok(Ok(rows)) => rows,
        Ok(Err(error)) => return unreadable(frame, &error.to_string()),
        Err(why) => return unreadable(frame, &why),
    };
    let more = rows.len() > SHOWN;
    rows.truncate(SHOWN);
    let images: Vec<Image> = rows.into_iter().map(Image::of).collect();
    let next = images.last().filter(|_| more).map(|last| {
        let address = address::repository(site, &upstream.name, name);
        format!("{address}&moment={}&after={}", last.moment, escaped(last.digest.as_str()))
    });
    let shown = html! {
        p class="quiet" { "In the registry " (upstream.name) " at " (upstream.settings.url) ". " a href=(format!("search?q={}", escaped(&format!("{name}:latest")))) { "Look at a tag" } ": write " code { (name) ":TAG" } " into the search." }
        @if images.is_empty() {
            p { "backref's database has no image of this repository that something refers to." }
            p class="hint" { "That does not say that there are none in the registry: " code { "backref backfill " (name) } " reads its tags." }
        } @else {
            table {
                thead { tr { th scope="col" { "Image" } th scope="col" { "What refers to it" } th scope="col" { "Last change" } th scope="col" { "Referrers tag" } } }
                tbody {
                    @for image in &images {
                        tr {
                            td { a href=(address::image(site, &upstream.name, name, &image.digest)) { (digest(&image.digest)) } }
                            td {
                                @if image.referrers == 0 { span class="quiet" { "nothing any more" } }
                                @for one in &image.types {
                                    span class="kind" title=(one.artifact_type.as_deref().unwrap_or("no artifact type")) { (one.shown()) } " "
                                }
                                @if image.more_referrers { "and more" }
                            }
                            td { (ago(image.moment)) }
                            td { @if image.tag_is_stale { span class="warn" { "pending" } } @else { span class="quiet" { "up to date" } } }
                        }
                    }
                }
            }
        }
        nav aria-label="More" class="pager" { @if let Some(next) = next { a rel="next" href=(next) { "Older" } } }
    };
    View::of(frame.page(name, &shown), &Facts { registry: &upstream.name, repository: name, images, more })
}

/// From where on, as [`view`] wrote it into the link.
fn cursor(parameters: &Parameters) -> Option<SubjectCursor> {
    let last_change = parameters.get("moment")?.parse().ok()?;
    Some(SubjectCursor { last_change, subject: Digest::parse(parameters.get("after")?).ok()? })
}

impl Type {
    fn shown(&self) -> String {
        let kind = kind(self.artifact_type.as_deref());
        many(self.referrers, kind, &format!("{kind}s"))
    }
}

impl Image {
    fn of(row: SubjectRow) -> Self {
        let referrers = row.types.iter().map(|(_, count)| count).sum();
        Self {
            digest: row.subject,
            referrers,
            more_referrers: usize::try_from(referrers).is_ok_and(|count| count >= COUNTED),
            types: row.types.into_iter().map(|(artifact_type, referrers)| Type { artifact_type, referrers }).collect(),
            moment: row.last_change,
            last_change: timestamp(row.last_change),
            tag_is_stale: row.is_stale,
        }
    }
}
