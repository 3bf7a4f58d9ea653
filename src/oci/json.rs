//! JSON read without a copy and without a map, as more than one reader would read it.
//!
//! Where RFC 8259 leaves readers free they differ: Go's `encoding/json` folds the case of keys, most readers take the
//! last of two members of one name and some the first, and some replace what isn't UTF-8 by U+FFFD where others refuse
//! it. So whoever asks for a member gets every one that some reader would take for it.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Error, de::StrRead, value::RawValue};

/// The text of a document. What isn't UTF-8 reads as U+FFFD, as in Go; such text is a copy.
pub(super) fn text(bytes: &[u8]) -> Cow<'_, str> {
    // Several times as fast as the lossy way, where it is text.
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// Whether a value is `null`, which Go reads as an absent member.
pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// The string that a value is; `None` for any other value, and for one with half of a surrogate pair.
pub(super) fn string(value: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    let text = value.get().strip_prefix('"')?.strip_suffix('"')?;
    // Without escapes it is what it says.
    if !text.as_bytes().contains(&b'\\') {
        return Some(Cow::Borrowed(text));
    }
    serde_json::from_str::<Text<'_>>(value.get()).ok().map(|Text(text)| text)
}

/// Visits, in their order, the members of an object whose key is one of `names` or folds to it: which of the names,
/// whether the key is exactly that, and the value. An error: the text is no JSON object.
pub(super) fn members<'a, const N: usize>(
    json: &'a str,
    names: &[&str; N],
    visit: impl FnMut(usize, bool, &'a RawValue),
) -> Result<(), Error> {
    struct Members<'n, const N: usize, V>(Place<'n, N>, V);
    impl<'de, const N: usize, V: FnMut(usize, bool, &'de RawValue)> Visitor<'de> for Members<'_, N, V> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
            while let Some(place) = map.next_key_seed(self.0)? {
                match place {
                    Some((name, exact)) => (self.1)(name, exact, map.next_value()?),
                    None => drop(map.next_value::<IgnoredAny>()?),
                }
            }
            Ok(())
        }
    }
    let mut reader = reader_of(json, '{')?;
    reader.deserialize_map(Members(Place::among(names), visit))?;
    reader.end()
}

/// An object without those of its members that `keep` refuses; keys and values stay as they are written. An error: the
/// text is no JSON object.
pub(super) fn filtered(json: &str, keep: impl Fn(&RawValue, &RawValue) -> bool) -> Result<String, Error> {
    struct Filtered<V>(V);
    impl<'de, V: Fn(&RawValue, &RawValue) -> bool> Visitor<'de> for Filtered<V> {
        type Value = String;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
            let mut object = String::from("{");
            while let Some((key, value)) = map.next_entry::<&RawValue, &RawValue>()? {
                if (self.0)(key, value) {
                    let separator = if object.len() == 1 { "" } else { "," };
                    object.extend([separator, key.get(), ":", value.get()]);
                }
            }
            object.push('}');
            Ok(object)
        }
    }
    let mut reader = reader_of(json, '{')?;
    let object = reader.deserialize_map(Filtered(keep))?;
    reader.end()?;
    Ok(object)
}

/// Visits the elements of an array, `most` of them. An error: the text is no JSON array, or it has more.
pub(super) fn elements<'a>(json: &'a str, most: usize, visit: impl FnMut(&'a RawValue)) -> Result<(), Error> {
    struct Elements<V>(usize, V);
    impl<'de, V: FnMut(&'de RawValue)> Visitor<'de> for Elements<V> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "an array of at most {} elements", self.0)
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
            for _ in 0..self.0 {
                let Some(element) = seq.next_element()? else { return Ok(()) };
                (self.1)(element);
            }
            match seq.next_element::<IgnoredAny>()? {
                Some(IgnoredAny) => Err(A::Error::custom(format_args!("more than {} elements", self.0))),
                None => Ok(()),
            }
        }
    }
    let mut reader = reader_of(json, '[')?;
    reader.deserialize_seq(Elements(most, visit))?;
    reader.end()
}

/// A reader of a value that begins with `opening`; of any other, an error. The parser's own error would repeat a string of
/// four megabytes.
pub(super) fn reader_of(json: &str, opening: char) -> Result<serde_json::Deserializer<StrRead<'_>>, Error> {
    match json.trim_start().chars().next() {
        Some(first) if first != opening => Err(Error::custom(format_args!("{first:?} where {opening:?} should be"))),
        _ => Ok(serde_json::Deserializer::from_str(json)),
    }
}

