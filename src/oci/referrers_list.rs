//! The image index that a referrers tag resolves to (distribution-spec 1.1, "Referrers Tag Schema").

use std::collections::HashSet;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::{
    digest::{Algorithm, Digest},
    index::{Entry, each_entry},
    json,
    media_type::MediaType,
};

/// The annotation by which backref knows its own: it names the subject, so that no two subjects' lists are one manifest.
const MARK: &str = "io.backref.subject";

/// The list under a referrers tag. Anybody may have written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrersList {
    /// In its order, each digest once. What names no digest is left out.
    pub entries: Vec<Listed>,
    /// It has backref's mark, as the list of the subject that it was read for.
    pub marked: bool,
}

/// One entry of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The referrer's digest, as the list has it.
    pub digest: Digest,
    /// The descriptor as it was written.
    pub descriptor: String,
}

impl ReferrersList {
    /// Reads an index that is to be `subject`'s list. `None` where it is none: no JSON object, of another media type,
    /// without one `manifests` that is an array or `null`, or with more than 40,000 entries.
    pub fn parse(bytes: &[u8], subject: &Digest) -> Option<Self> {
        let text = json::text(bytes);
        let (mut manifests, mut unlike_a_list, mut annotations) = (None, false, None);
        json::members(&text, &["manifests", "mediaType", "annotations"], |name, exact, value| match name {
            0 => unlike_a_list |= manifests.replace(value).is_some() || !exact,
            1 => unlike_a_list |= !is_index(value),
            _ => annotations = Some(value),
        })
        .ok()?;
        let manifests: &RawValue = manifests.filter(|_| !unlike_a_list)?;
        let mut found = Vec::new();
        if !json::is_null(manifests) {
            each_entry(manifests, |entry: Entry<'_>| found.extend(entry.digest().map(|digest| (digest, entry.raw))))
                .ok()?;
        }
        let mut seen = HashSet::with_capacity(found.len());
        let first: Vec<bool> = found.iter().map(|(digest, _)| seen.insert(digest)).collect();
        let entries = found.into_iter().zip(first).filter(|(_, first)| *first);
        let entries = entries.map(|((digest, raw), _)| Listed { digest, descriptor: raw.get().to_owned() }).collect();
        let marked = annotations.is_some_and(|annotations| is_marked(annotations, subject));
        Some(Self { entries, marked })
    }

    /// Backref's own list of `subject`'s referrers: their descriptors, rendered. `None` where it is longer than
    /// `max_len` even without the longest annotations.
    pub fn render<'a>(
        subject: &Digest,
        descriptors: impl Iterator<Item = &'a str>,
        max_len: usize,
    ) -> Option<(Digest, Bytes)> {
        let opening = format!(r#"{{"schemaVersion":2,"mediaType":"{}","manifests":["#, MediaType::INDEX);
        let closing = format!(r#"],"annotations":{{"{MARK}":"{subject}"}}}}"#);
        let mut parts: Vec<std::borrow::Cow<'a, str>> = descriptors.map(Into::into).collect();
        let mut length = opening.len() + closing.len() + parts.iter().map(|part| part.len() + 1).sum::<usize>();
        if length > max_len {
            let mut longest: Vec<usize> = (0..parts.len()).collect();
            longest.sort_by_key(|at| std::cmp::Reverse(parts[*at].len()));
            for at in longest {
                let short = without_annotations(&parts[at])?;
                length -= parts[at].len() - short.len();
                parts[at] = short.into();
                if length <= max_len {
                    break;
                }
            }
        }
        let mut list = String::with_capacity(length);
        list.push_str(&opening);
        for (at, part) in parts.iter().enumerate() {
            list.push_str(if at == 0 { "" } else { "," });
            list.push_str(part);
        }
        list.push_str(&closing);
        let bytes = Bytes::from(list);
        (bytes.len() <= max_len).then(|| (Digest::of(Algorithm::Sha256, &bytes), bytes))
    }
}

/// Whether a list's `mediaType` is that of an index; `null` is as good as absent.
fn is_index(value: &RawValue) -> bool {
    json::is_null(value) || json::string(value).is_some_and(|text| MediaType::parse(&text).as_str() == MediaType::INDEX)
}

/// Whether a list's annotations have backref's mark for `subject`. Another subject's list is not this one's own: it
/// would be deleted when it is replaced, and that subject's tag with it.
fn is_marked(annotations: &RawValue, subject: &Digest) -> bool {
    let (mut here, mut elsewhere) = (false, false);
    let read = json::members(annotations.get(), &[MARK], |_, exact, value| {
        let names = exact && json::string(value).is_some_and(|text| text == subject.as_str());
        (here, elsewhere) = (here || names, elsewhere || !names);
    });
    read.is_ok() && here && !elsewhere
}

/// A descriptor without its annotations; `None` where it is no JSON object.
fn without_annotations(descriptor: &str) -> Option<String> {
    let is_other = |key: &RawValue| json::string(key).is_none_or(|key| !json::folds_to(key.as_bytes(), "annotations"));
    json::filtered(descriptor, |key, _| is_other(key)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::index::MAX_ENTRIES;

    const MAX: usize = 4 << 20;

    fn subject() -> Digest {
        Digest::parse("blake3:00").unwrap()
    }

    #[test]
    fn referrers_tag_index_that_backref_wrote_is_read_back() {
        let descriptors = [r#"{"digest":"a:1","annotations":{"k":"v"}}"#, r#"{"digest":"a:2"}"#];
        let (digest, bytes) = ReferrersList::render(&subject(), descriptors.into_iter(), MAX).unwrap();
        assert_eq!(digest, Digest::of(Algorithm::Sha256, &bytes));
        let list = ReferrersList::parse(&bytes, &subject()).unwrap();
        assert!(list.marked);
        assert_eq!(list.entries.iter().map(|entry| &*entry.descriptor).collect::<Vec<_>>(), descriptors);
        let (other, _) = ReferrersList::render(&Digest::parse("blake3:01").unwrap(), [].into_iter(), MAX).unwrap();
        let (empty, _) = ReferrersList::render(&subject(), [].into_iter(), MAX).unwrap();
        assert_ne!(other, empty, "deleting one would delete both");
    }

    #[test]
    fn referrers_tag_index_of_others_is_read_without_its_malformed_entries() {
        let list =
            ReferrersList::parse(br#"{"manifests":[{"digest":"a:1"},{"digest":"x"},7,{}],"x":1}"#, &subject()).unwrap();
        assert!(!list.marked && list.entries.len() == 1);
        for none in [
            r#"{"config":{}}"#,
            "[]",
            "",
            r#"{"mediaType":"application/vnd.docker.distribution.manifest.list.v2+json","manifests":[]}"#,
        ] {
            assert_eq!(ReferrersList::parse(none.as_bytes(), &subject()), None, "{none}");
        }
    }

    #[test]
    fn referrers_tag_index_is_what_some_client_reads_as_one() {
        let found = |json: &[u8]| {
            let list = ReferrersList::parse(json, &subject())?;
            Some(list.entries.iter().map(|entry| entry.digest.to_string()).collect::<Vec<_>>().join(" "))
        };
        let found_in = |json: &str| found(json.as_bytes());
        for (json, digests) in [
            (r#"{"manifests":null}"#, ""),
            (r#"{"mediaType":null,"manifests":[],"annotations":7}"#, ""),
            (r#"{"mediaType":"Application/vnd.OCI.image.index.v1+json","manifests":[{"digest":"a:1"}]}"#, "a:1"),
            (r#"{"manifests":[{"digest":"a:1"},{"digest":"a:2"},{"digest":"a:1","size":1}]}"#, "a:1 a:2"),
            (r#"{"manifests":[{"Digest":"a:1"},{"digest":"a:2","digest":"a:3"}]}"#, "a:1 a:3"),
            (r#"{"manifests":[{"digest":"a:1","annotations":{"\ud800":"\ud800"}}],"\ud800":1}"#, "a:1"),
        ] {
            assert_eq!(found_in(json).as_deref(), Some(digests), "{json}");
        }
        assert_eq!(found(b"{\"manifests\":[{\"digest\":\"a:1\",\"b\":\"\xff\"}]}").as_deref(), Some("a:1"));
        for none in [
            r#"{"manifests":[],"manifests":[]}"#,
            r#"{"Manifests":[]}"#,
            r#"{"manifests":{}}"#,
            r#"{"mediaType":7,"manifests":[]}"#,
            r#"{"mediaType":"a/b","MediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#,
        ] {
            assert_eq!(found_in(none), None, "{none}");
        }
    }

    #[test]
    fn referrers_tag_index_has_the_mark_of_its_own_subject_alone() {
        let marked = |annotations: &str| {
            let json = format!(r#"{{"manifests":[],"annotations":{annotations}}}"#);
            ReferrersList::parse(json.as_bytes(), &subject()).unwrap().marked
        };
        assert!(marked(r#"{"a":null,"io.backref.subject":"blake3:00"}"#));
        for other in [
            "{}",
            "[]",
            r#"{"io.backref.subject":"blake3:01"}"#,
            r#"{"io.backref.subject":null}"#,
            r#"{"IO.backref.subject":"blake3:00"}"#,
            r#"{"io.backref.subject":"blake3:00","io.backref.subject":"blake3:01"}"#,
        ] {
            assert!(!marked(other), "{other}");
        }
    }

    #[test]
    fn referrers_tag_index_with_too_many_entries_is_none() {
        let found = |count: usize| {
            let entries: Vec<String> = (0..count).map(|at| format!(r#"{{"digest":"a:{at}"}}"#)).collect();
            let json = format!(r#"{{"manifests":[{}]}}"#, entries.join(","));
            ReferrersList::parse(json.as_bytes(), &subject()).map(|list| list.entries.len())
        };
        assert_eq!((found(MAX_ENTRIES), found(MAX_ENTRIES + 1)), (Some(MAX_ENTRIES), None));
    }

    #[test]
    fn referrers_tag_index_that_is_too_long_loses_the_longest_annotations_first() {
        let long = format!(r#"{{"digest":"a:1","annotations":{{"k":"{}"}}}}"#, "v".repeat(1000));
        let short = r#"{"digest":"a:2","annotations":{"k":"v"}}"#;
        let render = |max| ReferrersList::render(&subject(), [&*long, short].into_iter(), max);
        let (_, bytes) = render(400).unwrap();
        let list = ReferrersList::parse(&bytes, &subject()).unwrap();
        assert_eq!((&*list.entries[0].descriptor, &*list.entries[1].descriptor), (r#"{"digest":"a:1"}"#, short));
        assert_eq!(render(100), None);
    }
}
