//! What a client accepts: all its `Accept` lines are one list (RFC 9110, 5.3 and 12.5.1).

use http::{HeaderMap, header};

use crate::oci::MediaType;

/// The media types, without parameters: those that are accepted, and those that are excluded (`q=0`).
pub(super) struct Accept {
    accepted: Vec<String>,
    excluded: Vec<String>,
}

impl Accept {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        let mut accept = Self { accepted: Vec::new(), excluded: Vec::new() };
        for entry in lines.flat_map(|line| line.split(',')) {
            let mut parts = entry.split(';').map(str::trim);
            let Some(media_type) = parts.next().filter(|text| !text.is_empty()) else { continue };
            let list = if parts.any(is_zero) { &mut accept.excluded } else { &mut accept.accepted };
            list.push(media_type.to_owned());
        }
        accept
    }

    /// By its own name: distribution expands no wildcard.
    pub(super) fn names(&self, media_type: &str) -> bool {
        self.accepted.iter().any(|named| named == media_type)
    }

    /// By its name, a wildcard, or since nothing is said about it.
    pub(super) fn takes(&self, media_type: &str) -> bool {
        let is_it = |named: &String| named.eq_ignore_ascii_case(media_type);
        if self.accepted.iter().any(is_it) {
            return true;
        }
        let all = self.accepted.is_empty() && self.excluded.is_empty();
        (all || self.names("*/*") || self.names("application/*")) && !self.excluded.iter().any(is_it)
    }

    pub(super) fn names_an_artifact(&self) -> bool {
        self.accepted.iter().any(|named| MediaType::parse(named).is_artifact())
    }
}

/// A weight of zero (RFC 9110, 12.4.2).
fn is_zero(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, weight)| {
        name.trim().eq_ignore_ascii_case("q") && weight.trim().parse::<f32>().is_ok_and(|weight| weight <= 0.0)
    })
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn accept(lines: &[&'static str]) -> Accept {
        Accept::of(&lines.iter().map(|line| (header::ACCEPT, HeaderValue::from_static(line))).collect())
    }

    #[test]
    fn accept_headers_are_read_as_one_list() {
        let both = accept(&["a/b;q=0.5, c/d;q=0", "application/vnd.oci.artifact.manifest.v1+json"]);
        assert!(both.names("a/b") && !both.takes("c/d") && both.names_an_artifact());
        assert!(accept(&[]).takes("a/b") && !accept(&[]).names("a/b"));
        assert!(accept(&["*/*"]).takes("a/b") && !accept(&["*/*"]).names("a/b"));
        let but = accept(&["*/*, a/b; Q=0.0000"]);
        assert!(but.takes("c/d") && !but.takes("a/b") && !accept(&["a/b;q=0"]).takes("a/b"));
        assert!(accept(&["A/B"]).takes("a/b") && !accept(&["A/B"]).names("a/b"), "registries compare letter by letter");
        assert!(accept(&["Application/vnd.OCI.artifact.manifest.v1+json"]).names_an_artifact());
    }
}