/// Whether a reader that folds case takes `key` for `name`, which is ASCII. Unicode's simple folding, as far as it
/// reaches ASCII letters: `ſ` folds to `s`, the Kelvin sign to `k`.
pub(super) fn folds_to(key: &[u8], name: &str) -> bool {
    // Nearly every key differs in its first letter.
    if let (Some(first), Some(own)) = (key.first(), name.as_bytes().first())
        && first.is_ascii()
        && !first.eq_ignore_ascii_case(own)
    {
        return false;
    }
    if key.len() <= name.len() {
        return key.eq_ignore_ascii_case(name.as_bytes());
    }
    let fold = |c: char| match c {
        'ſ' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    // The Kelvin sign is the longest letter that folds: three bytes.
    key.len() <= 3 * name.len()
        && !key.is_ascii()
        && std::str::from_utf8(key).is_ok_and(|key| key.chars().map(fold).eq(name.chars().map(fold)))
}

/// Which of some names a key is. Read as bytes: a key may hold half of a surrogate pair.
#[derive(Clone, Copy)]
struct Place<'n, const N: usize> {
    names: &'n [&'n str; N],
    shortest: usize,
}

impl<'n, const N: usize> Place<'n, N> {
    fn among(names: &'n [&'n str; N]) -> Self {
        Self { names, shortest: names.iter().map(|name| name.len()).min().unwrap_or_default() }
    }
}

impl<'de, const N: usize> DeserializeSeed<'de> for Place<'_, N> {
    type Value = Option<(usize, bool)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl<const N: usize> Visitor<'_> for Place<'_, N> {
    type Value = Option<(usize, bool)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E>(self, key: &[u8]) -> Result<Self::Value, E> {
        if key.len() < self.shortest {
            return Ok(None);
        }
        let place = self.names.iter().position(|name| folds_to(key, name));
        Ok(place.map(|place| (place, key == self.names[place].as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<String> {
        let mut read = String::new();
        let visit = |name, exact, value: &RawValue| read = format!("{read}{name}{exact}{value} ");
        members(json, &["subject", "blobKey"], visit).ok()?;
        Some(read)
    }

    #[test]
    fn json_members_are_found_in_every_spelling_that_some_reader_takes() {
        for (json, found) in [
            (r#"{"a":{"subject":1},"subject":{"a":[1]},"subject":null}"#, r#"0true{"a":[1]} 0truenull "#),
            (r#"{"\u0073ubject":1,"SUBJECT":2,"ſubject":3,"BLOB\u212aey":4}"#, "0true1 0false2 0false3 1false4 "),
            (r#"{"subjects":1,"subjec":1,"ſubjectſ":1,"":1,"\ud800":1,"blob\ud800ey":1}"#, ""),
        ] {
            assert_eq!(read(json).as_deref(), Some(found), "{json}");
        }
        for none in ["", "[]", "7", "{", "{}{}", r#"{"a":}"#, "{\"a\":\"\u{1}\"}", "\u{feff}{}"] {
            assert_eq!(read(none), None, "{none}");
        }
    }

    #[test]
    fn json_object_filter_keeps_members_as_they_are_written() {
        let json = r#" { "\u0061" : [ 1 ], "b":2,"\ud800":"\ud800" } "#;
        assert_eq!(filtered(json, |_, value| value.get() != "2").unwrap(), r#"{"\u0061":[ 1 ],"\ud800":"\ud800"}"#);
        assert_eq!(filtered(json, |_, _| false).unwrap(), "{}");
        for none in ["[]", "{} {}", r#"{"a":}"#] {
            assert!(filtered(none, |_, _| true).is_err(), "{none}");
        }
    }

    #[test]
    fn json_string_with_a_lone_surrogate_is_none() {
        let string = |json: &str| string(serde_json::from_str(json).unwrap()).map(Cow::into_owned);
        assert_eq!(string(r#""a\u00e9\ud83d\ude00""#).as_deref(), Some("aé😀"));
        for none in [r#""\ud800""#, r#""a\udc00""#, "7", "null", "[\"a\"]"] {
            assert_eq!(string(none), None, "{none}");
        }
    }

    #[test]
    fn json_array_is_read_no_further_than_its_bound() {
        let visited = |json: &str| {
            let mut visited = 0;
            (elements(json, 3, |_| visited += 1).is_ok(), visited)
        };
        assert_eq!(visited("[1,[],{}]"), (true, 3));
        assert_eq!(visited(&format!("[{}", "0,".repeat(2_000_000))), (false, 3), "nor for whether it ends");
        assert_eq!(visited("{}"), (false, 0));
    }
}
