//! A token that somebody has to give, compared without telling by the time it takes.

use ring::hmac;

use crate::random;

/// A token.
pub(super) struct Token {
    /// Made for this process: what is compared are hashes by it.
    key: hmac::Key,
    expected: hmac::Tag,
}

impl Token {
    /// The one that is expected.
    pub(super) fn new(token: &str) -> Self {
        let key = random::hash_key();
        let expected = hmac::sign(&key, token.as_bytes());
        Self { key, expected }
    }

    /// Whether it was given.
    pub(super) fn is(&self, given: &[u8]) -> bool {
        hmac::verify(&self.key, given, self.expected.as_ref()).is_ok()
    }
}
