//! `/v2/_oci/ext/discover` and `/v2/<name>/_oci/ext/discover`: which extensions there are (distribution-spec's extensions API).

use serde_json::{Value, json};

/// What `upstream` says it has, if it says so, and what backref adds.
pub fn render(upstream: Option<&[u8]>) -> Vec<u8> {
    let said: Option<Value> = upstream.and_then(|body| serde_json::from_slice(body).ok());
    let mut extensions = match said {
        Some(Value::Object(mut said)) => said.remove("extensions"),
        _ => None,
    }
    .and_then(|extensions| match extensions {
        Value::Array(extensions) => Some(extensions),
        _ => None,
    })
    .unwrap_or_default();
    for (name, url, description) in [
        (
            "_oci",
            "https://github.com/opencontainers/wg-reference-types/blob/main/docs/proposals/PROPOSAL_A.md",
            "Who refers to a digest, as the reference-types working group proposed it",
        ),
        (
            "_oras",
            "https://github.com/oras-project/artifacts-spec/blob/main/manifest-referrers-api.md",
            "Who refers to a digest, as the ORAS artifacts-spec has it",
        ),
    ] {
        let endpoint = format!("{name}/artifacts/referrers");
        let known = |extension: &Value| {
            extension["endpoints"].as_array().is_some_and(|all| all.iter().any(|one| *one == endpoint))
        };
        if extensions.iter().any(known) {
            continue;
        }
        // Names are unique: the upstream's own gets one endpoint more.
        let own = extensions.iter_mut().find(|extension| extension["name"] == name);
        if let Some(endpoints) = own.and_then(|own| own.get_mut("endpoints")?.as_array_mut()) {
            endpoints.push(endpoint.into());
        } else {
            extensions.push(json!({"name": name, "url": url, "description": description, "endpoints": [endpoint]}));
        }
    }
    json!({ "extensions": extensions }).to_string().into_bytes()
}

/// Whether a list of extensions has both older referrers APIs, as backref's has.
pub fn is_backrefs(body: &[u8]) -> bool {
    let said: Value = serde_json::from_slice(body).unwrap_or_default();
    let has = |endpoint: &str| {
        said["extensions"].as_array().into_iter().flatten().any(|extension| {
            extension["endpoints"].as_array().is_some_and(|all| all.iter().any(|one| *one == endpoint))
        })
    };
    has("_oci/artifacts/referrers") && has("_oras/artifacts/referrers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(upstream: Option<&[u8]>) -> Vec<String> {
        let said: Value = serde_json::from_slice(&render(upstream)).unwrap();
        said["extensions"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn discover_lists_the_registrys_extensions_first_and_none_twice() {
        assert_eq!(names(None), ["_oci", "_oras"]);
        assert_eq!(names(Some(b"<html>")), ["_oci", "_oras"]);
        assert!(is_backrefs(&render(None)) && !is_backrefs(b"<html>"));
        let upstream = br#"{"extensions":[{"name":"_zot"},{"name":"mine","endpoints":["_oras/artifacts/referrers"]}]}"#;
        assert_eq!(names(Some(upstream)), ["_zot", "mine", "_oci"]);
        let upstream = br#"{"extensions":[{"name":"_oci","url":"u","endpoints":["_oci/ext/discover"]}]}"#;
        let said: Value = serde_json::from_slice(&render(Some(upstream))).unwrap();
        assert_eq!(names(Some(upstream)), ["_oci", "_oras"]);
        assert_eq!(said["extensions"][0]["endpoints"], json!(["_oci/ext/discover", "_oci/artifacts/referrers"]));
    }
}
