//! What was learned about the upstream: which types of manifests it refuses, and until when that is believed.

use std::{collections::BTreeMap, sync::Mutex, sync::PoisonError};

use crate::oci::MediaType;

/// Media types of manifests that the upstream refuses, with the time until which that is believed (microseconds since
/// 1970).
#[derive(Default)]
pub struct Learned(Mutex<BTreeMap<String, i64>>);

impl Learned {
    /// Reads what [`Learned::refused`] gave. What can't be read was never learned.
    pub fn parse(json: &str) -> Self {
        Self(Mutex::new(serde_json::from_str(json).unwrap_or_default()))
    }

    /// Whether the upstream refuses such manifests, as far as is known at the time `now`.
    pub fn refuses(&self, media_type: &MediaType, now: i64) -> bool {
        let types = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        types.get(media_type.as_str()).is_some_and(|until| now < *until)
    }

    /// All that it refuses, as far as is known at the time `now`.
    pub fn refused_now(&self, now: i64) -> Vec<String> {
        let types = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        types.iter().filter(|(_, until)| now < **until).map(|(media_type, _)| media_type.clone()).collect()
    }

    /// Learns that it does. Gives all that is known, as JSON.
    pub fn refused(&self, media_type: &MediaType, until: i64) -> String {
        let mut types = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        types.insert(media_type.as_str().to_owned(), until);
        // Invariant: a map of numbers with string keys serializes without fail.
        serde_json::to_string(&*types).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_learned_is_forgotten_in_time() {
        let media_type = MediaType::parse("a/b");
        let learned = Learned::parse(&Learned::parse("{}").refused(&media_type, 7));
        assert!(learned.refuses(&media_type, 6) && !learned.refuses(&media_type, 7));
        assert_eq!((learned.refused_now(6), learned.refused_now(7)), (vec!["a/b".to_owned()], vec![]));
        assert!(!learned.refuses(&MediaType::parse("c/d"), 0));
        assert!(!Learned::parse("[]").refuses(&media_type, 0));
    }
}
