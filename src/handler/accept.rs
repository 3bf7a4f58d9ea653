//! What a client accepts: all its `Accept` lines are one list (RFC 9110, 5.3 and 12.5.1).

use http::{HeaderMap, header};

use crate::oci::MediaType;

/// The accepted media types, without parameters and without those that are excluded (`q=0`).
pub(super) struct Accept(Vec<String>);

impl Accept {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let types = lines.flat_map(|line| line.split(',')).filter_map(|entry| {
            let mut parts = entry.split(';').map(str::trim);
            let media_type = parts.next().filter(|text| !text.is_empty())?;
            let excluded = parts.any(|part| matches!(part, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
            (!excluded).then(|| media_type.to_owned())
        });
        Self(types.collect())
    }

    /// By its own name: distribution expands no wildcard.
    pub(super) fn names(&self, media_type: &str) -> bool {
        self.0.iter().any(|named| named == media_type)
    }

    /// By its name, a wildcard, or since nothing is said about it.
    pub(super) fn takes(&self, media_type: &str) -> bool {
        self.0.is_empty() || self.names(media_type) || self.names("*/*") || self.names("application/*")
    }

    pub(super) fn names_an_artifact(&self) -> bool {
        self.0.iter().any(|named| MediaType::parse(named).is_artifact())
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accept(lines: &[&'static str]) -> Accept {
        Accept::of(&lines.iter().map(|line| (header::ACCEPT, HeaderValue::from_static(line))).collect())
    }

    #[test]
    fn all_lines_are_one_list() {
        let both = accept(&["a/b;q=0.5, c/d;q=0", "application/vnd.oci.artifact.manifest.v1+json"]);
        assert!(both.names("a/b") && !both.takes("c/d") && both.names_an_artifact());
        assert!(accept(&[]).takes("a/b") && !accept(&[]).names("a/b"));
        assert!(accept(&["*/*"]).takes("a/b") && !accept(&["*/*"]).names("a/b"));
    }
}
