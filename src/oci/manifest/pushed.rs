//! What is refused of a manifest that is pushed.

use bytes::Bytes;

use super::{
    error::ManifestError,
    fields::Fields,
    raw::{Manifest, RawManifest},
    subject,
};
use crate::oci::{json, media_type::MediaType};

impl RawManifest {
    /// Takes a pushed body and its `Content-Type`, and reads whom it refers to.
    ///
    /// Refused is only what is ambiguous about a subject that would be recorded, and what is two kinds of manifest at
    /// once. The upstream judges everything else, since unknown properties are no error (image-spec 1.1,
    /// considerations.md, "Extensibility"): such a manifest names nobody here. The rule, in this order:
    ///
    /// 1. The media type is the one of the `Content-Type`; without that, the one of the body's `mediaType`. A body that
    ///    is no JSON object names nobody, nor does a manifest of another media type than the six of
    ///    [`MANIFEST_ACCEPT`](crate::oci::MANIFEST_ACCEPT).
    /// 2. Two kinds of manifest at once (CVE-2021-41190) are `manifests` beside `config` or `layers`, where both are
    ///    given and not `null`, and a `mediaType` that differs from the `Content-Type`.
    /// 3. The subject is in the member `subject`, under that key or under one that folds to it, and there in the member
    ///    `digest`, found the same way. If nothing found so is a digest in its grammar, the field names nobody: `null`,
    ///    `{}`, a string, `sha256:00`. Otherwise anything but one member `subject` with one member `digest`, both
    ///    spelled exactly so, is refused. The same holds for `refers`; if both fields name a digest, it is the same one.
    /// 4. If there is a subject, what lists give beside it is unambiguous too: the body is UTF-8; `artifactType` is
    ///    there at most once and is a string, as is the config's media type where that counts; `annotations` is there
    ///    at most once and is an object of strings; and so is `mediaType`, where there is no `Content-Type`.
    /// 5. An artifact manifest may be rewritten, with a subject or without: `mediaType`, `artifactType`, `blobs` and
    ///    `annotations` are there at most once.
    pub fn parse(bytes: Bytes, content_type: Option<&str>) -> Result<(Self, Manifest), ManifestError> {
        let content_type = content_type.map(MediaType::parse).filter(|media_type| !media_type.is_empty());
        let (media_type, manifest) = parse(&bytes, content_type)?;
        Ok((Self { bytes, media_type }, manifest))
    }
}

