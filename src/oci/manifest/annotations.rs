//! Annotations (image-spec 1.1, annotations.md): strings by strings. Kept as they were written: read into a map, a
//! manifest's four megabytes could take fifty.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::error::ManifestError;
use crate::oci::json;

/// A manifest's own annotations: an object of strings that is not empty.
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

/// Up to how many bytes annotations are looked at one by one, where not all can be given: whoever may push can have
/// others read them.
const MAX_PARTLY_READ: usize = 64 << 10;

impl Annotations {
    /// Takes the annotations of a manifest that is pushed; `None` where there are none. An error: the value is not an
    /// object of strings.
    pub(super) fn parse(raw: &RawValue) -> Result<Option<Self>, ManifestError> {
        let created = json::reader_of(raw.get(), '{').and_then(|mut reader| reader.deserialize_map(Strings));
        let created =
            created.map_err(|error| ManifestError::Field { field: "annotations", reason: error.to_string() })?;
        let Some(created) = created else { return Ok(None) };
        let created = created.into_iter().flatten().find_map(|text| text.parse::<jiff::Timestamp>().ok());
        Ok(Some(Self { raw: raw.to_owned(), created: created.map(jiff::Timestamp::as_microsecond) }))
    }

    /// Takes what can be given of the annotations of a manifest that is read. Left out is each that isn't a string by
    /// a string, since a list that held it would be no list for some readers; of more than 64 KiB with such, all are.
    pub fn read(raw: &RawValue) -> Option<Self> {
        match Self::parse(raw) {
            Ok(annotations) => annotations,
            Err(_) if raw.get().len() > MAX_PARTLY_READ => None,
            Err(_) => Self::parse(&strings_of(raw)?).ok().flatten(),
        }
    }

    /// The annotations as JSON text.
    pub fn raw(&self) -> &RawValue {
        &self.raw
    }

    /// The created annotation, in microseconds since 1970.
    pub fn created(&self) -> Option<i64> {
        self.created
    }
}

/// The members of an object that are strings, as an object.
fn strings_of(raw: &RawValue) -> Option<Box<RawValue>> {
    let is_string = |value: &RawValue| json::string(value).is_some();
    let strings = json::filtered(raw.get(), |key, value| is_string(key) && is_string(value));
    strings.and_then(RawValue::from_string).ok()
}

/// Checks an object of strings, and keeps the values of [`CREATED`]'s keys; `None` where it is empty.
struct Strings;

impl<'de> Visitor<'de> for Strings {
    type Value = Option<[Option<String>; CREATED.len()]>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut created = [const { None }; CREATED.len()];
        let mut is_empty = true;
        while let Some(place) = map.next_key_seed(Text(|key: &str| CREATED.iter().position(|name| *name == key)))? {
            is_empty = false;
            match place {
                Some(place) => created[place] = Some(map.next_value_seed(Text(str::to_owned))?),
                None => map.next_value_seed(Text(|_: &str| ()))?,
            }
        }
        Ok((!is_empty).then_some(created))
    }
}

/// A string, and what is wanted of it: nothing is copied that isn't kept.
struct Text<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Text<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Text<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(json: &str) -> &RawValue {
        serde_json::from_str(json).unwrap()
    }

    fn parse(json: &str) -> Result<Annotations, ManifestError> {
        Annotations::parse(value(json)).map(|some| some.expect("some"))
    }

    #[test]
    fn annotations_give_the_created_time_in_each_spelling_and_zone() {
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
    fn annotations_of_a_pushed_manifest_are_strings_and_stay_as_written() {
        for bad in [r#"{"a":1}"#, r#"{"a":null}"#, "[]", "7", r#"{"a":"\ud800"}"#, r#"{"\udc00":"a"}"#] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert_eq!(parse(r#"{ "a" : "\u00e9" }"#).unwrap().raw().get(), r#"{ "a" : "\u00e9" }"#);
    }

    #[test]
    fn annotations_of_a_stored_manifest_are_read_as_far_as_they_are_strings() {
        let read = |json| Annotations::read(value(json)).map(|annotations| annotations.raw().get().to_owned());
        for (json, taken) in [
            (r#"{ "a" : "b" }"#, Some(r#"{ "a" : "b" }"#)),
            (r#"{"a":null,"b": "c","d":[1],"e":"\ud800","\udc00":"f","g":"\n"}"#, Some(r#"{"b":"c","g":"\n"}"#)),
            (r#"{"a":null}"#, None),
            ("{}", None),
            ("[]", None),
            ("null", None),
        ] {
            assert_eq!(read(json).as_deref(), taken, "{json}");
        }
        let many = |last: &str| format!("{{{}\"a\":{last}}}", r#""a":"b","#.repeat(MAX_PARTLY_READ / 8));
        let (strings, odd) = (many("\"c\""), many("null"));
        assert!(read(&strings).is_some() && read(&odd).is_none(), "these are too many to look at each");
        let created = format!(r#"{{"a":null,"{}":"1970-01-01T00:00:01Z"}}"#, CREATED[1]);
        assert_eq!(Annotations::read(value(&created)).unwrap().created(), Some(1_000_000));
    }
}
