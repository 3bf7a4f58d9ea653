//! Whom a client's certificate names.

use std::fmt::Write;

use rustls::pki_types::CertificateDer;
use x509_cert::{Certificate, der::Decode};

/// The subject of a certificate as text (RFC 4514): `CN=builder,O=Example`. What is no visible ASCII is written in the
/// `\c3\a9` of section 2.4. `None`: it can't be read.
pub(crate) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let certificate = Certificate::from_der(certificate).ok()?;
    let name = certificate.tbs_certificate.subject.to_string();
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        if matches!(byte, b' '..=b'~') {
            text.push(char::from(byte));
        } else {
            // Writing to a string doesn't fail.
            let _ = write!(text, "\\{byte:02x}");
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::*;

    #[test]
    fn subject_is_one_line_of_ascii_that_nobody_can_forge_another_with() {
        for (common_name, expected) in [
            ("builder", "CN=builder,O=Example"),
            ("a,O=Other", "CN=a\\,O=Other,O=Example"),
            ("Zoë\r\nX: y", "CN=Zo\\c3\\ab\\0d\\0aX: y,O=Example"),
        ] {
            let mut name = DistinguishedName::new();
            name.push(DnType::OrganizationName, "Example");
            name.push(DnType::CommonName, common_name);
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name = name;
            let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            assert_eq!(subject(certificate.der()).as_deref(), Some(expected));
        }
        assert_eq!(subject(&CertificateDer::from(vec![0; 10])), None);
    }
}
