//! The referrers APIs that clients speak: a page in, headers and body out. Pure.

pub mod oci;
