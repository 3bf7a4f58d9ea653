//! Stores in databases of their own.

use std::{sync::Arc, thread};

use backref::{
    config::PostgresUrl,
    store::{OpenError, OpenFor, PostgresStore, Store, Upstreams},
};

use crate::support::Postgres;

pub(crate) fn open(url: &str, purpose: OpenFor) -> Result<PostgresStore, OpenError> {
    PostgresStore::open(&PostgresUrl::parse(url).expect("a URL"), purpose, 4)
}

/// A store in a database of its own.
pub(crate) fn new_store() -> Arc<dyn Store> {
    Arc::new(open(&Postgres::shared().database(), OpenFor::Serving).expect("a new store"))
}

fn name_of(url: &str) -> &str {
    url.rsplit('/').next().expect("a URL has a path")
}

fn refusal(url: &str) -> String {
    open(url, OpenFor::Command).err().expect("a refusal").to_string()
}

/// The same database for somebody else, with other options.
fn url_with(url: &str, user: &str, options: &str) -> String {
    format!("{}?{options}", url.replace("postgres@", &format!("{user}@")))
}

#[test]
fn postgres_store_opened_by_many_at_once_is_made_once() {
    let url = Postgres::shared().database();
    thread::scope(|scope| {
        let opening: Vec<_> = (0..12).map(|_| scope.spawn(|| open(&url, OpenFor::Serving).map(drop))).collect();
        for opened in opening {
            opened.join().expect("no panic").expect("one of them made it, the others found it");
        }
    });
    let made = Postgres::shared().psql(name_of(&url), "SELECT migrations, min_reader FROM backref_schema");
    assert_eq!(made.as_deref(), Ok("1|1"));
}

#[test]
fn postgres_store_of_somebody_else_or_a_newer_release_is_refused_and_left_as_it_is() {
    let server = Postgres::shared();
    let url = server.database();
    server.psql(name_of(&url), "CREATE TABLE theirs (x int)").expect("a table");
    assert!(refusal(&url).contains("give backref a database of its own"), "{}", refusal(&url));
    let tables = "SELECT string_agg(relname, ' ') FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(server.psql(name_of(&url), tables).as_deref(), Ok("theirs"));

    let url = server.database();
    drop(open(&url, OpenFor::Command).expect("a new store"));
    server.psql(name_of(&url), "UPDATE backref_schema SET migrations = 9").expect("written");
    drop(open(&url, OpenFor::Command).expect("min_reader lets this release"));
    server.psql(name_of(&url), "UPDATE backref_schema SET min_reader = 9").expect("written");
    assert!(refusal(&url).contains("a newer backref (schema 9, this one knows 1)"), "{}", refusal(&url));
}

#[test]
fn postgres_store_says_why_it_can_not_be_opened() {
    let url = Postgres::shared().database();
    let nowhere = url.replace(name_of(&url), "nowhere");
    assert!(refusal(&nowhere).contains("database \"nowhere\" does not exist"), "{}", refusal(&nowhere));
    assert!(refusal("postgres://me@127.0.0.1:1/refs").contains("Connection refused"));
    let mut secret = PostgresUrl::parse(&url).expect("a URL");
    secret.password_file = Some("/no/such/file".into());
    let error = PostgresStore::open(&secret, OpenFor::Command, 1).err().expect("a refusal").to_string();
    assert!(error.contains("/no/such/file: No such file"), "{error}");
}

#[test]
fn postgres_store_takes_its_password_from_a_file_for_each_connection() {
    let server = Postgres::start(&["fsync=off"]);
    let url = server.database();
    let sql = format!("CREATE ROLE me LOGIN PASSWORD 'correct'; ALTER DATABASE {} OWNER TO me", name_of(&url));
    server.psql("postgres", &sql).expect("a role");
    server.ask_for_a_password_of("me");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut parsed = PostgresUrl::parse(&url_with(&url, "me", "")).expect("a URL");
    parsed.password_file = Some(file.path().to_owned());
    std::fs::write(file.path(), "wrong\n").expect("written");
    let error = PostgresStore::open(&parsed, OpenFor::Command, 1).err().expect("a refusal").to_string();
    assert!(error.contains("password authentication failed") && !error.contains("wrong"), "{error}");
    // Whoever changes it in its place needs no restart: `serve` goes on without a database until then.
    let store = PostgresStore::open(&parsed, OpenFor::Serving, 1).expect("it begins all the same");
    std::fs::write(file.path(), "correct\n").expect("written");
    crate::support::until("the new password to count", || crate::block_on(store.check("up")).ok());
}

