//! Certificates in a PEM file.

use rustls::pki_types::{CertificateDer, pem};

/// All of them. `Err`: what is wrong with the file, which has one at least.
pub(super) fn chain(
    sections: impl Iterator<Item = Result<CertificateDer<'static>, pem::Error>>,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let all = sections.collect::<Result<Vec<_>, _>>().map_err(|error| error.to_string())?;
    if all.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(all) }
}
