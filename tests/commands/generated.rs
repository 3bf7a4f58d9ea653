//! Very many: 100,000 referrers over 10,000 subjects with `GENERATED=100000`, written straight into the registry's files.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};

use crate::run::{on_record, run};
use crate::stand::{INDEX, Stand, plain, referrer, up};
use crate::support::{Kind, sha256, until};

/// Referrers of each subject.
const EACH: usize = 10;

fn count() -> usize {
    std::env::var("GENERATED").map_or(200, |text| text.parse().expect("a number"))
}

/// A manifest in distribution's own layout, as a push of it leaves it.
fn store(storage: &Path, manifest: &[u8], tag: Option<&str>) {
    let digest = sha256(manifest);
    let hex = &digest["sha256:".len()..];
    let root = storage.join("docker/registry/v2");
    let write = |path: &Path, content: &str| {
        fs::create_dir_all(path).expect("a folder");
        fs::write(path.join("link"), content).expect("a file");
    };
    let blob = root.join("blobs/sha256").join(&hex[..2]).join(hex);
    fs::create_dir_all(&blob).expect("a folder");
    fs::write(blob.join("data"), manifest).expect("a file");
    let manifests = root.join("repositories/app/_manifests");
    write(&manifests.join("revisions/sha256").join(hex), &digest);
    if let Some(tag) = tag {
        write(&manifests.join("tags").join(tag).join("current"), &digest);
        write(&manifests.join("tags").join(tag).join("index/sha256").join(hex), &digest);
    }
}

fn generate(stand: &Stand, count: usize) -> Vec<(String, Vec<String>)> {
    let storage = stand.registry.storage();
    let generated = (0..count / EACH).map(|number| {
        let subject = plain(&format!("subject {number}"));
        store(&storage, &subject, None);
        let digest = sha256(&subject);
        let referrers: Vec<Vec<u8>> = (0..EACH).map(|one| referrer(&digest, &format!("{number} {one}"))).collect();
        let entries: Vec<Value> = referrers
            .iter()
            .map(|one| {
                store(&storage, one, None);
                json!({"mediaType": INDEX, "digest": sha256(one), "size": one.len(),
                       "artifactType": "application/vnd.test"})
            })
            .collect();
        let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).to_string();
        store(&storage, list.as_bytes(), Some(&digest.replace(':', "-")));
        (digest, referrers.iter().map(|one| sha256(one)).collect())
    });
    generated.collect()
}

fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn very_many_are_backfilled_in_order() {
    let count = count();
    let mut stand = up(Kind::Distribution2);
    stand.backref.terminate();
    let generated = generate(&stand, count);
    let started = Instant::now();
    let mut command = stand.backref.command("backfill");
    let mut child = command.arg("app").stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut peak = 0;
    let status = loop {
        // As long as it runs, whatever that takes: a test runner has its own patience.
        if let Some(status) = child.try_wait().expect("the child is ours") {
            break status;
        }
        let tick = Instant::now();
        until("a moment", || (tick.elapsed().as_millis() > 50).then_some(()));
        peak = peak_memory(child.id()).unwrap_or_default().max(peak);
    };
    println!("{count} referrers over {} subjects: {:?}, {peak} KiB at most", count / EACH, started.elapsed());
    assert_eq!(status.code(), Some(0));
    for (subject, referrers) in generated.iter().step_by((generated.len() / 10).max(1)) {
        assert_eq!(on_record(&stand, "app", subject), *referrers);
    }
    let started = Instant::now();
    assert_eq!(run(&stand.backref, "backfill app").code, Some(0));
    println!("and again, with all in the database: {:?}", started.elapsed());
}
