//! Randomness from the operating system.

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};

/// `N` random bytes.
///
/// # Panics
/// When the operating system has none to give: nothing that backref keeps apart by them would be safe then.
#[allow(clippy::expect_used, reason = "the invariant stands above")]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// A key for hashes that nobody else can make.
pub fn hash_key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, &bytes::<32>())
}

/// A random number.
pub fn u64() -> u64 {
    u64::from_ne_bytes(bytes())
}
