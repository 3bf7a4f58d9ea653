//! What the registry told, looked at with the operator's credentials.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use moka::sync::Cache;
use tokio::sync::mpsc;

use super::tokens::read_token;
use crate::{
    admin::{Notifications, QUEUE},
    app::App,
    oci::Repository,
    operator::{Notification, Operator, RepositorySession},
};

/// How many are looked at at a time.
const AT_A_TIME: usize = 8;

/// Of how many repositories the login is kept.
const SESSIONS: u64 = 1000;

/// The two ends: what takes the registry's word, and what looks at it. `None`: there is no token, so nobody may tell.
pub(super) fn notified(app: &Arc<App>) -> Result<Option<(Notifications, Looking)>, Box<dyn std::error::Error>> {
    let Some(path) = &app.config.notifications else { return Ok(None) };
    let token = read_token("notifications.token_file", path)?;
    let (sender, receiver) = mpsc::channel(QUEUE);
    let operator = Operator::new(app.clone())?;
    let looking = Looking { operator, receiver, sessions: Cache::new(SESSIONS) };
    Ok(Some((Notifications::new(&token, sender), looking)))
}

/// Looks at what the registry told.
pub(super) struct Looking {
    operator: Operator,
    receiver: mpsc::Receiver<Notification>,
    sessions: Cache<Repository, Arc<RepositorySession>>,
}

impl Looking {
    /// Until dropped.
    pub(super) async fn run(self) {
        let Self { operator, mut receiver, sessions } = self;
        let told = stream::poll_fn(move |context| receiver.poll_recv(context));
        let looking = told.for_each_concurrent(AT_A_TIME, async |told| {
            let new = || Arc::new(operator.repository(told.repository.clone(), false));
            let session = sessions.get_with_by_ref(&told.repository, new);
            if let Err(error) = session.look_at(&told).await {
                let Notification { repository, digest, .. } = &told;
                tracing::warn!(%error, %repository, %digest, "what the registry told of is not on record: `backref backfill`");
            }
        });
        looking.await;
    }
}
