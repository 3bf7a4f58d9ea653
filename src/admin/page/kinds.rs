//! What a referrer is, in a word for people, by its artifact type.

/// Each word, with parts of the types that are so; the first that fits counts.
const KINDS: [(&str, &[&str]); 6] = [
    ("VEX statement", &["vex"]),
    ("SBOM", &["spdx", "cyclonedx", "syft", "sbom"]),
    ("scan report", &["sarif", "trivy", "grype", "vuln", "scan"]),
    ("attestation", &["in-toto", "intoto", "slsa", "attest", "provenance", "dsse"]),
    ("signature", &["signature", "simplesigning", "sigstore", "cosign", "notary", "notation"]),
    ("test result", &["junit", "test-result"]),
];

/// A word for an artifact type.
pub(super) fn kind(artifact_type: Option<&str>) -> &'static str {
    let Some(artifact_type) = artifact_type else { return "manifest" };
    let artifact_type = artifact_type.to_ascii_lowercase();
    let known = KINDS.iter().find(|(_, parts)| parts.iter().any(|part| artifact_type.contains(part)));
    known.map_or("artifact", |(word, _)| word)
}

#[cfg(test)]
mod tests {
    use super::kind;

    #[test]
    fn page_says_what_a_referrer_is() {
        for (artifact_type, word) in [
            ("application/vnd.cncf.notary.signature", "signature"),
            ("application/vnd.dev.sigstore.bundle.v0.3+json", "signature"),
            ("application/vnd.dev.cosign.artifact.sig.v1+json", "signature"),
            ("application/spdx+json", "SBOM"),
            ("application/vnd.cyclonedx+json", "SBOM"),
            ("application/vnd.in-toto+json", "attestation"),
            ("application/sarif+json", "scan report"),
            ("application/vnd.openvex+json", "VEX statement"),
            ("application/vnd.example.thing", "artifact"),
        ] {
            assert_eq!(kind(Some(artifact_type)), word, "{artifact_type}");
        }
        assert_eq!(kind(None), "manifest");
    }
}
