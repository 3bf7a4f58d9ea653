//! Lists of names, page by page: the catalog, and a repository's tags.

use http::Uri;
use serde::Deserialize;

use super::{error::OperatorError, tokens::Tokens};
use crate::{
    error::Error,
    oci::{ErrorCode, Repository},
    upstream::{EndlessList, PageWalk, Registry, next_page},
};

/// Enough for some hundred thousand names. Registries that page are far below it. As many at a time as there are jobs.
const MAX_PAGE: usize = 16 << 20;

/// How many names a page may have: short ones need more memory than their bytes.
const MAX_NAMES: usize = 500_000;

/// A list of names that is being read.
pub struct NamePages {
    next: Option<Uri>,
    walk: PageWalk,
    /// Why it is not read further.
    endless: Option<EndlessList>,
}

/// The registry's repositories, as far as it lists them for some credentials.
pub struct Catalog {
    tokens: Tokens,
    pages: NamePages,
}

/// A page, by what it may be a page of. Registries of Go write an empty list as `null`.
#[derive(Deserialize)]
struct Names {
    repositories: Option<Vec<String>>,
    tags: Option<Vec<String>>,
}

impl NamePages {
    pub(super) fn from(first: Uri) -> Self {
        let walk = PageWalk::from(&first.to_string());
        Self { next: Some(first), walk, endless: None }
    }

    /// The next page; `None` after the last. An error where the list doesn't end.
    pub(super) async fn next(&mut self, tokens: &Tokens) -> Result<Option<Vec<String>>, OperatorError> {
        if let Some(endless) = self.endless.take() {
            return Err(endless.into());
        }
        let Some(uri) = self.next.clone() else { return Ok(None) };
        let (names, next) = tokens.with(async |registry| page(registry, &uri).await).await?;
        self.next = None;
        match self.walk.go_on(&names, next.as_ref().map(Uri::to_string).as_deref()) {
            Ok(()) => self.next = next,
            Err(EndlessList::NothingNew) => return Err(EndlessList::NothingNew.into()),
            // What this page names is as good as what the others do.
            Err(endless) => self.endless = Some(endless),
        }
        Ok(Some(names))
    }
}

impl Catalog {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self { tokens, pages: NamePages::from(Uri::from_static("/v2/_catalog")) }
    }

    /// The next page of it; `None` after the last. An error where it doesn't end.
    pub async fn next(&mut self) -> Result<Option<Vec<Repository>>, OperatorError> {
        let names = self.pages.next(&self.tokens).await?;
        // What is no name can't be asked about either.
        Ok(names.map(|names| names.iter().filter_map(|name| Repository::parse(name)).collect()))
    }
}

/// One page, and where the next is.
async fn page(registry: &Registry, from: &Uri) -> Result<(Vec<String>, Option<Uri>), Error> {
    let (headers, body) = registry.page(from.clone(), MAX_PAGE).await?;
    let next = next_page(&headers).map(Uri::try_from).transpose().map_err(|_| Error::Incomplete)?;
    // Each name has two quotation marks, so that there are no more names than this.
    if body.split(|&byte| byte == b'"').count() / 2 > MAX_NAMES {
        let message = format!("a page of the registry's list has more than {MAX_NAMES} names");
        return Err(Error::bad(ErrorCode::Unsupported, message));
    }
    let names: Names = serde_json::from_slice(&body).map_err(|_| Error::Incomplete)?;
    Ok((names.repositories.or(names.tags).unwrap_or_default(), next))
}
