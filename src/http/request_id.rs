//! The name by which one request is known in logs, to the registry and to its client (`X-Request-Id`).

use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderName, HeaderValue};

use crate::random;

/// Where it stands.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// No longer than anybody's.
const MOST: usize = 128;

/// Makes names: no two the same, of one process or of several.
pub(super) struct RequestIds(AtomicU64);

impl RequestIds {
    pub(super) fn new() -> Self {
        Self(AtomicU64::new(random::u64()))
    }

    /// The one that a request came with, if it can stand in a log as it is, or a new one.
    pub(super) fn of(&self, given: Option<&HeaderValue>) -> HeaderValue {
        given.filter(|given| is_plain(given.as_bytes())).cloned().unwrap_or_else(|| self.next())
    }

    /// A number from 0 to 1, by lot.
    pub(super) fn draw(&self) -> f64 {
        // Both are exact: 32 bits.
        f64::from((mixed(self.0.fetch_add(1, Ordering::Relaxed)) >> 32) as u32) / f64::from(u32::MAX)
    }

    fn next(&self) -> HeaderValue {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let number = mixed(self.0.fetch_add(1, Ordering::Relaxed));
        let text: [u8; 16] = std::array::from_fn(|at| DIGITS[(number >> (60 - 4 * at) & 15) as usize]);
        // Invariant: hexadecimal digits.
        HeaderValue::from_bytes(&text).unwrap_or(HeaderValue::from_static("unknown"))
    }
}

fn is_plain(id: &[u8]) -> bool {
    !id.is_empty()
        && id.len() <= MOST
        && id.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:/+=@".contains(byte))
}

/// Neighbours become far apart (the finalizer of `SplitMix64`), and no two the same.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn request_id_is_the_one_that_was_given_if_it_is_plain() {
        let ids = RequestIds::new();
        let of = |text: &str| ids.of(Some(&HeaderValue::from_bytes(text.as_bytes()).unwrap()));
        assert_eq!(of("a-1:b/c+d="), "a-1:b/c+d=");
        for odd in ["", "a b", "\"", "a\tb", "ü", &"x".repeat(129)] {
            assert_eq!(of(odd).len(), 16, "{odd:?}");
        }
        let many: HashSet<HeaderValue> = (0..1000).map(|_| ids.of(None)).collect();
        assert_eq!(many.len(), 1000);
    }
}
