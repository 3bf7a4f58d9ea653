//! Finds what was asked for: an image by digest, by the beginning of one, or by tag; otherwise repositories by name.

use http::StatusCode;
use maud::html;
use serde::Serialize;

use super::{
    address,
    aside::aside,
    image,
    layout::{Frame, digest},
    problem::{problem, unreadable},
    reply::View,
    repositories, repository,
    site::{Parameters, Site},
};
use crate::{
    oci::{Digest, Repository},
    store::Found,
};

/// How many are shown.
const SHOWN: usize = 50;

/// How much of a digest is enough to look for it.
const ENOUGH: usize = 4;

#[derive(Serialize)]
struct Facts<'a> {
    search: &'a str,
    found: Vec<One>,
}

#[derive(Serialize)]
struct One {
    registry: String,
    repository: String,
    #[serde(serialize_with = "super::tree::as_text")]
    digest: Digest,
}

pub(super) async fn view(site: &Site, frame: &Frame, parameters: &Parameters) -> View {
    let text = parameters.get("q").map_or("", |text| text.trim());
    // As it stands in front of a pull: the page knows where the registry is.
    let text = text.strip_prefix(&format!("{}/", site.address)).unwrap_or(text);
    match Wanted::parse(text) {
        Wanted::Image { repository, key, value } => {
            let parameters = Parameters::from([("name".to_owned(), repository), (key.to_owned(), value)]);
            image::view(site, frame, &parameters).await
        }
        Wanted::Digest(prefix) => by_digest(site, frame, text, &prefix).await,
        Wanted::Name => {
            let is_known = Repository::parse(text).is_some() && any_of(site, text).await;
            let parameters =
                Parameters::from([("q".to_owned(), text.to_owned()), ("name".to_owned(), text.to_owned())]);
            if is_known {
                return repository::view(site, frame, &parameters).await;
            }
            repositories::view(site, frame, &parameters).await
        }
    }
}

/// Whether that is a repository's whole name, of the registry that is the only one.
async fn any_of(site: &Site, name: &str) -> bool {
    let (Some(upstream), Some(repository)) = (site.app.upstreams.only(), Repository::parse(name)) else { return false };
    let (store, of) = (site.app.store.clone(), upstream.name.clone());
    let read = aside(move || async move { store.subjects_by_change(&of, &repository, None, 1).await });
    matches!(read.await, Ok(Ok(rows)) if !rows.is_empty())
}

/// What somebody looks for.
#[derive(Debug, PartialEq)]
enum Wanted {
    /// `key` is `tag` or `digest`.
    Image {
        repository: String,
        key: &'static str,
        value: String,
    },
    /// The beginning of a digest, with its algorithm.
    Digest(String),
    Name,
}

impl Wanted {
    fn parse(text: &str) -> Self {
        let image = |repository: &str, key, value: &str| {
            Repository::parse(repository).map(|_| Self::Image {
                repository: repository.to_owned(),
                key,
                value: value.to_owned(),
            })
        };
        if let Some((repository, digest)) = text.split_once('@') {
            return image(repository.rsplit_once(':').map_or(repository, |(name, _)| name), "digest", digest)
                .unwrap_or(Self::Name);
        }
        let is_hex = |text: &str| text.len() >= ENOUGH && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if let Some((algorithm, hex)) =
            text.split_once(':').filter(|(algorithm, _)| matches!(*algorithm, "sha256" | "sha512"))
        {
            return if is_hex(hex) {
                Self::Digest(format!("{algorithm}:{}", hex.to_ascii_lowercase()))
            } else {
                Self::Name
            };
        }
        if let Some((repository, tag)) = text.rsplit_once(':').filter(|(_, tag)| !tag.contains('/')) {
            return image(repository, "tag", tag).unwrap_or(Self::Name);
        }
        if text.len() >= 8 && is_hex(text) {
            Self::Digest(format!("sha256:{}", text.to_ascii_lowercase()))
        } else {
            Self::Name
        }
    }
}

async fn by_digest(site: &Site, frame: &Frame, text: &str, prefix: &str) -> View {
    let mut found = Vec::new();
    for upstream in site.app.upstreams.iter() {
        let (store, name, prefix) = (site.app.store.clone(), upstream.name.clone(), prefix.to_owned());
        let read = match aside(move || async move { store.find(&name, &prefix, SHOWN).await }).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return unreadable(frame, &error.to_string()),
            Err(why) => return unreadable(frame, &why),
        };
        let one = |found: Found| One {
            registry: upstream.name.to_string(),
            repository: found.repository,
            digest: found.digest,
        };
        found.extend(read.into_iter().map(one));
    }
    if found.is_empty() {
        let why = format!(
            "backref's database has no manifest whose digest begins with {text}. To look at one in the registry, write NAME@DIGEST."
        );
        return problem(frame, StatusCode::NOT_FOUND, "Nothing found", &why);
    }
    let shown = html! {
        ul class="rows" {
            @for one in &found {
                li { a href=(address::image(site, &one.registry, &one.repository, &one.digest)) { (one.repository) " " (digest(&one.digest)) } @if site.app.upstreams.only().is_none() { span class="quiet" { (one.registry) } } }
            }
        }
        @if found.len() >= SHOWN { p class="quiet" { "There may be more: give more of the digest." } }
    };
    View::of(frame.page("Found", &shown), &Facts { search: text, found })
}

#[cfg(test)]
mod tests {
    use super::Wanted;

    #[test]
    fn page_search_tells_tags_digests_and_names_apart() {
        let image = |repository: &str, key, value: &str| Wanted::Image {
            repository: repository.to_owned(),
            key,
            value: value.to_owned(),
        };
        for (text, wanted) in [
            ("library/alpine:3.20", image("library/alpine", "tag", "3.20")),
            ("app@sha256:ab", image("app", "digest", "sha256:ab")),
            ("app:v1@sha256:ab", image("app", "digest", "sha256:ab")),
            ("sha256:ABCD", Wanted::Digest("sha256:abcd".to_owned())),
            ("deadbeef", Wanted::Digest("sha256:deadbeef".to_owned())),
            ("sha256:xyz", Wanted::Name),
            ("cafe", Wanted::Name),
            ("team/app", Wanted::Name),
            ("", Wanted::Name),
        ] {
            assert_eq!(Wanted::parse(text), wanted, "{text:?}");
        }
    }
}