fn parse(bytes: &[u8], content_type: Option<MediaType>) -> Result<(MediaType, Manifest), ManifestError> {
    let text = json::text(bytes);
    let Ok(mut fields) = Fields::read(&text) else {
        return Ok((content_type.unwrap_or_default(), Manifest::default()));
    };
    let has_content_type = content_type.is_some();
    let media_type = content_type.or_else(|| fields.own_media_type()).unwrap_or_default();
    if !media_type.is_manifest() {
        return Ok((media_type, Manifest::default()));
    }
    fields.check_kind(&media_type)?;
    let (named, refers) = (std::mem::take(&mut fields.subject), std::mem::take(&mut fields.refers));
    let subject = subject::strictly(named, refers)?;
    if media_type.is_artifact() {
        fields.blobs.only("blobs")?;
        fields.annotations.only("annotations")?;
        fields.artifact_type.only("artifactType")?;
    }
    if media_type.is_artifact() || (subject.is_some() && !has_content_type) {
        fields.media_type.only("mediaType")?;
    }
    if subject.is_none() {
        return Ok((media_type, Manifest::default()));
    }
    std::str::from_utf8(bytes)?;
    let manifest = Manifest::strictly(subject, &media_type, &fields)?;
    Ok((media_type, manifest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{digest::Digest, manifest::subject::Via};

    const IMAGE: &str = MediaType::IMAGE;
    const ARTIFACT: &str = "application/vnd.oci.artifact.manifest.v1+json";

    fn parse_as(content_type: Option<&str>, json: impl AsRef<[u8]>) -> Result<(RawManifest, Manifest), ManifestError> {
        RawManifest::parse(Bytes::copy_from_slice(json.as_ref()), content_type)
    }

    fn parse(json: impl AsRef<[u8]>) -> Result<Manifest, ManifestError> {
        parse_as(Some(IMAGE), json).map(|(_, manifest)| manifest)
    }

    fn digest() -> String {
        format!("sha256:{}", "0".repeat(64))
    }

    fn real() -> String {
        format!(r#"{{"mediaType":"{IMAGE}","size":2,"digest":"{}"}}"#, digest())
    }

    #[test]
    fn manifest_that_names_no_subject_is_the_upstreams_to_judge() {
        let (d, s) = (digest(), real());
        for json in [
            "",
            "not json",
            "[]",
            "{} {}",
            "\u{feff}{}",
            "{\"a\":\"\u{1}\"}",
            &format!(r#"{{"subject":{s},"#),
            r#"{"subject":null}"#,
            r#"{"subject":{}}"#,
            r#"{"subject":{"digest":null,"digest":""}}"#,
            &format!(r#"{{"subject":"{d}"}}"#),
            &format!(r#"{{"subject":[{s}]}}"#),
            r#"{"subject":{"digest":7}}"#,
            r#"{"subject":{"digest":"latest"}}"#,
            r#"{"subject":{"digest":"sha256:00"}}"#,
            &format!(r#"{{"subject":{{"digest":"{d} "}}}}"#),
            r#"{"subject":7,"Subject":{},"SUBJECT":null}"#,
            r#"{"refers":"elsewhere"}"#,
            r#"{"refers":7,"Refers":{"to":"somebody"}}"#,
            r#"{"Refers":{}}"#,
            &format!(r#"{{"annotations":{{"subject":"{d}"}},"referrers":{s},"subjects":[{s}]}}"#),
            r#"{"blobs":[],"blobs":{},"Blobs":7}"#,
            r#"{"artifactType":7,"artifacttype":"a/b","config":7,"Config":7,"annotations":{"a":null},"annotations":[]}"#,
            r#"{"manifests":null,"layers":[],"config":{}}"#,
            r#"{"manifests":[],"layers":null}"#,
            r#"{"mediaType":7,"mediaType":null}"#,
        ] {
            let manifest = parse(json).unwrap_or_else(|error| panic!("{json}: {error}"));
            assert_eq!(manifest.subject, None, "{json}");
        }
        assert_eq!(parse(b"{\"a\":\"\xff\",\"\\ud800\":1}").unwrap().subject, None);
    }

    #[test]
    fn manifest_of_an_unknown_type_is_the_upstreams_to_judge() {
        let s = real();
        let two_kinds = format!(r#"{{"mediaType":"{IMAGE}","manifests":[],"layers":[],"subject":{s},"Subject":{s}}}"#);
        for content_type in
            [Some("application/vnd.docker.distribution.manifest.v1+prettyjws"), Some("text/html"), Some("x")]
        {
            let (raw, manifest) = parse_as(content_type, &two_kinds).unwrap();
            assert_eq!((Some(raw.media_type.as_str()), manifest.subject), (content_type, None));
        }
        let untyped = format!(r#"{{"subject":{s}}}"#);
        for content_type in [None, Some(""), Some("; charset=utf-8")] {
            assert_eq!(parse_as(content_type, &untyped).unwrap().1.subject, None);
            let typed = format!(r#"{{"mediaType":"Application/Vnd.OCI.image.manifest.v1+json","subject":{s}}}"#);
            let (raw, manifest) = parse_as(content_type, typed).unwrap();
            assert_eq!((raw.media_type.as_str(), manifest.subject.is_some()), (IMAGE, true));
        }
    }

    #[test]
    fn manifest_with_a_subject_that_two_readers_could_read_differently_is_refused() {
        let (d, s) = (digest(), real());
        for (json, part) in [
            (format!(r#"{{"subject":{s},"subject":{s}}}"#), "twice"),
            (format!(r#"{{"subject":{s},"\u0073ubject":null}}"#), "twice"),
            (format!(r#"{{"Subject":7,"subject":{s}}}"#), "twice"),
            (format!(r#"{{"Subject":{s}}}"#), "another case"),
            (format!(r#"{{"ſubject":{s}}}"#), "another case"),
            (format!(r#"{{"Refers":{s}}}"#), "another case"),
            (format!(r#"{{"refers":{s},"REFERS":{{}}}}"#), "twice"),
            (format!(r#"{{"subject":{{"Digest":"{d}"}}}}"#), "another case"),
            (format!(r#"{{"subject":{{"digest":"{d}","digest":"{d}"}}}}"#), "twice"),
            (format!(r#"{{"subject":{{"digest":"{d}","digest":7}}}}"#), "twice"),
            (format!(r#"{{"subject":{{"DIGEST":"","digest":"{d}"}}}}"#), "twice"),
            (format!(r#"{{"subject":{s},"refers":{{"digest":"blake3:00"}}}}"#), "different digests"),
            (format!(r#"{{"subject":{s},"artifactType":"a/b","artifacttype":"c/d"}}"#), "twice"),
            (format!(r#"{{"subject":{s},"artifactType":7}}"#), "no string"),
            (format!(r#"{{"subject":{s},"config":{{"mediaType":"a/b","MediaType":"c/d"}}}}"#), "twice"),
            (format!(r#"{{"subject":{s},"config":[]}}"#), "config"),
            (format!(r#"{{"subject":{s},"annotations":{{"a":1}}}}"#), "annotations"),
            (format!(r#"{{"subject":{s},"Annotations":{{"a":"b"}}}}"#), "another case"),
        ] {
            let error = parse(&json).expect_err(&json).to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
        let not_text = [format!(r#"{{"subject":{s},"a":""#).as_bytes(), b"\xff\"}"].concat();
        assert!(parse(not_text).is_err_and(|error| error.to_string().contains("UTF-8")));
        let two_types = format!(r#"{{"mediaType":"{IMAGE}","MediaType":"{IMAGE}","subject":{s}}}"#);
        assert!(parse_as(None, &two_types).is_err() && parse(&two_types).is_ok());
    }

    #[test]
    fn manifest_of_two_kinds_is_refused() {
        let index = format!(r#"{{"mediaType":"{}"}}"#, MediaType::INDEX);
        for (json, part) in [
            (r#"{"manifests":[],"layers":[]}"#, "beside"),
            (r#"{"config":{},"Manifests":[]}"#, "beside"),
            (r#"{"manifests":[],"manifests":null,"layers":7}"#, "beside"),
            (r#"{"mediaType":"a/b"}"#, "Content-Type"),
            (&index, "Content-Type"),
            (&format!(r#"{{"MediaType":"a/b","mediaType":"{IMAGE}"}}"#), "Content-Type"),
        ] {
            let error = parse(json).expect_err(json).to_string();
            assert!(error.contains(part), "{json}: {error}");
        }
        let same = r#"{"mediaType":"Application/VND.oci.image.manifest.v1+json; a=b"}"#;
        assert_eq!(parse_as(Some(&format!("{IMAGE}; c=d")), same).unwrap().0.media_type.as_str(), IMAGE);
    }

    #[test]
    fn manifest_of_an_artifact_that_two_readers_could_read_differently_is_refused() {
        let own = format!(r#""mediaType":"{ARTIFACT}""#);
        for odd in [r#""blobs":[],"Blobs":[]"#, r#""ANNOTATIONS":{}"#, r#""artifactType":"","artifactType":"a/b""#] {
            assert!(parse_as(Some(ARTIFACT), format!("{{{own},{odd}}}")).is_err(), "{odd}");
        }
        assert!(parse_as(Some(ARTIFACT), format!("{{{own},{own}}}")).is_err());
        assert!(parse_as(Some(ARTIFACT), format!("{{{own},\"blobs\":[]}}")).is_ok());
    }

    #[test]
    fn manifest_gives_its_subject_and_the_field_that_names_it() {
        let (d, s) = (Digest::parse(&digest()).unwrap(), real());
        for (json, via) in [
            (format!(r#"{{"subject":{s}}}"#), Via::Subject),
            (format!(r#"{{"\u0073ubject":{s},"refers":{s}}}"#), Via::Subject),
            (format!(r#"{{"subject":{s},"refers":"elsewhere"}}"#), Via::Subject),
            (format!(r#"{{"subject":{{}},"refers":{s}}}"#), Via::Refers),
        ] {
            let subject = parse(&json).unwrap().subject.unwrap();
            assert_eq!((&subject.digest, subject.via), (&d, via), "{json}");
        }
    }

    #[test]
    fn manifest_artifact_type_is_its_own_or_that_of_its_config() {
        let s = real();
        let read = |rest: &str| parse(format!(r#"{{"subject":{s},{rest}}}"#)).unwrap().artifact_type;
        assert_eq!(read(r#""artifactType":"a/b","Config":{"mediaType":"c/d"}"#).as_deref(), Some("a/b"));
        assert_eq!(read(r#""artifactType":"","config":{"mediaType":"c/d"}"#).as_deref(), Some("c/d"));
        assert_eq!(read(r#""artifactType":null,"config":{"mediaType":"c/d"}"#).as_deref(), Some("c/d"));
        assert_eq!(read(r#""config":{"mediaType":""}"#), None);
        let index = format!(r#"{{"subject":{s},"config":{{"mediaType":"c/d"}}}}"#);
        assert_eq!(parse_as(Some(MediaType::INDEX), index).unwrap().1.artifact_type, None);
    }
}
