//! Answers to queries that were given not long ago. Each counts as long as the version of its subject's set of referrers
//! stands, which a query reads before anything else: so it never lacks what was acknowledged before.

use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use moka::sync::Cache;

use crate::{budget::SMALL, dialect::Dialect, oci::Repository, referrers::Query};

/// How many bytes all of them take, about: what stands around each counts for a quarter KiB.
const MOST_BYTES: u64 = 4 << 20;
const AROUND: usize = 256;

/// Answers, by what was asked for.
pub struct Pages(Cache<Asked, Answer>);

/// What was asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Of which upstream.
    pub upstream: Arc<str>,
    /// In which repository.
    pub repository: Repository,
    /// In which API.
    pub dialect: Dialect,
    /// For what, as it was understood: whatever else a client wrote makes no other answer.
    pub query: Query,
}

/// What was answered with 200, without what is the caller's own, and of which version of the set.
type Answer = (i64, Response<Bytes>);

impl Default for Pages {
    fn default() -> Self {
        // Invariant: no answer is kept that is longer than SMALL, and a query is a part of a request's head.
        let weigh = |asked: &Asked, answer: &Answer| {
            u32::try_from(
                answer.1.body().len() + asked.query.artifact_types.iter().map(String::len).sum::<usize>() + AROUND,
            )
            .unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weigh).build())
    }
}

impl Pages {
    /// The answer, if it is of that version.
    pub fn get(&self, asked: &Asked, version: i64) -> Option<Response<Bytes>> {
        self.0.get(asked).filter(|(of, _)| *of == version).map(|(_, answer)| answer)
    }

    /// Keeps one that is small.
    pub fn keep(&self, asked: Asked, version: i64, answer: &Response<Bytes>) {
        if answer.body().len() <= SMALL {
            self.0.insert(asked, (version, answer.clone()));
        }
    }
}
