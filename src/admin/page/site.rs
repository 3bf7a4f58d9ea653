//! What the pages are made of.

use std::{collections::HashMap, sync::Arc};

use super::{counts::UpstreamCounts, lookup::Lookup, samples::Samples};
use crate::{admin::health::Health, app::App, config::Shown, upstream::Upstream};

/// What all pages need.
pub(super) struct Site {
    pub(super) app: Arc<App>,
    pub(super) health: Arc<Health>,
    /// The settings, with their sources.
    pub(super) settings: Vec<Shown>,
    /// `HOST:PORT` by which clients know backref.
    pub(super) address: String,
    /// Clients come in the clear.
    pub(super) is_plain: bool,
    /// Of each upstream, in the order of [`App::upstreams`].
    pub(super) counts: Vec<UpstreamCounts>,
    pub(super) samples: Samples,
    pub(super) lookup: Lookup,
}

/// A request's parameters.
pub(super) type Parameters = HashMap<String, String>;

impl Site {
    /// The registry that a request names, or the only one.
    pub(super) fn upstream(&self, parameters: &Parameters) -> Option<&Arc<Upstream>> {
        match parameters.get("upstream") {
            Some(name) => self.app.upstreams.iter().find(|one| *one.name == **name),
            None => Some(&self.app.upstream),
        }
    }
}
