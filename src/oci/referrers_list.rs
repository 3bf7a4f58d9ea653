//! The image index that a referrers tag resolves to (distribution-spec 1.1, "Referrers Tag Schema").

use bytes::Bytes;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{Algorithm, Digest, MediaType};

/// The annotation by which backref knows its own: it names the subject, so that no two subjects' lists are one manifest.
const MARK: &str = "io.backref.subject";

/// What a referrers tag says. Anybody may have written it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReferrersList {
    /// In its order. What names no digest is left out.
    pub entries: Vec<Listed>,
    /// It has backref's mark, as the list of the subject that it was read for.
    pub marked: bool,
}

/// One entry of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The referrer's, as it says.
    pub digest: Digest,
    /// The descriptor as it was written.
    pub descriptor: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(borrow)]
    manifests: Vec<&'a RawValue>,
    #[serde(default)]
    annotations: Option<std::collections::BTreeMap<String, serde_json::Value>>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
}

impl ReferrersList {
    /// Reads an index that is to be `subject`'s list; `None` where it is none.
    pub fn parse(bytes: &[u8], subject: &Digest) -> Option<Self> {
        let index: Index<'_> = serde_json::from_slice(bytes).ok()?;
        if index.media_type.is_some_and(|kind| kind != MediaType::INDEX) {
            return None;
        }
        let entries = index.manifests.into_iter().filter_map(|raw| {
            let entry: Entry = serde_json::from_str(raw.get()).ok()?;
            Some(Listed { digest: Digest::parse(&entry.digest).ok()?, descriptor: raw.get().to_owned() })
        });
        // Another subject's is no own list of this one's: it would be deleted when it is replaced, and that one's tag with it.
        let mark = index.annotations.as_ref().and_then(|annotations| annotations.get(MARK)?.as_str());
        let marked = mark == Some(subject.as_str());
        Some(Self { entries: entries.collect(), marked })
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

fn without_annotations(descriptor: &str) -> Option<String> {
    let mut fields: serde_json::Map<String, serde_json::Value> = serde_json::from_str(descriptor).ok()?;
    fields.remove("annotations");
    serde_json::to_string(&fields).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 4 << 20;

    fn subject() -> Digest {
        Digest::parse("blake3:00").unwrap()
    }

    #[test]
    fn what_was_written_is_read_again() {
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
    fn others_lists_are_read_and_junk_in_them_is_passed_over() {
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
    fn the_longest_annotations_go_first() {
        let long = format!(r#"{{"digest":"a:1","annotations":{{"k":"{}"}}}}"#, "v".repeat(1000));
        let short = r#"{"digest":"a:2","annotations":{"k":"v"}}"#;
        let render = |max| ReferrersList::render(&subject(), [&*long, short].into_iter(), max);
        let (_, bytes) = render(400).unwrap();
        let list = ReferrersList::parse(&bytes, &subject()).unwrap();
        assert_eq!((&*list.entries[0].descriptor, &*list.entries[1].descriptor), (r#"{"digest":"a:1"}"#, short));
        assert_eq!(render(100), None);
    }
}
