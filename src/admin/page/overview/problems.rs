//! What is wrong, and what to do about it.

use std::time::{SystemTime, UNIX_EPOCH};

use maud::{Markup, html};
use serde::Serialize;

use super::health::Health;
use crate::{
    admin::page::{address, layout::digest, samples::Interval, site::Site},
    oci::Digest,
    store::{StaleTag, StoreError},
    upstream::Upstream,
    words::many,
};

/// How many manifests of one problem are named, and looked at.
const NAMED: usize = 10;
const LOOKED_AT: usize = 1000;

/// So many seconds before its end, the certificate is a problem.
const CERTIFICATE: f64 = 14.0 * 86_400.0;

/// Over so many intervals failures are counted, and such a share of the requests is a problem.
const RECENT: usize = 30;
const FAILED: f64 = 0.01;

/// Something that is wrong.
#[derive(Serialize)]
pub(super) struct Problem {
    what: String,
    /// What to do.
    cure: &'static str,
    /// With which manifests: some of them, for who may see them.
    with: Vec<With>,
}

#[derive(Serialize)]
struct With {
    registry: String,
    repository: String,
    #[serde(serialize_with = "crate::admin::page::tree::as_text")]
    digest: Digest,
    why: &'static str,
}

/// All that is wrong, the worst first.
pub(super) async fn all(site: &Site, health: &Health, intervals: &[Interval], sees_all: bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    if let Some(why) = &health.process {
        let cure = "Requests on their way are finished; load balancers send no more.";
        problems.push(Problem::new(format!("backref: {why}"), cure));
    }
    for one in health.registries.iter().filter(|one| !one.is_well) {
        let what = format!("The registry {} does not answer: {}", one.name, one.state);
        problems
            .push(Problem::new(what, "Clients get 502 or 504 until it does. `backref doctor` says what it answers."));
    }
    if !health.database.is_well {
        let what = format!("The database takes no writes: {}", health.database.state);
        problems.push(Problem::new(what, "Pushes of referrers get 503 until it does; everything else goes on."));
    }
    problems.extend(failures(intervals));
    problems.extend(certificate(site.samples.certificate_end()));
    for upstream in site.app.upstreams.iter() {
        let found = pending(site, upstream, sees_all).await.unwrap_or_else(|error| {
            let what = format!("What is pending could not be read: {error}");
            vec![Problem::new(what, "The database is away, or slow: its own log says more.")]
        });
        problems.extend(found);
    }
    problems
}

fn failures(intervals: &[Interval]) -> Option<Problem> {
    let recent = &intervals[intervals.len().saturating_sub(RECENT)..];
    let (requests, failed) = recent.iter().fold((0.0, 0.0), |sum, one| (sum.0 + one.requests, sum.1 + one.failed));
    (failed > FAILED * requests).then(|| {
        let share = 100.0 * failed / requests;
        let what = format!("{share:.1} % of the requests of the last five minutes were answered with 5xx");
        Problem::new(what, "With `log.access = 1` the log has a line for each, with its request id.")
    })
}

/// `end`: in seconds since 1970.
fn certificate(end: Option<f64>) -> Option<Problem> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
    let left = end? - now;
    let what = match left {
        ..0.0 => "The certificate that clients are shown has ended".to_owned(),
        0.0..CERTIFICATE => format!("The certificate that clients are shown ends in {:.0} days", left / 86_400.0),
        _ => return None,
    };
    Some(Problem::new(
        what,
        "Put a new one where tls.certificate and tls.key name the files: it is taken up within 5 seconds.",
    ))
}

/// Referrers tags that nobody is writing, and writes that nobody waits for any more.
async fn pending(site: &Site, upstream: &Upstream, sees_all: bool) -> Result<Vec<Problem>, StoreError> {
    let store = &site.app.store;
    let mut problems = Vec::new();
    let (count, named) = (|count: usize| i64::try_from(count).unwrap_or(i64::MAX), if sees_all { NAMED } else { 0 });
    let registry = || upstream.name.to_string();
    if upstream.keeps_tags() {
        let mut stale = store.stale_tags(&upstream.name, LOOKED_AT).await?;
        let all = count(stale.len());
        stale.retain(|one| !one.is_being_written);
        if !stale.is_empty() {
            let behind = store.pending(&upstream.name).await?.referrers_tags.max(all) - (all - count(stale.len()));
            let what = format!("{} behind the database", many(behind, "referrers tag is", "referrers tags are"));
            let cure = "Clients that read the tag in the registry miss a change. The next push to the image writes the tag, or `backref repair`.";
            let with = stale.into_iter().take(named).map(|one| With {
                registry: registry(),
                why: why_stale(&one),
                repository: one.repository,
                digest: one.subject,
            });
            problems.push(Problem { with: with.collect(), ..Problem::new(what, cure) });
        }
    }
    let mut unresolved = store.unresolved(&upstream.name, LOOKED_AT).await?;
    unresolved.retain(|one| one.is_orphan);
    if !unresolved.is_empty() {
        let what = format!("The outcome of {} is unknown", many(count(unresolved.len()), "write", "writes"));
        let cure = "The next query for the image asks the registry; `backref repair` asks for all of them.";
        let with = unresolved.into_iter().take(named).map(|one| With {
            registry: registry(),
            why: if one.is_delete { "a delete" } else { "a push" },
            repository: one.repository,
            digest: one.digest,
        });
        problems.push(Problem { with: with.collect(), ..Problem::new(what, cure) });
    }
    Ok(problems)
}

fn why_stale(one: &StaleTag) -> &'static str {
    if one.tag.standing().is_some() {
        "a write that was sent earlier may still be carried out"
    } else if one.tag.checked_at.is_none() {
        "never written: whoever pushed may not have been allowed to"
    } else {
        "the last write failed or was refused, or somebody else changed the tag"
    }
}

impl Problem {
    fn new(what: String, cure: &'static str) -> Self {
        Self { what, cure, with: Vec::new() }
    }
}

pub(super) fn shown(site: &Site, problems: &[Problem]) -> Markup {
    html! {
        @if problems.is_empty() { p class="well" { "Nothing is wrong." } }
        @else {
            section aria-label="Problems" {
                @for problem in problems {
                    div class="problem" {
                        strong { (problem.what) }
                        p { (problem.cure) }
                        @if !problem.with.is_empty() {
                            ul {
                                @for one in &problem.with {
                                    li {
                                        a href=(address::image(site, &one.registry, &one.repository, &one.digest)) { (one.repository) " " (digest(&one.digest)) }
                                        ": " (one.why)
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_names_a_certificate_that_ends_and_requests_that_fail() {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let what = |end| certificate(Some(end)).map(|problem| problem.what);
        assert!(what(now - 1.0).unwrap().ends_with("has ended"));
        assert!(what(now + 3.1 * 86_400.0).unwrap().ends_with("ends in 3 days"));
        assert_eq!((what(now + 30.0 * 86_400.0), certificate(None).map(|one| one.what)), (None, None));

        let interval = |requests, failed| Interval { requests, failed, answers: None, queries: None, upstream: None };
        assert!(failures(&[]).is_none() && failures(&[interval(100.0, 1.0)]).is_none());
        let failed = failures(&[interval(100.0, 0.0), interval(100.0, 5.0)]).unwrap();
        assert!(failed.what.starts_with("2.5 % of"), "{}", failed.what);
        // What failed before the last five minutes is over.
        let over: Vec<_> = [interval(1.0, 1.0)].into_iter().chain((0..RECENT).map(|_| interval(1.0, 0.0))).collect();
        assert!(failures(&over).is_none());
    }
}
