//! What an index lists.

use super::{error::ManifestError, fields::Field, raw::RawManifest};
use crate::oci::{digest::Digest, index::each_entry, json};

impl RawManifest {
    /// The digests that an index lists, in its order; none of what is no index. An error: two readers could read two
    /// lists, an entry has no digest, or there are more than 40,000.
    pub fn entries(&self) -> Result<Vec<Digest>, ManifestError> {
        let text = std::str::from_utf8(&self.bytes)?;
        let Some(manifests) = Field::of_text(text, "manifests")?.only("manifests")? else { return Ok(Vec::new()) };
        let refuse = |reason: String| ManifestError::Field { field: "manifests", reason };
        let (mut digests, mut odd) = (Vec::new(), 0);
        each_entry(manifests, |entry| match entry.only_digest() {
            Some(digest) => digests.push(digest),
            None => odd += 1,
        })
        .map_err(|error| refuse(error.to_string()))?;
        match odd {
            0 => Ok(digests),
            odd => Err(refuse(format!("{odd} of its entries have no digest that every reader reads"))),
        }
    }

    /// The digests that an index lists, in its order, but for the images of single platforms; none of what can't be
    /// read as a list of at most 40,000.
    pub fn children(&self) -> Vec<Digest> {
        let text = json::text(&self.bytes);
        let mut children = Vec::new();
        let manifests = Field::of_text(&text, "manifests").ok().and_then(|field| field.last());
        let listed = manifests.map(|manifests| {
            each_entry(manifests, |entry| {
                children.extend(entry.digest().filter(|_| !entry.has_platform));
            })
        });
        if matches!(listed, Some(Ok(()))) { children } else { Vec::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{index::MAX_ENTRIES, media_type::MediaType};

    fn index(json: impl Into<Vec<u8>>) -> RawManifest {
        RawManifest { bytes: json.into().into(), media_type: MediaType::parse(MediaType::INDEX) }
    }

    fn digests(digests: &[&str]) -> Vec<Digest> {
        digests.iter().map(|digest| Digest::parse(digest).unwrap()).collect()
    }

    #[test]
    fn index_entries_are_those_that_every_reader_reads() {
        let entries = |json: &str| index(json).entries();
        assert_eq!(
            entries(r#"{"manifests":[{"digest":"a:b","size":1},{"digest":"a:b"}]}"#).unwrap(),
            digests(&["a:b", "a:b"])
        );
        for none in [r#"{"layers":[]}"#, r#"{"manifests":null}"#] {
            assert_eq!(entries(none).unwrap(), [], "{none}");
        }
        for odd in [r#"{"digest":"a:b","Digest":"a:c"}"#, r#"{"size":1}"#, r#"{"digest":"a:b","digest":"a:c"}"#, "1"] {
            assert!(entries(&format!(r#"{{"manifests":[{odd}]}}"#)).is_err(), "{odd}");
        }
        for odd in [r#"{"manifests":[],"manifests":[]}"#, r#"{"Manifests":[]}"#, r#"{"manifests":{}}"#, "[]", "{"] {
            assert!(entries(odd).is_err(), "{odd}");
        }
    }

    #[test]
    fn index_children_are_read_leniently() {
        let json = r#"{"Manifests":[{"digest":"a:1"},{"digest":"a:2","platform":{}},{"digest":"a:3","platform":null},
                      7,{},{"digest":"x"},{"Digest":"a:4","digest":"a:5","annotations":{"a":"\ud800"}}]}"#;
        assert_eq!(index(json).children(), digests(&["a:1", "a:3", "a:5"]));
        for none in ["{}", "[]", "not json", r#"{"manifests":7}"#] {
            assert_eq!(index(none).children(), [], "{none}");
        }
    }

    #[test]
    fn index_entries_are_bounded() {
        let many = |count: usize| {
            let entries = vec![r#"{"digest":"a:b"}"#; count].join(",");
            index(format!(r#"{{"manifests":[{entries}]}}"#))
        };
        assert_eq!(many(MAX_ENTRIES).entries().unwrap().len(), MAX_ENTRIES);
        assert_eq!(many(MAX_ENTRIES).children().len(), MAX_ENTRIES);
        let error = many(MAX_ENTRIES + 1).entries().unwrap_err().to_string();
        assert!(error.contains("more than 40000"), "{error}");
        assert_eq!(many(MAX_ENTRIES + 1).children(), []);
    }
}
