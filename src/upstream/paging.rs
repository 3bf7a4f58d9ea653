//! Lists that come in pages (distribution-spec 1.1, "Listing Tags").

use http::{HeaderMap, header};

/// More pages than any list has.
pub const MAX_PAGES: usize = 100_000;

/// Path and query of the page that follows, on the same registry.
pub fn next_page(headers: &HeaderMap) -> Option<String> {
    let link = headers.get(header::LINK)?.to_str().ok()?;
    let (target, _) = link.strip_prefix('<')?.split_once('>').filter(|(_, rest)| rest.contains("next"))?;
    let path = target.split_once("://").map_or(Some(target), |(_, rest)| rest.find('/').map(|at| &rest[at..]))?;
    path.starts_with('/').then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_stays_on_the_registry() {
        let next = |link: &str| next_page(&HeaderMap::from_iter([(header::LINK, link.parse().unwrap())]));
        assert_eq!(next("</v2/a?n=1>; rel=\"next\"").as_deref(), Some("/v2/a?n=1"));
        assert_eq!(next("<https://h/v2/a>; rel=\"next\"").as_deref(), Some("/v2/a"));
        assert_eq!(next("<//evil/v2>; rel=\"prev\""), None);
        assert_eq!(next_page(&HeaderMap::new()), None);
    }
}
