//! `WWW-Authenticate` and `Authorization`, as registries use them (RFC 9110, 11.6).

/// What a registry asks of whoever is not known to it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password with each request.
    Basic,
    /// A token from `realm`, to be asked for with `parameters`.
    Bearer { realm: String, parameters: Vec<(String, String)> },
}

impl Challenge {
    /// Reads one header value: the first of its challenges whose scheme is one of registries.
    pub(super) fn parse(value: &str) -> Option<Self> {
        split(value.as_bytes()).into_iter().find_map(|one| Self::parse_one(std::str::from_utf8(one).ok()?))
    }

    fn parse_one(challenge: &str) -> Option<Self> {
        let (scheme, mut rest) = challenge.split_once(' ').unwrap_or((challenge, ""));
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

/// The challenges of one header value. They stand in a list, and so do the parameters of each.
pub(super) fn split(value: &[u8]) -> Vec<&[u8]> {
    let mut challenges: Vec<std::ops::Range<usize>> = Vec::new();
    let mut start = 0;
    for end in commas(value).into_iter().chain([value.len()]) {
        let member = value[start..end].trim_ascii();
        // Where it stands without the white space around it.
        let at = start + (value[start..end].len() - value[start..end].trim_ascii_start().len());
        let range = at..at + member.len();
        match challenges.last_mut() {
            _ if member.is_empty() => {}
            Some(challenge) if is_parameter(member) => challenge.end = range.end,
            _ => challenges.push(range),
        }
        start = end + 1;
    }
    challenges.into_iter().map(|range| &value[range]).collect()
}

/// Where the commas are that stand in no quoted string.
fn commas(value: &[u8]) -> Vec<usize> {
    let (mut quoted, mut escaped) = (false, false);
    let outside = value.iter().enumerate().filter(|(_, byte)| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' => return !quoted,
            _ => {}
        }
        false
    });
    outside.map(|(at, _)| at).collect()
}

/// A name and a value; else it begins with a scheme.
fn is_parameter(member: &[u8]) -> bool {
    member[scheme(member).len()..].trim_ascii_start().starts_with(b"=")
}

/// The token at the start of a challenge or of credentials.
fn scheme(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| matches!(byte, b' ' | b'\t' | b'=' | b',' | b'"')).unwrap_or(text.len());
    &text[..end]
}

/// Whether a challenge or credentials are of a scheme that logs in the connection, not the request.
///
/// The connections to the upstream carry the requests of all clients. Logged in by the one, a connection would give the
/// next whatever the first may do. RFC 4559, 6 has proxies keep such a connection for its client alone; backref has
/// neither challenges of these schemes pass, so that clients choose another, nor credentials.
pub(super) fn is_connection_bound(text: &[u8]) -> bool {
    let scheme = scheme(text.trim_ascii_start());
    [&b"negotiate"[..], b"ntlm"].iter().any(|bound| scheme.eq_ignore_ascii_case(bound))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_of_bearer_and_basic_are_parsed() {
        let bearer = Challenge::parse(r#"Bearer realm="https://a/t?x=1",service="r",scope="repository:a:pull,push""#);
        let pairs = [("service", "r"), ("scope", "repository:a:pull,push")];
        let parameters = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        assert_eq!(bearer, Some(Challenge::Bearer { realm: "https://a/t?x=1".into(), parameters }));
        assert_eq!(Challenge::parse("basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Negotiate"), None);
        assert_eq!(Challenge::parse("Negotiate, Basic realm=\"x\""), Some(Challenge::Basic));
        assert_eq!(Challenge::parse("Bearer service=\"no realm\""), None);
    }

    #[test]
    fn challenges_in_one_value_are_told_apart() {
        for (value, expected) in [
            ("Basic realm=\"a, NTLM\" , charset=utf-8", &["Basic realm=\"a, NTLM\" , charset=utf-8"][..]),
            ("Negotiate, NTLM ,,Basic", &["Negotiate", "NTLM", "Basic"]),
            (
                "Negotiate YII=, Bearer realm = \"t\\\", NTLM\",x=y",
                &["Negotiate YII=", "Bearer realm = \"t\\\", NTLM\",x=y"],
            ),
            (" , ", &[]),
        ] {
            let challenges = split(value.as_bytes()).into_iter().map(|one| std::str::from_utf8(one).unwrap());
            assert_eq!(challenges.collect::<Vec<_>>(), expected);
        }
    }

    #[test]
    fn challenges_of_connection_bound_schemes_are_known() {
        for bound in ["NTLM", "ntlm TlRM", " Negotiate YII="] {
            assert!(is_connection_bound(bound.as_bytes()), "{bound}");
        }
        for other in ["Basic realm=\"NTLM\"", "NTLMv2", "Bearer ntlm", ""] {
            assert!(!is_connection_bound(other.as_bytes()), "{other}");
        }
    }
}
