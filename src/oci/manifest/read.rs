//! What is made of a manifest that is read from a registry, whoever pushed it there.

use bytes::Bytes;

use super::{
    error::ManifestError,
    fields::Fields,
    raw::{Manifest, RawManifest},
    subject,
};
use crate::oci::{json, media_type::MediaType};

/// A manifest that a registry holds, and what it says of its place among the referrers.
#[derive(Debug)]
pub enum Reading {
    /// It refers to a subject, for every reader that can read it.
    Refers(RawManifest, Manifest),
    /// It refers to nobody.
    Plain(RawManifest),
    /// It may refer to somebody: whoever asks leaves the manifest, and what names it, as they were found.
    Unreadable(RawManifest, ManifestError),
}

impl Reading {
    /// The manifest as it came.
    pub fn raw(&self) -> &RawManifest {
        match self {
            Self::Refers(raw, _) | Self::Plain(raw) | Self::Unreadable(raw, _) => raw,
        }
    }
}

impl RawManifest {
    /// Takes a manifest that a registry gave, with its `Content-Type`, and reads whom it refers to.
    ///
    /// The registry holds the manifest already, so nothing is refused, and what can't be read is no verdict. The rule:
    ///
    /// 1. The manifest refers to a subject if exactly one key is `subject` or folds to it, and the value has exactly one
    ///    key that is `digest` or folds to it, with a digest in its grammar; or if the same is true of `refers`. If both
    ///    name a digest, it is the same one. A `refers` that gives no reader a digest doesn't count beside a subject.
    /// 2. The manifest refers to nobody if each member whose key is `subject` or `refers`, or folds to one of them, is
    ///    `null` or an object without a digest.
    /// 3. There is no verdict on any other, nor on what is no JSON object, nor on a referrer whose media type neither
    ///    the `Content-Type` nor the body gives: no descriptor of it could be listed.
    ///
    /// What lists give beside the subject is read as most readers do: of two members of one name the last counts, keys
    /// fold, and what isn't UTF-8 is U+FFFD. A value of another type is left out, and so is each annotation that is no
    /// string ([`Annotations`](crate::oci::Annotations) of more than 64 KiB with such an annotation are left out whole).
    ///
    /// The media type is the one of the `Content-Type` if that is a manifest's, else the body's if that is a manifest's,
    /// else whichever is given, the `Content-Type` first.
    pub fn read(bytes: Bytes, content_type: Option<&str>) -> Reading {
        let content_type = content_type.map(MediaType::parse).unwrap_or_default();
        let (media_type, verdict) = read(&bytes, content_type);
        let raw = Self { bytes, media_type };
        match verdict {
            Ok(Some(manifest)) => Reading::Refers(raw, manifest),
            Ok(None) => Reading::Plain(raw),
            Err(error) => Reading::Unreadable(raw, error),
        }
    }
}

