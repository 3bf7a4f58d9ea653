//! What an upstream can do, repository by repository, as far as was found out and is still believed.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use moka::sync::Cache;

use crate::oci::{MediaType, Repository};

/// What is known of one repository: each thing with the time until which it is believed.
type Known = Arc<Vec<(String, Instant)>>;

/// What is known, by repository. Bounded: what is forgotten here is read from the store again.
pub struct Capabilities {
    known: Cache<Repository, Known>,
    /// Repositories in which the upstream has no referrers API, seen not long ago. In this process alone.
    no_api: Cache<Repository, ()>,
}

/// How many repositories are remembered.
const REPOSITORIES: u64 = 100_000;

/// For how long an upstream isn't asked again for an API that it didn't have.
const NO_API: Duration = Duration::from_mins(10);

impl Default for Capabilities {
    fn default() -> Self {
        let no_api = Cache::builder().max_capacity(REPOSITORIES).time_to_live(NO_API).build();
        Self { known: Cache::new(REPOSITORIES), no_api }
    }
}

impl Capabilities {
    /// Under which name it is kept that an index may not list an index, as Gitea has it.
    pub const NO_INDEX_IN_AN_INDEX: &str = "refuses an index in an index";

    /// Under which name it is kept that the upstream lists referrers itself (distribution-spec 1.1, "Listing Referrers").
    pub const REFERRERS_API: &str = "has the referrers API";

    /// Under which name it is kept that a push is in that list when it is answered (`OCI-Subject`): no referrers tag is
    /// needed.
    pub const LISTS_PUSHES: &str = "lists what is pushed";

    /// Whether the upstream was seen not long ago to have no referrers API.
    pub fn has_no_api(&self, repository: &Repository) -> bool {
        self.no_api.contains_key(repository)
    }

    /// It was seen to have none, or to have it.
    pub fn saw_api(&self, repository: &Repository, has: bool) {
        if has {
            self.no_api.invalidate(repository);
        } else {
            self.no_api.insert(repository.clone(), ());
        }
    }

    /// Under which name it is kept that manifests of a type are refused.
    pub fn refuses(media_type: &MediaType) -> String {
        format!("refuses {}", media_type.as_str())
    }

    /// The media type that such a name is about.
    pub fn refused(what: &str) -> Option<&str> {
        what.strip_prefix("refuses ")
    }

    /// Whether something holds of a repository; `None`: nothing is known of it, and it has to be read.
    pub fn has(&self, repository: &Repository, what: &str) -> Option<bool> {
        let known = self.known.get(repository)?;
        Some(known.iter().any(|(one, until)| one == what && Instant::now() < *until))
    }

    /// Takes what is known of a repository: each thing, and for how long it is believed.
    pub fn know(&self, repository: &Repository, all: impl IntoIterator<Item = (String, Duration)>) {
        let now = Instant::now();
        let until = |remaining| now.checked_add(remaining).unwrap_or(now);
        let known = all.into_iter().map(|(what, remaining)| (what, until(remaining))).collect();
        self.known.insert(repository.clone(), Arc::new(known));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_expire_and_are_kept_for_each_repository() {
        let (one, other) = (Repository::parse("one").unwrap(), Repository::parse("other").unwrap());
        let what = Capabilities::refuses(&MediaType::parse("a/b"));
        let capabilities = Capabilities::default();
        assert_eq!(capabilities.has(&one, &what), None);
        capabilities.know(&one, [(what.clone(), Duration::from_mins(1))]);
        assert_eq!((capabilities.has(&one, &what), capabilities.has(&one, "refuses c/d")), (Some(true), Some(false)));
        assert_eq!(capabilities.has(&other, &what), None);
        capabilities.know(&one, [(what.clone(), Duration::ZERO)]);
        assert_eq!(capabilities.has(&one, &what), Some(false));
        assert_eq!(Capabilities::refused(&what), Some("a/b"));
    }
}