#[test]
fn postgres_store_speaks_tls_and_looks_at_the_certificate() {
    let authority = rcgen::KeyPair::generate().expect("a key");
    let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
    parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let issuer_certificate = parameters.self_signed(&authority).expect("a certificate");
    let issuer = rcgen::Issuer::new(parameters, authority);
    let key = rcgen::KeyPair::generate().expect("a key");
    let of_server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("parameters");
    let certificate = of_server.signed_by(&key, &issuer).expect("a certificate");
    let server = Postgres::start_with_tls(&certificate.pem(), &key.serialize_pem());
    let url = server.database().replace("127.0.0.1", "localhost");
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), issuer_certificate.pem()).expect("written");

    let trusted = format!("sslmode=verify-full&sslrootcert={}", file.path().display());
    let store = open(&url_with(&url, "postgres", &trusted), OpenFor::Command).expect("a good certificate");
    let sql =
        "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE application_name = 'backref'";
    assert_eq!(server.psql("postgres", sql).as_deref(), Ok("t"));
    drop(store);
    let error = refusal(&url_with(&url, "postgres", "sslmode=require"));
    assert!(error.to_lowercase().contains("certificate"), "{error}");
    let other_name = url_with(&url.replace("localhost", "127.0.0.1"), "postgres", &trusted);
    assert!(refusal(&other_name).to_lowercase().contains("certificate"), "{}", refusal(&other_name));
}

/// What has expired is taken away by the process itself, some time later.
#[test]
fn postgres_store_forgets_what_was_deleted_long_ago() {
    let server = Postgres::shared();
    let url = server.database();
    let store = open(&url, OpenFor::Serving).expect("a new store");
    crate::block_on(async {
        crate::world::hold(&store, "old").await;
        crate::world::apply(&store, &crate::world::key("old"), backref::store::Verdict::Deleted).await;
        crate::world::hold(&store, "new").await;
    });
    let count = || server.psql(name_of(&url), "SELECT count(*) FROM referrer").expect("readable");
    assert_eq!(count(), "2", "it is remembered");
    let hours = 5 * 3600 * 1_000_000_u64;
    let sql = format!("UPDATE referrer SET changed_at = changed_at - {hours} WHERE state = 'deleted'");
    server.psql(name_of(&url), &sql).expect("written");
    crate::support::until("it to be forgotten", || (count() == "1").then_some(()));
}

/// Engines that know no other isolation end one of two changes that meet; so does this one when it is told to.
#[test]
fn postgres_store_makes_a_change_again_that_a_serialisation_failure_ended() {
    let server = Postgres::shared();
    let url = server.database();
    let sql = format!("ALTER DATABASE {} SET default_transaction_isolation = 'serializable'", name_of(&url));
    server.psql("postgres", &sql).expect("changed");
    let stores: Vec<_> = (0..3).map(|_| open(&url, OpenFor::Serving).expect("a store")).collect();
    thread::scope(|scope| {
        for (number, store) in stores.iter().enumerate() {
            scope.spawn(move || {
                crate::block_on(async {
                    for at in 0..40 {
                        crate::world::hold(store, &format!("r{number}-{at}")).await;
                    }
                });
            });
        }
    });
    for store in &stores {
        assert_eq!(crate::block_on(crate::world::listed(store, &crate::world::subject())).len(), 120);
    }
    // Without the wish to meet there would be nothing to see.
    let sql = format!("SELECT xact_rollback > 0 FROM pg_stat_database WHERE datname = '{}'", name_of(&url));
    crate::support::until("failures to be counted", || {
        (server.psql("postgres", &sql).as_deref() == Ok("t")).then_some(())
    });
}

/// Whoever leaves in the middle of a change holds nobody up.
#[test]
fn postgres_store_change_that_is_left_lets_go_of_its_repository() {
    let server = Postgres::shared();
    let url = server.database();
    let (leaving, other) =
        (open(&url, OpenFor::Serving).expect("a store"), open(&url, OpenFor::Serving).expect("it too"));
    crate::block_on(crate::world::hold(&other, "first"));
    let locked = "SELECT count(*) > 0 FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%' AND state = 'active'";
    thread::scope(|scope| {
        scope.spawn(|| {
            let sql = "BEGIN; UPDATE repository SET writes = writes";
            server.psql_all(name_of(&url), &[sql, "SELECT pg_sleep(1)", "COMMIT"]).expect("a lock for a second");
        });
        crate::support::until("the lock", || (server.psql("postgres", locked).as_deref() == Ok("t")).then_some(()));
        let left = crate::block_on(async {
            let hold = crate::world::hold(&leaving, "left");
            tokio::time::timeout(std::time::Duration::from_millis(200), hold).await
        });
        assert!(left.is_err(), "it waits for the lock");
    });
    let begun = std::time::Instant::now();
    crate::block_on(crate::world::hold(&other, "second"));
    assert!(begun.elapsed() < std::time::Duration::from_millis(500), "{:?}", begun.elapsed());
}
