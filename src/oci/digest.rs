//! Digests (image-spec 1.1, descriptor.md#digests).

use std::fmt;

use ring::digest::{SHA256, SHA512, digest};

/// A digest in its grammar: `algorithm:encoded`, and for the registered algorithms of the right length.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(Box<str>);

/// The algorithms that backref can compute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// 64 lower-case hexadecimal digits.
    Sha256,
    /// 128 lower-case hexadecimal digits.
    Sha512,
}

/// Why a string is no digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// Not `algorithm:encoded` in the characters that the spec allows.
    #[error("a digest has the form algorithm:encoded, for example sha256: and 64 hexadecimal digits")]
    Grammar,
    /// A registered algorithm with the wrong encoding.
    #[error("a sha256 digest has 64 lower-case hexadecimal digits, a sha512 digest 128")]
    Encoding,
}

/// The longest digest that is taken; sha512 has 135 characters.
const MAX_LEN: usize = 255;

impl Digest {
    /// Parses `algorithm:encoded`. Unregistered algorithms pass when their grammar does.
    pub fn parse(text: &str) -> Result<Self, DigestError> {
        let (algorithm, encoded) = text.split_once(':').ok_or(DigestError::Grammar)?;
        let encoded_ok = !encoded.is_empty()
            && encoded.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'_' | b'-'));
        if text.len() > MAX_LEN || !algorithm_ok(algorithm) || !encoded_ok {
            return Err(DigestError::Grammar);
        }
        let hex_len = match algorithm {
            "sha256" => 64,
            "sha512" => 128,
            _ => return Ok(Self(text.into())),
        };
        if encoded.len() == hex_len && encoded.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(text.into()))
        } else {
            Err(DigestError::Encoding)
        }
    }

    /// The digest of `bytes`.
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Self {
        let (name, hash) = match algorithm {
            Algorithm::Sha256 => ("sha256:", digest(&SHA256, bytes)),
            Algorithm::Sha512 => ("sha512:", digest(&SHA512, bytes)),
        };
        let mut text = String::with_capacity(name.len() + hash.as_ref().len() * 2);
        text.push_str(name);
        for byte in hash.as_ref() {
            text.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            text.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        }
        Self(text.into())
    }

    /// The algorithm, where it is one that backref can compute.
    pub fn algorithm(&self) -> Option<Algorithm> {
        match self.0.split_once(':')?.0 {
            "sha256" => Some(Algorithm::Sha256),
            "sha512" => Some(Algorithm::Sha512),
            _ => None,
        }
    }

    /// The whole digest, `algorithm:encoded`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `algorithm ::= component (separator component)*`, `component ::= [a-z0-9]+`, `separator ::= [+._-]`.
fn algorithm_ok(algorithm: &str) -> bool {
    algorithm
        .split(['+', '.', '_', '-'])
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()))
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_known_bytes_are_the_known_ones() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Digest::of(Algorithm::Sha256, b"").as_str(), format!("sha256:{empty}"));
        assert_eq!(Digest::of(Algorithm::Sha512, b"").as_str().len(), 7 + 128);
    }

    #[test]
    fn digests_are_taken_in_their_grammar_alone() {
        for good in ["sha256+b64u:LCa0a2j_xo-5m0U8HTBBNBNCLXBkg7-g=", "multihash+base58:QmRZ", "blake3:00"] {
            assert!(Digest::parse(good).is_ok(), "{good}");
        }
        let hex = "A".repeat(64);
        for bad in
            ["", "sha256", "sha256:", ":00", "sha256:00", "Sha1:00", "a..b:00", "blake3:0/0", &format!("sha256:{hex}")]
        {
            assert!(Digest::parse(bad).is_err(), "{bad}");
        }
    }
}
