//! Lists that come in pages (distribution-spec 1.1, "Listing Tags").

use std::{
    collections::HashSet,
    hash::{BuildHasher, Hash, RandomState},
};

use http::{HeaderMap, header};

/// More pages than any list has.
const MAX_PAGES: usize = 100_000;

/// Why a list is not read further.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndlessList {
    /// Its pages form a circle.
    #[error("the registry's list leads back to a page that was read before")]
    Circle,
    /// A page that names what another did, or two in a row that name nothing.
    #[error("the registry's list goes on with a page that has nothing new")]
    NothingNew,
    /// More than [`MAX_PAGES`].
    #[error("the registry's list has more than {MAX_PAGES} pages")]
    TooLong,
}

/// The pages of one list that were read, so that a list without an end is found out. It keeps two hashes of each page.
pub struct PageWalk {
    hasher: RandomState,
    places: HashSet<u64>,
    contents: HashSet<u64>,
    was_empty: bool,
}

impl PageWalk {
    /// Before the page at `first`, a path and query.
    pub fn from(first: &str) -> Self {
        let hasher = RandomState::new();
        let places = HashSet::from([hasher.hash_one(first)]);
        Self { hasher, places, contents: HashSet::new(), was_empty: false }
    }

    /// After a page that holds `contents`, on the way to `next`, if there is one.
    pub fn go_on(&mut self, contents: &[impl Hash], next: Option<&str>) -> Result<(), EndlessList> {
        let Some(next) = next else { return Ok(()) };
        let is_new = if contents.is_empty() {
            // A registry may leave out what these credentials may not see: one such page is nothing strange.
            !std::mem::replace(&mut self.was_empty, true)
        } else {
            self.was_empty = false;
            self.contents.insert(self.hasher.hash_one(contents))
        };
        if !is_new {
            return Err(EndlessList::NothingNew);
        }
        if self.places.len() == MAX_PAGES {
            return Err(EndlessList::TooLong);
        }
        if !self.places.insert(self.hasher.hash_one(next)) {
            return Err(EndlessList::Circle);
        }
        Ok(())
    }
}

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
    fn paging_finds_out_what_never_ends() {
        let mut walk = PageWalk::from("/0");
        assert_eq!(walk.go_on(&["a"], Some("/1")), Ok(()));
        assert_eq!(walk.go_on(&["b"], Some("/1")), Err(EndlessList::Circle));
        assert_eq!(walk.go_on(&["a"], Some("/2")), Err(EndlessList::NothingNew));
        assert_eq!(walk.go_on(&["a"], None), Ok(()), "the last page may have nothing new");
        assert_eq!(walk.go_on(&[""; 0], Some("/3")), Ok(()));
        assert_eq!(walk.go_on(&["c"], Some("/4")), Ok(()));
        assert_eq!(walk.go_on(&[""; 0], Some("/5")), Ok(()));
        assert_eq!(walk.go_on(&[""; 0], Some("/6")), Err(EndlessList::NothingNew));
        let mut walk = PageWalk::from("/0");
        let ended =
            (1..).find_map(|page| walk.go_on(&[page], Some(&format!("/{page}"))).err().map(|error| (page, error)));
        assert_eq!(ended, Some((MAX_PAGES, EndlessList::TooLong)));
    }

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
