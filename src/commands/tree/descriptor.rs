//! A page of a list of referrers, of any length, from any registry.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// What a list says about a referrer.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) digest: String,
    #[serde(default)]
    pub(super) size: u64,
    pub(super) artifact_type: Option<String>,
    /// As they were written: read, many short ones would be many times as large.
    pub(super) annotations: Option<Box<RawValue>>,
}

/// An index, of which `MOST` descriptors are read; what follows them is skipped.
#[derive(Deserialize)]
pub(super) struct Index<const MOST: usize> {
    #[serde(default, deserialize_with = "first::<_, MOST>")]
    pub(super) manifests: Vec<Descriptor>,
}

fn first<'de, D: Deserializer<'de>, const MOST: usize>(deserializer: D) -> Result<Vec<Descriptor>, D::Error> {
    struct First<const MOST: usize>(PhantomData<Descriptor>);

    impl<'de, const MOST: usize> Visitor<'de> for First<MOST> {
        type Value = Vec<Descriptor>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array of descriptors")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut first = Vec::new();
            while first.len() < MOST {
                let Some(descriptor) = entries.next_element()? else { return Ok(first) };
                first.push(descriptor);
            }
            while entries.next_element::<IgnoredAny>()?.is_some() {}
            Ok(first)
        }

        // Some registries write an empty list so.
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(Vec::new())
        }
    }

    deserializer.deserialize_any(First::<MOST>(PhantomData))
}
