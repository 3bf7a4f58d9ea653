//! An upstream that holds what it is given, and one subject already; backref in front of it.

use crate::manifests::{INDEX, REPOSITORY, plain, push, referrer};
use crate::support::{Backref, BackrefOptions, Fake, Holdings, sha256};

/// Dropped in this order: backref goes before its upstream does.
pub(crate) struct Stand {
    pub(crate) backref: Backref,
    pub(crate) fake: Fake,
    /// What the upstream holds.
    pub(crate) holdings: Holdings,
    pub(crate) subject: String,
}

pub(crate) fn up() -> Stand {
    with(|backref| backref)
}

/// With settings, TOML, and without referrers tags: what the upstream sees is the push alone.
pub(crate) fn configured(config: &str) -> Stand {
    with(|backref| backref.config(config).without_tags())
}

fn with(options: impl FnOnce(BackrefOptions) -> BackrefOptions) -> Stand {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let served = holdings.clone();
    let fake = Fake::start(move |visit| served.serve(visit));
    Stand { backref: options(Backref::of(&fake.url())).start(), fake, holdings, subject: sha256(&subject) }
}

impl Stand {
    /// Pushes a referrer of that name, and returns its digest.
    pub(crate) fn push(&self, name: &str) -> String {
        push(self.backref.host(), &referrer(&self.subject, name))
    }
}
