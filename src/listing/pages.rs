//! Answers to queries that were given not long ago. Each counts as long as the version of its subject's set of referrers
//! stands, which a query reads before anything else: so it never lacks what was acknowledged before.

use bytes::Bytes;
use http::HeaderMap;
use moka::sync::Cache;

use crate::{budget::SMALL, dialect::Dialect, oci::Digest, referrers::ManifestKey};

/// How many bytes all of them take, about: what stands around each counts for a quarter KiB.
const MOST_BYTES: u64 = 4 << 20;
const AROUND: usize = 256;

/// Answers, by what was asked for.
pub struct Pages(Cache<Asked, Answer>);

/// What was asked for.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Whose referrers.
    pub subject: ManifestKey,
    /// The subject's other form.
    pub other_form: Option<Digest>,
    /// In which API.
    pub dialect: Dialect,
    /// The query in the URL, as it was sent.
    pub query: String,
}

/// What was answered with 200.
#[derive(Clone)]
pub struct Answer {
    /// Of which version of the set.
    pub version: i64,
    /// Without what is the caller's own.
    pub headers: HeaderMap,
    /// All of it.
    pub body: Bytes,
}

impl Default for Pages {
    fn default() -> Self {
        // Invariant: no answer is kept that is longer than SMALL, and a query is a part of a request's head.
        let weigh = |asked: &Asked, answer: &Answer| {
            u32::try_from(answer.body.len() + asked.query.len() + AROUND).unwrap_or(u32::MAX)
        };
        Self(Cache::builder().max_capacity(MOST_BYTES).weigher(weigh).build())
    }
}

impl Pages {
    /// The answer, if it is of that version.
    pub fn get(&self, asked: &Asked, version: i64) -> Option<Answer> {
        self.0.get(asked).filter(|answer| answer.version == version)
    }

    /// Keeps one that is small.
    pub fn keep(&self, asked: Asked, answer: Answer) {
        if answer.body.len() <= SMALL {
            self.0.insert(asked, answer);
        }
    }
}
