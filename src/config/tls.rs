//! `[tls]`

use std::path::PathBuf;

use http::HeaderName;

use super::{
    parse::{header_name, path},
    sources::Sources,
};

/// TLS where clients come in.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs, reason = "see Config")]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub client_ca: Option<PathBuf>,
    pub subject_header: Option<HeaderName>,
}

impl Tls {
    /// `None`: clients come in the clear. `ignored`: by which headers permits are not told apart.
    pub(super) fn read(s: &mut Sources, ignored: &[HeaderName]) -> Option<Self> {
        let (certificate, key) = (s.optional("tls.certificate", path), s.optional("tls.key", path));
        let client_ca = s.optional("tls.client_ca", path);
        let subject_header = s.optional("tls.subject_header", header_name);
        if let Some(header) = &subject_header
            && ignored.contains(header)
        {
            let message =
                format!("permit.ignore_headers: {header} is tls.subject_header, by which the registry decides");
            s.mistake("permit.ignore_headers", message);
        }
        if subject_header.is_some() && client_ca.is_none() {
            let message = "tls.subject_header: no client shows a certificate: set tls.client_ca as well";
            s.mistake("tls.subject_header", message.to_owned());
        }
        match (certificate, key) {
            (Some(certificate), Some(key)) => Some(Self { certificate, key, client_ca, subject_header }),
            (None, None) if client_ca.is_none() => None,
            (certificate, _) => {
                let missing = if certificate.is_none() { "tls.certificate" } else { "tls.key" };
                s.mistake(missing, format!("{missing} is missing: TLS needs a certificate and its key"));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn load(settings: &[&str]) -> Result<Option<Tls>, String> {
        let mut sources = Sources::default();
        sources.toml("f.toml", &settings.join("\n"));
        sources.flag("--upstream", "upstream.url", Some("http://127.0.0.1:5000"));
        let loaded = Config::load(sources);
        loaded.map(|config| config.tls).map_err(|mistakes| mistakes[0].to_string())
    }

    #[test]
    fn tls_settings_are_whole_or_a_mistake() {
        let pair = "tls.certificate = \"c\"\ntls.key = \"k\"";
        assert_eq!(load(&[]), Ok(None));
        assert!(load(&[pair]).unwrap().is_some_and(|tls| tls.client_ca.is_none()));
        let named = "tls.client_ca = \"a\"\ntls.subject_header = \"X-Client\"";
        assert!(load(&[pair, named]).unwrap().is_some_and(|tls| tls.subject_header.is_some()));
        for (settings, says) in [
            (&["tls.certificate = \"c\""][..], "tls.key is missing"),
            (&["tls.key = \"k\""], "tls.certificate is missing"),
            (&["tls.client_ca = \"a\""], "tls.certificate is missing"),
            (&[pair, "tls.subject_header = \"X-Client\""], "no client shows a certificate"),
            (&[pair, named, "permit.ignore_headers = \"x-client\""], "x-client is tls.subject_header"),
        ] {
            let mistake = load(settings).expect_err(says);
            assert!(mistake.contains(says), "{mistake}");
        }
    }
}
