//! What reads of a long list cost: `cargo test --release --test store cost -- --ignored --nocapture`.

use std::{
    ops::ControlFlow,
    sync::Arc,
    time::{Duration, Instant},
};

use backref::{
    referrers::{Order, Query, Relation},
    store::{Basis, Finding, Row, RowSink, Store, Verdict},
    upstream::ReadPermit,
};

use crate::{block_on, folder, open, world};

/// Appends descriptors to a body, as dialects do.
struct Body {
    bytes: Vec<u8>,
    room: usize,
    last: (i64, i64, String),
}

impl RowSink for Body {
    fn row(&mut self, row: Row<'_>) -> ControlFlow<()> {
        if self.room == 0 {
            return ControlFlow::Break(());
        }
        self.room -= 1;
        self.bytes.extend_from_slice(row.descriptor.as_bytes());
        self.last.0 = row.created;
        self.last.1 = row.arrival;
        self.last.2.clear();
        self.last.2.push_str(row.digest);
        ControlFlow::Continue(())
    }
}

fn referrer(number: usize) -> Relation {
    let key = world::key("x")
        .sibling(backref::oci::Digest::of(backref::oci::Algorithm::Sha256, number.to_string().as_bytes()));
    let artifact_type = format!("application/vnd.example.{}", number % 5);
    // Nearly in the order of their pushes, as most artifacts are created just before.
    let created = i64::try_from(number * 10 + (number * 7919) % 1000).expect("small");
    let descriptor = format!(
        "{{\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"digest\":\"{}\",\"size\":700,\
         \"artifactType\":\"{artifact_type}\",\"annotations\":{{\"org.opencontainers.image.created\":\
         \"2024-01-01T00:00:00Z\",\"padding\":\"{:0>120}\"}}}}",
        key.digest, number
    );
    Relation { created: Some(created), descriptor, ..world::relation(key, &artifact_type) }
}

async fn fill(store: &dyn Store, many: usize) {
    for from in (0..many).step_by(1000) {
        let finding = |number| {
            let relation = referrer(number);
            let basis = Basis { version: 0, alone: false };
            Finding { key: relation.referrer.clone(), verdict: Verdict::Held(Arc::new(relation)), basis }
        };
        store.apply_all((from..from + 1000).map(finding).collect()).await.expect("writable");
    }
}

async fn read(store: &dyn Store, query: &Query) -> usize {
    let permit = ReadPermit::for_tests("up", world::repository());
    let mut body = Body { bytes: Vec::new(), room: query.limit, last: (0, 0, String::new()) };
    store.list(&permit, query, &mut body).await.expect("readable");
    body.bytes.len()
}

/// The least of many, since others work on this machine.
async fn least(store: &dyn Store, query: &Query, times: u32) -> (Duration, usize) {
    let mut least = Duration::MAX;
    let mut bytes = 0;
    read(store, query).await;
    let started = Instant::now();
    read(store, query).await;
    let times = if started.elapsed() > Duration::from_millis(20) { 1 } else { times };
    for _ in 0..5 {
        let started = Instant::now();
        for _ in 0..times {
            bytes = read(store, query).await;
        }
        least = least.min(started.elapsed() / times);
    }
    (least, bytes)
}

#[test]
#[ignore = "a measurement"]
fn store_cost_of_a_long_list() {
    let folder = folder();
    let path = folder.path().join("backref.db");
    let store = open(&path).expect("a new store");
    block_on(async {
        let started = Instant::now();
        fill(&*store, 100_000).await;
        println!("100,000 rows written in {:?}", started.elapsed());
        let all = Query { limit: 10, ..world::query(&world::subject()) };
        let of = |types: &[&str]| types.iter().map(|&one| one.to_owned()).collect::<Vec<_>>();
        for order in [Order::Arrival, Order::Newest] {
            for (what, artifact_types) in [
                ("any type", vec![]),
                ("one type of five", of(&["application/vnd.example.1"])),
                ("a type that nothing has", of(&["application/vnd.none"])),
                ("a type with a plus, in two ways", of(&["application/vnd.example.1", "application/vnd.none"])),
                ("two types of five", of(&["application/vnd.example.1", "application/vnd.example.3"])),
            ] {
                let query = Query { artifact_types, order, ..all.clone() };
                let (time, bytes) = least(&*store, &query, 200).await;
                println!("{order:?}, {what}: {time:?}, {bytes} bytes");
            }
        }
        let page = Query { limit: 10_000, ..all };
        println!("10,000 rows by arrival: {:?}", least(&*store, &page, 3).await);
    });
    drop(store);
    println!("the file: {} MiB", std::fs::metadata(&path).expect("there").len() >> 20);
}

/// The variable `TIMES`, for runs in which instructions are counted: the difference of two such runs is what counts.
fn times(by_default: u32) -> u32 {
    std::env::var("TIMES").map_or(by_default, |times| times.parse().expect("a number"))
}

#[test]
#[ignore = "a measurement"]
fn store_cost_of_ten_rows() {
    let folder = folder();
    let store = open(&folder.path().join("backref.db")).expect("a new store");
    block_on(async {
        fill(&*store, 1000).await;
        let query = Query { limit: 10, ..world::query(&world::subject()) };
        let (time, bytes) = least(&*store, &query, times(50_000)).await;
        println!("ten rows by arrival: {time:?}, {bytes} bytes");
    });
}

async fn push(store: &dyn Store, number: u32) {
    let relation = referrer(1_000_000 + usize::try_from(number).expect("small"));
    world::apply(store, &relation.referrer.clone(), Verdict::Held(Arc::new(relation))).await;
}

#[test]
#[ignore = "a measurement"]
fn store_cost_of_a_push() {
    let folder = folder();
    let store = open(&folder.path().join("backref.db")).expect("a new store");
    block_on(async {
        fill(&*store, 1000).await;
        let (started, many) = (Instant::now(), times(500));
        for number in 0..many {
            push(&*store, number).await;
        }
        println!("one push after the other: {:?} each", started.elapsed() / many);
    });
}

#[test]
#[ignore = "a measurement"]
fn store_cost_of_pushes_that_wait_together() {
    let folder = folder();
    let store = open(&folder.path().join("backref.db")).expect("a new store");
    block_on(async {
        fill(&*store, 1000).await;
        let started = Instant::now();
        let mut tasks = tokio::task::JoinSet::new();
        for number in 0..5000 {
            let store = store.clone();
            tasks.spawn(async move { push(&*store, number).await });
        }
        tasks.join_all().await;
        println!("pushes together: {:?} each", started.elapsed() / 5000);
    });
}
