//! What the requests of one connection have in common.

use std::sync::Arc;

use super::progress::Progress;
use crate::server::{service::Service, serving::Serving, transport::ConnectionInfo};

/// What the requests of one connection have in common.
pub(super) struct Shared<S: Service> {
    pub(super) serving: Arc<Serving<S>>,
    pub(super) client: S::Client,
    pub(super) progress: Arc<Progress>,
}

impl<S: Service> Shared<S> {
    pub(super) fn new(serving: Arc<Serving<S>>, info: &ConnectionInfo) -> Self {
        let client = serving.service.client(info);
        let progress = Arc::new(Progress::new(serving.options.limits.head));
        Self { serving, client, progress }
    }
}
