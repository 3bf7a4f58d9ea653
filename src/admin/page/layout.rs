//! What all pages have in common, and how things look in them.

use std::time::{SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, html};

use crate::oci::Digest;

/// Whoever looks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Viewer {
    /// May see repositories, images and settings.
    Operator,
    /// Sees health and rates; may log in.
    Guest,
    /// Sees health and rates; nobody may see more.
    GuestForGood,
}

/// What a page has around its content.
pub(super) struct Frame {
    pub(super) viewer: Viewer,
    /// Which page it is, without the slash.
    pub(super) path: String,
    /// What was searched for.
    pub(super) search: String,
    /// The address' query, without the format.
    pub(super) query: String,
}

impl Frame {
    /// A whole page. Its links are relative, so that it works behind a prefix.
    pub(super) fn page(&self, title: &str, content: &Markup) -> Markup {
        let viewer = self.viewer;
        let as_format = |format: &str| match &self.query[..] {
            "" => format!("?format={format}"),
            query => format!("?{query}&format={format}"),
        };
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (title) " · backref" }
                    link rel="icon" href="icon.svg" type="image/svg+xml";
                    link rel="stylesheet" href="style.css";
                    script src="page.js" defer {}
                }
                body {
                    a class="skip" href="#content" { "Skip to the content" }
                    header {
                        a class="brand" href="./" { img src="icon.svg" alt="" width="28" height="28"; "backref" }
                        @if viewer == Viewer::Operator {
                            nav aria-label="Pages" {
                                @for (address, name) in [("./", "Overview"), ("repositories", "Repositories"), ("settings", "Settings")] {
                                    a href=(address) aria-current=[(address.trim_start_matches("./") == self.path).then_some("page")] { (name) }
                                }
                            }
                            form role="search" action="search" {
                                input type="search" name="q" value=(self.search) aria-label="Search by repository, tag or digest" placeholder="repository, name:tag, digest" autocomplete="off" spellcheck="false";
                                button { "Search" }
                            }
                            form method="post" action="logout" { button class="quiet" { "Log out" } }
                        } @else if viewer == Viewer::Guest {
                            nav aria-label="Pages" { a href="login" { "Log in" } }
                        }
                    }
                    main id="content" { h1 { (title) } (content) }
                    footer {
                        "backref " (env!("CARGO_PKG_VERSION")) " · "
                        a href="readyz" { "readyz" } " · " a href="metrics" { "metrics" } " · this page as "
                        a href=(as_format("json")) { "JSON" } " or " a href=(as_format("text")) { "text" }
                    }
                }
            }
        }
    }
}

/// A digest, short, with all of it for who points at it.
pub(super) fn digest(digest: &Digest) -> Markup {
    html! { code title=(digest) { (short(digest)) } }
}

/// The same for who wants to copy it.
pub(super) fn copied(digest: &Digest) -> Markup {
    html! { code title=(digest) data-copy=(digest) { (short(digest)) } }
}

/// Enough of a digest to tell it from others.
pub(super) fn short(digest: &Digest) -> String {
    match digest.as_str().split_once(':') {
        Some((algorithm, hex)) => format!("{algorithm}:{}", hex.get(..12).unwrap_or(hex)),
        None => digest.to_string(),
    }
}

/// A moment, in microseconds since 1970, as how long ago that is.
pub(super) fn ago(moment: i64) -> Markup {
    let Some(exact) = timestamp(moment) else { return html! { "–" } };
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(i64::MAX));
    html! { time datetime=(exact) title=(exact) { (age(now.saturating_sub(moment / 1_000_000))) } }
}

/// A moment, in microseconds since 1970, as RFC 3339 has it, to the second; `None`: there is none.
pub(super) fn timestamp(moment: i64) -> Option<String> {
    let moment = (moment > 0).then_some(moment)?;
    Timestamp::from_second(moment / 1_000_000).ok().map(|exact| exact.to_string())
}

pub(super) fn age(seconds: i64) -> String {
    let of = |count: i64, unit: &str| if count == 1 { format!("1 {unit} ago") } else { format!("{count} {unit}s ago") };
    match seconds {
        ..0 => "in the future".to_owned(),
        0..10 => "just now".to_owned(),
        10..60 => format!("{seconds} s ago"),
        60..3600 => format!("{} min ago", seconds / 60),
        3600..86_400 => of(seconds / 3600, "hour"),
        86_400..5_184_000 => of(seconds / 86_400, "day"),
        5_184_000..63_072_000 => of(seconds / 2_592_000, "month"),
        _ => of(seconds / 31_536_000, "year"),
    }
}

/// A length in bytes.
#[allow(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn bytes(count: u64) -> String {
    match count {
        0..1_024 => format!("{count} B"),
        1_024..1_048_576 => format!("{:.1} KiB", count as f64 / 1_024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", count as f64 / 1_048_576.0),
        _ => format!("{:.1} GiB", count as f64 / 1_073_741_824.0),
    }
}

/// The value of a query's parameter, ready for an address.
pub(super) fn escaped(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// A command to copy.
pub(super) fn command(text: &str) -> Markup {
    html! { pre data-copy=(text) tabindex="0" { code { (text) } } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_says_ages_and_numbers_in_words() {
        assert_eq!(
            [3, 59, 60, 3600, 7200, 86_400 * 3, 86_400 * 70, 86_400 * 800].map(age),
            [
                "just now",
                "59 s ago",
                "1 min ago",
                "1 hour ago",
                "2 hours ago",
                "3 days ago",
                "2 months ago",
                "2 years ago"
            ]
        );
        assert_eq!([5, 1536, 3 << 20, 5 << 30].map(bytes), ["5 B", "1.5 KiB", "3.0 MiB", "5.0 GiB"]);
    }
}
