//! Annotations (image-spec 1.1, annotations.md): text by text. Kept as they were written: read into a map, a manifest's
//! four megabytes could take fifty.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::manifest_error::ManifestError;

/// A manifest's own annotations.
#[derive(Clone, Debug)]
pub struct Annotations {
    raw: Box<RawValue>,
    created: Option<i64>,
}

/// The four spellings of the created annotation; the first that is there and a time counts. Those that the older APIs
/// sort by come first.
const CREATED: [&str; 4] = [
    "io.cncf.oras.artifact.created",
    "org.oci.artifact.created",
    "org.opencontainers.artifact.created",
    "org.opencontainers.image.created",
];

impl Annotations {
    /// Checks that it is an object of strings; `None` where it has none.
    pub(super) fn parse(raw: &RawValue) -> Result<Option<Self>, ManifestError> {
        let created: Created = serde_json::from_str(raw.get())
            .map_err(|error| ManifestError::Field { field: "annotations", reason: error.to_string() })?;
        let Created::Of(created) = created else { return Ok(None) };
        let created = created.into_iter().flatten().find_map(|text| text.parse::<jiff::Timestamp>().ok());
        Ok(Some(Self { raw: raw.to_owned(), created: created.map(jiff::Timestamp::as_microsecond) }))
    }

    /// As they were written.
    pub fn raw(&self) -> &RawValue {
        &self.raw
    }

    /// The created annotation, in microseconds since 1970.
    pub fn created(&self) -> Option<i64> {
        self.created
    }
}

/// The values of [`CREATED`]'s keys.
enum Created {
    Empty,
    Of([Option<String>; 4]),
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for Created {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Strings;
        impl<'de> Visitor<'de> for Strings {
            type Value = Created;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Created, A::Error> {
                let mut created = [const { None }; 4];
                let mut empty = true;
                while let Some((Text(key), Text(value))) = map.next_entry()? {
                    empty = false;
                    if let Some(place) = CREATED.iter().position(|name| *name == key) {
                        created[place] = Some(value.into_owned());
                    }
                }
                Ok(if empty { Created::Empty } else { Created::Of(created) })
            }
        }
        deserializer.deserialize_map(Strings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: &str) -> Result<Annotations, ManifestError> {
        Annotations::parse(serde_json::from_str::<&RawValue>(json).unwrap()).map(|some| some.expect("some"))
    }

    #[test]
    fn created_is_read_in_each_spelling_and_zone() {
        for key in CREATED {
            let annotations = parse(&format!(r#"{{"a":"b","{key}":"1970-01-01T01:00:00.000001+01:00"}}"#)).unwrap();
            assert_eq!(annotations.created(), Some(1));
        }
        assert_eq!(parse(&format!(r#"{{"{}":"yesterday"}}"#, CREATED[0])).unwrap().created(), None);
        let two = format!(r#"{{"{}":"yesterday","{}":"1970-01-01T00:00:00.000002Z"}}"#, CREATED[0], CREATED[3]);
        assert_eq!(parse(&two).unwrap().created(), Some(2));
        let both = r#"{"org.opencontainers.image.created":"1970-01-01T00:00:01Z",
                       "io.cncf.oras.artifact.created":"1970-01-01T00:00:02Z"}"#;
        assert_eq!(parse(both).unwrap().created(), Some(2_000_000), "as the ORAS artifacts-spec sorts");
    }

    #[test]
    fn only_strings_are_taken_and_left_as_they_were() {
        assert!(parse(r#"{"a":1}"#).is_err() && parse("[]").is_err());
        assert_eq!(parse(r#"{ "a" : "\u00e9" }"#).unwrap().raw().get(), r#"{ "a" : "\u00e9" }"#);
    }
}
