//! The referrers APIs that clients speak: a page in, headers and body out. Pure.

pub mod discover;
mod oci;
mod oras;
mod page;
mod set;
mod working_group;

pub use page::{Page, PageWriter};

use http::{HeaderValue, Response, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::referrers::{Order, Query};

/// An API by which clients ask for referrers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// `/v2/<name>/referrers/<digest>` (distribution-spec 1.1, "Listing Referrers").
    Oci,
    /// `/v2/<name>/_oci/artifacts/referrers?digest=` (reference-types working group, Proposals A and E).
    WorkingGroup,
    /// `/v2/<name>/_oras/artifacts/referrers?digest=` (ORAS artifacts-spec 1.0).
    Oras,
    /// `/oras/artifacts/v1/<name>/manifests/<digest>/referrers` (its alpha).
    OrasAlpha,
}

impl Dialect {
    /// What stands before the list in a body.
    pub fn opening(self) -> &'static str {
        match self {
            Self::Oci | Self::WorkingGroup => oci::OPENING,
            Self::Oras => r#"{"referrers":["#,
            Self::OrasAlpha => r#"{"references":["#,
        }
    }

    /// In which order it lists.
    pub fn order(self) -> Order {
        match self {
            Self::Oci => Order::Arrival,
            Self::WorkingGroup | Self::Oras | Self::OrasAlpha => Order::Newest,
        }
    }

    /// How often a descriptor stands in a body.
    pub fn copies(self) -> usize {
        if self == Self::WorkingGroup { 2 } else { 1 }
    }

    /// The answer with a page. `path` is the one that was asked, for the link to the next page.
    pub fn render(self, page: Page, query: &Query, path: &str) -> Response<Vec<u8>> {
        let mut answer = Response::new(Vec::new());
        if let Some(next) = self.link(&page, query, path) {
            answer.headers_mut().insert(header::LINK, next);
        }
        let filtered = !query.artifact_types.is_empty();
        *answer.body_mut() = page.body;
        match self {
            Self::Oci => oci::close(&mut answer, filtered),
            Self::WorkingGroup => working_group::close(&mut answer, filtered),
            Self::Oras | Self::OrasAlpha => oras::close(&mut answer),
        }
        answer
    }

    /// Relative, since only the client knows by which name it came.
    fn link(self, page: &Page, query: &Query, path: &str) -> Option<HeaderValue> {
        let mut link = format!("<{path}?nextToken={}", page.next.as_ref()?.render());
        if matches!(self, Self::WorkingGroup | Self::Oras) {
            link = format!("{link}&digest={}", query.subject);
        }
        if query.limit != usize::MAX {
            link = format!("{link}&n={}", query.limit);
        }
        for artifact_type in &query.artifact_types {
            link = format!("{link}&artifactType={}", utf8_percent_encode(artifact_type, NON_ALPHANUMERIC));
        }
        link.push_str(">; rel=\"next\"");
        // Invariant: a path that parsed, digests, numbers and what is percent-encoded are visible ASCII.
        HeaderValue::from_str(&link).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn answer(dialect: Dialect, types: &[&str]) -> (String, String) {
        let query = Query {
            subject: Digest::parse("a:b").unwrap(),
            other_form: None,
            artifact_types: types.iter().map(|text| (*text).to_owned()).collect(),
            after: None,
            limit: 2,
            order: dialect.order(),
            originals: true,
            without_subject: true,
        };
        let mut page = PageWriter::new(dialect.opening(), 2, 100);
        assert!(page.push(0, 0, "c:c", r#"{"n":1}"#) && page.push(1, 2, "c:d", r#"{"n":2}"#));
        assert!(!page.push(3, 3, "c:e", "{}"));
        let answer = dialect.render(page.finish(), &query, "/p");
        let headers: Vec<String> =
            answer.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        (headers.join("\n"), String::from_utf8(answer.into_body()).unwrap())
    }

    #[test]
    fn dialect_answers_match_the_recorded_ones() {
        let golden = include_str!("../tests/fixtures/dialects.txt");
        let mut said = String::new();
        for dialect in [Dialect::Oci, Dialect::WorkingGroup, Dialect::Oras, Dialect::OrasAlpha] {
            for types in [&[][..], &["a/b+c"]] {
                let (headers, body) = answer(dialect, types);
                assert!(serde_json::from_str::<serde_json::Value>(&body).is_ok(), "{body}");
                said = format!("{said}# {dialect:?} {types:?}\n{headers}\n\n{body}\n\n");
            }
        }
        assert_eq!(said, golden, "what the dialects say has changed:\n{said}");
    }
}
