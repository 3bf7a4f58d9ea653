//! The registry as a whole, for an operator.

use std::sync::Arc;

use http::Uri;
use moka::sync::Cache;

use super::{
    connection::{Connection, Greeting},
    error::OperatorError,
    names::Catalog,
    repository::RepositorySession,
    tokens::Tokens,
};
use crate::{
    app::App,
    dialect::discover,
    oci::Repository,
    referrers::ManifestKey,
    upstream::{LoginError, Registry},
};

/// A registry, and the operator who works on it.
pub struct Operator {
    app: Arc<App>,
    connection: Arc<Connection>,
    /// Manifests that were read and need not be read again.
    read: Arc<Cache<ManifestKey, ()>>,
}

/// How many manifests are remembered as read.
const READ: u64 = 100_000;

impl Operator {
    /// Reads the credentials; asks nothing yet.
    pub fn new(app: Arc<App>) -> Result<Self, LoginError> {
        let connection = Connection::new(app.upstream.clone())?;
        Ok(Self { app, connection: Arc::new(connection), read: Arc::new(Cache::new(READ)) })
    }

    /// What the command shares with requests.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// What the registry says to whoever comes without credentials.
    pub async fn greet(&self) -> Result<Greeting, OperatorError> {
        Ok(self.connection.greet().await?)
    }

    /// Whether it answers as backref does. What can't be found out is no.
    pub async fn is_backref(&self) -> bool {
        const MOST: usize = 1 << 20;
        let tokens = Tokens::new(self.connection.clone(), vec!["registry:catalog:*".to_owned()]);
        let ask =
            async |registry: &Registry| Ok(registry.page(Uri::from_static("/v2/_oci/ext/discover"), MOST).await?);
        tokens.with(ask).await.is_ok_and(|(_, body)| discover::is_backrefs(&body))
    }

    /// The registry's repositories, as far as it lists them for these credentials; nothing is read yet.
    pub fn catalog(&self) -> Catalog {
        Catalog::new(Tokens::new(self.connection.clone(), vec!["registry:catalog:*".to_owned()]))
    }

    /// One repository. `deletes`: tokens that allow deleting are asked for.
    pub fn repository(&self, repository: Repository, deletes: bool) -> RepositorySession {
        RepositorySession::new(self.app.clone(), self.connection.clone(), self.read.clone(), repository, deletes)
    }
}
