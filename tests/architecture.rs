//! Dependencies point one way, and what must stay in one room does: read from the sources.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Every source file, by its path below `src`.
fn sources() -> BTreeMap<String, String> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = BTreeMap::new();
    let mut folders = vec![src.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path: PathBuf = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(&src).expect("below src").display().to_string();
                sources.insert(name, fs::read_to_string(&path).expect("text"));
            }
        }
    }
    assert!(sources.len() > 30, "the sources were not found: {:?}", sources.keys());
    sources
}

/// The module that a file belongs to: `store/sqlite.rs` is of `store`.
fn module(file: &str) -> &str {
    file.split(['/', '.']).next().unwrap_or(file)
}

/// The modules of ours that a source names.
fn uses(source: &str) -> Vec<&str> {
    let code = source.split("#[cfg(test)]").next().unwrap_or(source);
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut name = 0;
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    _ => {}
                }
                if depth == 1 && c == ',' || depth == 0 {
                    found.push(first_word(group[name..at].trim_start_matches(',')));
                    name = at;
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.push(first_word(rest));
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

fn first_word(text: &str) -> &str {
    let text = text.trim_start();
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

/// What each module may use. `main -> commands -> server -> handler -> {...} -> oci`.
const MAY_USE: &[(&str, &[&str])] = &[
    ("main", &["cli", "commands"]),
    ("lib", &[]),
    ("oci", &[]),
    ("random", &[]),
    ("stall", &[]),
    ("step", &[]),
    ("config", &[]),
    ("cli", &["config"]),
    ("referrers", &["oci"]),
    ("route", &["dialect", "oci"]),
    ("dialect", &["oci", "referrers"]),
    ("rewrite", &["oci"]),
    ("learned", &["oci"]),
    ("store", &["oci", "random", "referrers", "step"]),
    ("upstream", &["config", "oci", "random", "referrers", "stall"]),
    ("error", &["oci", "route", "stall", "store", "upstream"]),
    ("turns", &["oci", "referrers"]),
    ("app", &["admin", "config", "error", "learned", "referrers", "store", "turns", "upstream"]),
    (
        "handler",
        &[
            "app",
            "config",
            "dialect",
            "error",
            "oci",
            "random",
            "referrers",
            "rewrite",
            "route",
            "stall",
            "step",
            "store",
            "turns",
            "upstream",
        ],
    ),
    ("admin", &["app", "config", "handler", "server", "store", "upstream"]),
    ("server", &["config", "stall", "upstream"]),
    ("commands", &["admin", "app", "cli", "config", "error", "handler", "oci", "server", "store", "upstream"]),
];

#[test]
fn dependencies_point_one_way() {
    for (file, source) in sources() {
        let module = module(&file);
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == module) else {
            panic!("{file}: say in this test what its module may use");
        };
        for used in uses(&source) {
            assert!(used == module || allowed.contains(&used), "{file} uses {used}, which {module} may not");
        }
    }
}

/// Words, and the only module in which they may stand.
const ONLY_IN: &[(&str, &str)] = &[
    ("fail::", "step"),
    ("rusqlite", "store"),
    ("hyper::client", "upstream"),
    ("reqwest", "upstream"),
    ("docker_credential", "upstream"),
    ("indicatif", "commands"),
    (".rsplitn(3, '/')", "route"),
];

#[test]
fn what_belongs_in_one_room_stays_there() {
    for (word, room) in ONLY_IN {
        let sources = sources();
        let holders: Vec<_> =
            sources.iter().filter(|(_, source)| source.contains(word)).map(|(file, _)| file).collect();
        assert!(holders.iter().any(|file| module(file) == *room), "{word} is not even in {room}: {holders:?}");
        assert!(holders.iter().all(|file| module(file) == *room), "{word} belongs in {room} alone: {holders:?}");
    }
}

#[test]
fn lists_are_read_with_a_permit_only() {
    let lists: Vec<_> = sources().into_iter().filter(|(_, source)| source.contains("store.list(")).collect();
    let [(file, source)] = &lists[..] else { panic!("more than one reads lists: {lists:?}") };
    assert_eq!(file, "handler/referrers.rs");
    let readers: Vec<_> = source.split("async fn ").filter(|function| function.contains("store.list(")).collect();
    assert!(!readers.is_empty() && readers.iter().all(|function| function.contains("(_: &ReadPermit")), "{readers:?}");

    // What is written into the upstream's own tags, and for operators: with a permit, as for any caller.
    let sources = sources();
    let lists: Vec<_> = sources.iter().filter(|(_, source)| source.contains("store.entries(")).collect();
    let [(file, source)] = &lists[..] else { panic!("more than one reads entries: {lists:?}") };
    assert!(*file == "handler/fallback/write.rs" && source.contains("pub(super) async fn content("));
    assert!(sources["handler/operator/compare.rs"].contains("recorded_list(permit"));
    for (file, source) in sources.iter().filter(|(file, _)| !file.starts_with("handler/fallback/")) {
        assert!(!source.contains(".content("), "{file}");
    }
}

#[test]
fn files_stay_small() {
    for (file, source) in sources() {
        let lines = source.lines().count();
        assert!(lines <= 400, "{file} has {lines} lines: it holds more than one thing");
    }
}

#[test]
fn steps_to_be_killed_at_are_in_the_tests_build_alone() {
    let tree = |edges: &str| {
        let mut command = std::process::Command::new(env!("CARGO"));
        let output = command
            .args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p} {f}", "--edges", edges])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with("fail v"))
    };
    assert_eq!((tree("normal"), tree("normal,dev")), (false, true), "release builds, and the tests'");
}
