//! All repositories that a command may look into: the database's, and the registry's.

use std::collections::HashSet;

use super::{printer::Line, work::Work};
use crate::{
    oci::Repository,
    operator::{OperatorError, RepositorySession},
};

/// What was gone through.
pub(super) struct Visited {
    /// How many repositories.
    pub(super) repositories: usize,
    /// Why the registry lists none.
    pub(super) unlisted: Option<OperatorError>,
}

/// Goes through the repositories that the database has, and through all that the registry lists, page by page; through
/// those that were named, where some were.
pub(super) async fn everywhere(
    work: &Work,
    visit: impl AsyncFn(&RepositorySession) -> Result<(), OperatorError>,
) -> Result<Visited, OperatorError> {
    let recorded = work.recorded_repositories().await?;
    let mut visited =
        Visited { repositories: work.each_repository(recorded.clone(), false, &visit).await, unlisted: None };
    if !work.named.is_empty() {
        return Ok(visited);
    }
    let recorded: HashSet<Repository> = recorded.into_iter().collect();
    let (mut catalog, mut is_listed) = (work.operator.catalog(), false);
    while !work.is_stopped() {
        match work.unless_given_up(catalog.next()).await {
            None | Some(Ok(None)) => break,
            Some(Ok(Some(mut page))) => {
                is_listed = true;
                page.retain(|repository| !recorded.contains(repository));
                visited.repositories += work.each_repository(page, false, &visit).await;
            }
            Some(Err(error)) if is_listed => {
                let message = format!(
                    "not all repositories that the registry lists were looked into: {error}; name the others on \
                     the command line"
                );
                work.printer.finding(&Line { kind: "catalog-not-read", message, ..Line::default() });
                break;
            }
            Some(Err(error)) => {
                visited.unlisted = Some(error);
                break;
            }
        }
    }
    Ok(visited)
}
