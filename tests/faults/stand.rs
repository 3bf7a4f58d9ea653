//! An upstream whose answers to pushes and deletes a test holds back, and backref in front of it.

use std::thread::{self, JoinHandle};

use crate::manifests::{INDEX, REPOSITORY, listed, path, plain, push_as, referrer};
use crate::support::http::Answer;
use crate::support::{Backref, BackrefOptions, Fake, Gate, Holdings, Visit, sha256};

/// Dropped in this order: backref goes before its upstream does.
pub(crate) struct Stand {
    pub(crate) backref: Backref,
    pub(crate) fake: Fake,
    pub(crate) holdings: Holdings,
    pub(crate) subject: String,
}

impl Stand {
    /// `script` decides what the upstream does; the subject is there.
    pub(crate) fn up(script: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static) -> Self {
        Self::with(script, BackrefOptions::without_tags)
    }

    /// The same on a file, for what may happen to one.
    pub(crate) fn on_sqlite(script: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static) -> Self {
        Self::with(script, |backref| backref.without_tags().on_sqlite())
    }

    pub(crate) fn with(
        script: impl Fn(&Holdings, &mut Visit) + Send + Sync + 'static,
        options: impl FnOnce(BackrefOptions) -> BackrefOptions,
    ) -> Self {
        let holdings = Holdings::default();
        let subject = plain("subject");
        holdings.hold(REPOSITORY, INDEX, &subject);
        let held = holdings.clone();
        let fake = Fake::start(move |visit| script(&held, visit));
        let backref = options(Backref::of(&fake.url())).start();
        Self { backref, fake, holdings, subject: sha256(&subject) }
    }

    pub(crate) fn referrer(&self, name: &str) -> Vec<u8> {
        referrer(&self.subject, name)
    }

    pub(crate) fn listed(&self) -> Vec<String> {
        listed(&self.backref, &self.subject)
    }

    /// Pushes by digest, on a thread of its own.
    pub(crate) fn push_meanwhile(&self, manifest: &[u8]) -> JoinHandle<Answer> {
        let (host, manifest) = (self.backref.host().to_owned(), manifest.to_owned());
        thread::spawn(move || push_as(&host, &sha256(&manifest), &manifest))
    }
}

/// What a push looks like on the wire: the head, and the whole body.
pub(crate) fn push_request(manifest: &[u8]) -> (String, Vec<u8>) {
    let (target, length) = (path(&sha256(manifest)), manifest.len());
    let head = format!("PUT {target} HTTP/1.1\r\nHost: a\r\nContent-Type: {INDEX}\r\nContent-Length: {length}\r\n\r\n");
    (head, manifest.to_owned())
}

/// Holds requests of one method back: before the upstream acts on them, and between that and its answer.
#[derive(Clone)]
pub(crate) struct Hold {
    method: &'static str,
    pub(crate) act: Gate,
    pub(crate) answer: Gate,
}

impl Hold {
    pub(crate) fn new(method: &'static str) -> Self {
        Self { method, act: Gate::default(), answer: Gate::default() }
    }

    /// Serves a request of any method, those of this one as the gates say. The whole request is there before the
    /// first of them.
    pub(crate) fn serve(&self, holdings: &Holdings, visit: &mut Visit) {
        if !visit.is(self.method) {
            return holdings.serve(visit);
        }
        if visit.body().is_none() {
            return;
        }
        self.act.pass();
        if let Some(reply) = holdings.apply(visit) {
            self.answer.pass();
            reply.give(visit);
        }
    }
}
