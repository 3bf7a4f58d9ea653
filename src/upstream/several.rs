//! The registries that are fronted, told apart by the host that a client asks for.

use std::sync::Arc;

use super::fronted::Upstream;

/// All that are fronted: at least one.
pub struct Upstreams {
    /// The only one, or the one that takes what no other has, if there is such a one.
    first: Arc<Upstream>,
    others: Vec<Arc<Upstream>>,
}

impl Upstreams {
    /// At most one of them has no hosts, and that is the first.
    pub fn new(first: Arc<Upstream>, others: Vec<Arc<Upstream>>) -> Self {
        Self { first, others }
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The one, where there are no others: it is asked for by whatever host.
    pub fn only(&self) -> Option<&Arc<Upstream>> {
        self.others.is_empty().then_some(&self.first)
    }

    /// The one that a client asks for by this host, with or without a port. `None`: no registry is fronted under it.
    pub fn of_host(&self, host: &str) -> Option<&Arc<Upstream>> {
        let host = host.to_ascii_lowercase();
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host.as_str(),
        };
        let named = |wanted: &str| self.iter().find(|one| one.settings.hosts.iter().any(|known| known == wanted));
        named(&host)
            .or_else(|| named(name))
            .or_else(|| Some(&self.first).filter(|first| first.settings.hosts.is_empty()))
    }
}
