//! Lists that come in pages (distribution-spec 1.1, "Listing Tags").

use http::{HeaderMap, header};

/// More pages than any list has.
pub const MAX_PAGES: usize = 100_000;

/// Path and query of the page that follows, on the same registry.
pub fn next_page(headers: &HeaderMap) -> Option<String> {
    headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok()).find_map(next_of)
}

/// Of a value that may hold several links.
fn next_of(mut links: &str) -> Option<String> {
    while let Some((target, rest)) = links.split_once('<')?.1.split_once('>') {
        // Up to the next link: a comma before another `<`.
        let parameters = rest.split_once('<').map_or(rest, |(parameters, _)| parameters);
        if parameters.contains("next") {
            let path =
                target.split_once("://").map_or(Some(target), |(_, rest)| rest.find('/').map(|at| &rest[at..]))?;
            return path.starts_with('/').then(|| path.to_owned());
        }
        links = rest;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paging_next_link_stays_on_the_registry() {
        let next = |link: &str| next_page(&HeaderMap::from_iter([(header::LINK, link.parse().unwrap())]));
        assert_eq!(next("</v2/a?n=1>; rel=\"next\"").as_deref(), Some("/v2/a?n=1"));
        assert_eq!(next("<https://h/v2/a>; rel=\"next\"").as_deref(), Some("/v2/a"));
        assert_eq!(next("<//evil/v2>; rel=\"prev\""), None);
        assert_eq!(next("</v2/a>; rel=\"first\", </v2/a?last=b>; rel=\"next\"").as_deref(), Some("/v2/a?last=b"));
        assert_eq!(next("</v2/a>; rel=\"first\", </v2/a>; rel=\"last\""), None);
        let two = ["</v2/a>; rel=\"first\"", "</v2/b>; rel=\"next\""].map(|link| (header::LINK, link.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, link) in two {
            headers.append(name, link);
        }
        assert_eq!(next_page(&headers).as_deref(), Some("/v2/b"));
        assert_eq!(next("<<>"), None);
        assert_eq!(next_page(&HeaderMap::new()), None);
    }
}
