//! How sure it is what refers to an image. None, unknown, behind, and a registry that can't be asked are four things, and each
//! is said as what it is.

use crate::{
    admin::page::{lookup::Manifest, tree::Below},
    store::TagState,
    upstream::Upstream,
    words::many,
};

/// Whether the registry has the image.
pub(super) fn in_the_registry(asked: &Result<Option<Manifest>, String>) -> String {
    match asked {
        Ok(Some(_)) => "there".to_owned(),
        Ok(None) => "not there, or not shown to backref's own credentials".to_owned(),
        Err(why) => format!("could not be asked: {why}"),
    }
}

/// How many refer to the image. Where the database has none, `in_tag` is what the registry's referrers tag names.
pub(super) fn knowledge(below: &Below, in_tag: Option<&Result<Option<usize>, String>>) -> String {
    let Some(in_tag) = in_tag else {
        let missing = below.referrers.iter().filter(|one| one.is_missing).count();
        let more = if below.has_more { " or more" } else { "" };
        let lost = if missing > 0 { format!(", and {missing} that the registry has lost") } else { String::new() };
        return format!("{}{more}{lost}", counted(below.referrers.len() - missing));
    };
    match in_tag {
        Ok(None | Some(0)) => {
            "0 referrers, and the registry has no referrers tag that names any (asked just now)".to_owned()
        }
        Ok(Some(count)) => {
            format!(
                "not read yet: the registry's referrers tag names {}, which are read when a client asks",
                counted(*count)
            )
        }
        Err(why) => {
            format!(
                "unknown: nothing is in the database, and the registry could not be asked for the referrers tag ({why})"
            )
        }
    }
}

/// How many refer to one of the manifests that an image holds.
pub(super) fn of_child(below: &Below) -> String {
    match (below.count(), below.has_more) {
        (0, _) => "no referrer known".to_owned(),
        (count, true) => format!("{} or more", counted(count)),
        (count, false) => counted(count),
    }
}

fn counted(referrers: usize) -> String {
    many(referrers, "referrer", "referrers")
}

/// How the image's referrers tag is.
pub(super) fn referrers_tag(upstream: &Upstream, tag: Option<&TagState>) -> String {
    let text = match tag {
        None => "never read",
        Some(_) if !upstream.keeps_tags() => "not written (referrers.tag = \"off\")",
        Some(tag) if tag.standing().is_some() => "a write that was sent earlier may still be carried out",
        Some(tag) if tag.is_stale() => "pending: it lacks a change; the next push or `backref repair` writes it",
        Some(tag) if tag.index.is_some() => "up to date",
        Some(tag) if tag.version > 0 && upstream.asks_native() => "not needed: the registry's own list has all",
        Some(_) => "there is none",
    };
    text.to_owned()
}
