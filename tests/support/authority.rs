//! A certificate authority, and certificates of its.

use std::fs;
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tempfile::TempDir;

/// An authority, and a folder for files.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority");
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a certificate");
        let this = Self { issuer, directory: TempDir::new().expect("a folder") };
        fs::write(this.path("ca.pem"), this.pem()).expect("a file");
        this
    }

    /// Its certificate, which is in `ca.pem` too.
    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A file in its folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A certificate for `127.0.0.1` and for clients, with that name in it, and its key: PEM.
    pub(crate) fn issue(&self, common_name: &str) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()]).expect("names");
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    /// The same as two files, `tls.crt` and `tls.key` of that folder.
    pub(crate) fn issue_into(&self, folder: &Path, common_name: &str) {
        let (certificate, key) = self.issue(common_name);
        fs::write(folder.join("tls.crt"), certificate).expect("a file");
        fs::write(folder.join("tls.key"), key).expect("a file");
    }

    /// `[tls]` with a certificate of its own, and what else is to stand there.
    pub(crate) fn config(&self, more: &str) -> String {
        self.issue_into(self.directory.path(), "backref");
        let (certificate, key) = (self.path("tls.crt"), self.path("tls.key"));
        tls_config(&certificate, &key) + more
    }
}

/// `[tls]` with these files.
pub(crate) fn tls_config(certificate: &Path, key: &Path) -> String {
    format!("[tls]\ncertificate = \"{}\"\nkey = \"{}\"\n", certificate.display(), key.display())
}
