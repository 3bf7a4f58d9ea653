//! `WWW-Authenticate`, as registries use it (RFC 9110, 11.6.1).

/// What a registry asks of whoever is not known to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from `realm`, to be asked for with `parameters`.
    Bearer { realm: String, parameters: Vec<(String, String)> },
}

impl Challenge {
    /// Reads one header value; `None` for schemes that aren't of registries.
    pub(super) fn parse(value: &str) -> Option<Self> {
        let (scheme, mut rest) = value.trim().split_once(' ').unwrap_or((value, ""));
        if scheme.eq_ignore_ascii_case("basic") {
            return Some(Self::Basic);
        }
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut parameters) = (None, Vec::new());
        while let Some((name, after)) = rest.split_once('=') {
            let name = name.trim_matches([' ', ',']).to_ascii_lowercase();
            let (text, after) = match after.strip_prefix('"') {
                Some(quoted) => quoted.split_once('"')?,
                None => after.split_once(',').unwrap_or((after, "")),
            };
            match &*name {
                "realm" => realm = Some(text.to_owned()),
                "service" | "scope" => parameters.push((name, text.to_owned())),
                _ => {}
            }
            rest = after;
        }
        Some(Self::Bearer { realm: realm?, parameters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read() {
        let bearer = Challenge::parse(r#"Bearer realm="https://a/t?x=1",service="r",scope="repository:a:pull,push""#);
        let pairs = [("service", "r"), ("scope", "repository:a:pull,push")];
        let parameters = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(bearer, Some(Challenge::Bearer { realm: "https://a/t?x=1".into(), parameters }));
        assert_eq!(Challenge::parse("basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Negotiate"), None);
        assert_eq!(Challenge::parse("Bearer service=\"no realm\""), None);
    }
}