fn read(bytes: &[u8], content_type: MediaType) -> (MediaType, Result<Option<Manifest>, ManifestError>) {
    let text = json::text(bytes);
    let mut fields = match Fields::read(&text) {
        Ok(fields) => fields,
        Err(error) => return (content_type, Err(error)),
    };
    let media_type = match fields.own_media_type() {
        Some(own) if content_type.is_empty() || (own.is_manifest() && !content_type.is_manifest()) => own,
        _ => content_type,
    };
    let (named, refers) = (std::mem::take(&mut fields.subject), std::mem::take(&mut fields.refers));
    let verdict = match subject::leniently(named, refers) {
        Ok(Some(_)) if media_type.is_empty() => {
            Err(ManifestError::Field { field: "mediaType", reason: "neither header nor body give one".into() })
        }
        Ok(subject) => Ok(subject.map(|subject| Manifest::leniently(Some(subject), &media_type, &fields))),
        Err(error) => Err(error),
    };
    (media_type, verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{
        digest::{Algorithm, Digest},
        manifest::subject::{Subject, Via},
    };

    const IMAGE: &str = MediaType::IMAGE;

    fn read(json: impl AsRef<[u8]>) -> Reading {
        RawManifest::read(Bytes::copy_from_slice(json.as_ref()), Some(IMAGE))
    }

    fn digest() -> String {
        format!("sha256:{}", "0".repeat(64))
    }

    fn real() -> String {
        format!(r#"{{"mediaType":"{IMAGE}","size":2,"digest":"{}"}}"#, digest())
    }

    /// The descriptor of one that refers to [`real`], without what all have.
    fn descriptor(reading: Reading) -> String {
        let Reading::Refers(raw, manifest) = reading else { panic!("{reading:?}") };
        assert_eq!(manifest.subject.as_ref().unwrap().digest.as_str(), digest());
        let own = raw.digest(Algorithm::Sha256);
        let rendered = raw.descriptor(&own, &manifest).render();
        let _: serde_json::Value = serde_json::from_str(&rendered).expect("a descriptor stays JSON");
        let (_, rest) = rendered.split_once(&format!(r#""size":{}"#, raw.bytes.len())).unwrap();
        rest.to_owned()
    }

    #[test]
    fn manifest_that_refers_beyond_doubt_is_read_whatever_else_it_holds() {
        let s = real();
        for (rest, described) in [
            (r#","annotations":{"a":null}"#, "}"),
            (r#","annotations":{"a":null,"b":"c"}"#, r#","annotations":{"b":"c"}}"#),
            (r#","annotations":{"a":"\ud800","b":"\u00e9"}"#, r#","annotations":{"b":"\u00e9"}}"#),
            (r#","annotations":[],"annotations":7"#, "}"),
            (r#","annotations":{"a":"b"},"Annotations":{"c":"d"}"#, r#","annotations":{"c":"d"}}"#),
            (r#","artifactType":"a/b","artifacttype":"c/d""#, r#","artifactType":"c/d"}"#),
            (r#","artifactType":"\ud800","config":{"MediaType":"c/d"}"#, r#","artifactType":"c/d"}"#),
            (r#","artifactType":7,"config":[]"#, "}"),
            (r#","\ud800":1,"blobs":1,"Blobs":2,"manifests":[],"layers":[]"#, "}"),
            (r#","mediaType":"a/b","mediaType":7"#, "}"),
            (r#","refers":"elsewhere""#, "}"),
            (r#","refers":{"digest":"latest"}"#, "}"),
        ] {
            let json = format!(r#"{{"subject":{s}{rest}}}"#);
            assert_eq!(descriptor(read(&json)), described, "{json}");
        }
        let not_text =
            [format!(r#"{{"subject":{s},"annotations":{{"a":""#).as_bytes(), b"\xff\"},\"\xfe\":1}"].concat();
        assert_eq!(descriptor(read(not_text)), ",\"annotations\":{\"a\":\"\u{fffd}\"}}");
    }

    #[test]
    fn manifest_subject_is_found_in_any_letter_case() {
        let (d, s) = (digest(), real());
        for (json, via) in [
            (format!(r#"{{"Subject":{s}}}"#), Via::Subject),
            (format!(r#"{{"ſubject":{{"DIGEST":"{d}"}}}}"#), Via::Subject),
            (format!(r#"{{"REFERS":{s}}}"#), Via::Refers),
            (format!(r#"{{"subject":{{}},"refers":{s}}}"#), Via::Refers),
            (format!(r#"{{"subject":{s},"refers":{s}}}"#), Via::Subject),
        ] {
            let Reading::Refers(_, manifest) = read(&json) else { panic!("{json}") };
            assert_eq!(manifest.subject, Some(Subject { digest: Digest::parse(&d).unwrap(), via }), "{json}");
        }
    }

    #[test]
    fn manifest_without_a_subject_is_plain() {
        for json in [
            "{}",
            r#"{"subject":null,"refers":{}}"#,
            r#"{"subject":{"size":1},"SUBJECT":null}"#,
            r#"{"refers":{"digest":""}}"#,
            r#"{"annotations":{"a":null},"subjects":7,"\ud800":1}"#,
        ] {
            assert!(matches!(read(json), Reading::Plain(_)), "{json}");
        }
        assert!(matches!(read(b"{\"a\":\"\xff\"}"), Reading::Plain(_)));
    }

    #[test]
    fn manifest_that_two_readers_could_read_differently_is_unreadable() {
        let (d, s) = (digest(), real());
        for json in [
            "",
            "[]",
            "not json",
            "\u{feff}{}",
            &format!(r#"{{"subject":{s}}} {{}}"#),
            &format!(r#"{{"subject":{s},"#),
            &format!(r#"{{"subject":{s},"subject":{s}}}"#),
            &format!(r#"{{"subject":{s},"Subject":null}}"#),
            &format!(r#"{{"subject":{{"digest":"{d}","digest":"{d}"}}}}"#),
            &format!(r#"{{"subject":"{d}"}}"#),
            &format!(r#"{{"subject":{{"digest":"{d} "}},"refers":{s}}}"#),
            r#"{"subject":{"digest":"sha256:00"}}"#,
            r#"{"subject":7,"subject":7}"#,
            r#"{"refers":"elsewhere"}"#,
            &format!(r#"{{"subject":{s},"refers":{{"digest":"blake3:00"}}}}"#),
            &format!(r#"{{"subject":{s},"refers":{s},"Refers":{s}}}"#),
        ] {
            assert!(matches!(read(json), Reading::Unreadable(..)), "{json}");
        }
        let half = [br#"{"subject":{"digest":"sha256:"#, &[0xff; 64][..], b"\"}}"].concat();
        assert!(matches!(read(half), Reading::Unreadable(..)));
    }

    #[test]
    fn manifest_media_type_is_the_content_type_where_that_is_a_manifest_type() {
        let s = real();
        let read = |content_type, own: &str| {
            let json = format!(r#"{{{own}"subject":{s}}}"#);
            match RawManifest::read(json.into(), content_type) {
                Reading::Refers(raw, _) => Some(raw.media_type.as_str().to_owned()),
                _ => None,
            }
        };
        let own = format!(r#""mediaType":"{IMAGE}","#);
        for (content_type, own, media_type) in [
            (Some("Application/vnd.OCI.image.INDEX.v1+json; a=b"), own.as_str(), Some(MediaType::INDEX)),
            (Some("application/octet-stream"), &own, Some(IMAGE)),
            (None, &own, Some(IMAGE)),
            (Some("A/B"), "", Some("a/b")),
            (Some("a/b"), r#""mediaType":"c/d","#, Some("a/b")),
            (None, r#""mediaType":"c/d","#, Some("c/d")),
            (None, "", None),
        ] {
            assert_eq!(read(content_type, own).as_deref(), media_type, "{content_type:?} {own}");
        }
    }

    #[test]
    fn manifest_whose_subject_a_tag_names_is_described() {
        let by_tag = || Subject { digest: Digest::parse(&digest()).unwrap(), via: Via::Tag };
        let raw = |json: &str| RawManifest { bytes: json.to_owned().into(), media_type: MediaType::parse(IMAGE) };
        let odd = raw(r#"{"artifactType":"a/b","annotations":{"a":null,"b":"c"}}"#);
        assert!(odd.described(by_tag()).is_err(), "of what is pushed, all has to be given");
        let manifest = odd.described_leniently(by_tag());
        assert_eq!((manifest.subject.as_ref(), manifest.artifact_type.as_deref()), (Some(&by_tag()), Some("a/b")));
        assert_eq!(manifest.annotations.unwrap().raw().get(), r#"{"b":"c"}"#);
        let none = raw("not json");
        assert_eq!(none.described(by_tag()).unwrap().subject, Some(by_tag()));
        assert_eq!(none.described_leniently(by_tag()).subject, Some(by_tag()));
    }
}
