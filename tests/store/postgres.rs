//! The server on which the suite has its databases: one for the whole process.

use std::{
    sync::{Arc, LazyLock, mpsc},
    thread,
};

use backref::{
    config::PostgresUrl,
    store::{OpenError, OpenFor, PostgresStore, Store},
};

use crate::support::Postgres;

/// It lives on a thread of its own, since it ends with the thread that started it.
static SERVER: LazyLock<Arc<Postgres>> = LazyLock::new(|| {
    let (sender, started) = mpsc::channel();
    thread::spawn(move || {
        // What a crash leaves is another suite's business.
        let server = Arc::new(Postgres::start(&["fsync=off", "max_connections=500"]));
        sender.send(server.clone()).expect("somebody waits");
        thread::park();
    });
    started.recv().expect("a server")
});

pub(crate) fn server() -> &'static Postgres {
    &SERVER
}

pub(crate) fn open(url: &str, purpose: OpenFor) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&PostgresUrl::parse(url).expect("a URL"), purpose, 4)
}

/// A store in a database of its own.
pub(crate) fn new_store() -> Arc<dyn Store> {
    Arc::new(open(&server().database(), OpenFor::Serving).expect("a new store"))
}
