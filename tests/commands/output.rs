//! How commands speak: to people, to machines, and how much.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{run, run_with};
use crate::stand::up;
use crate::support::Kind;

#[test]
fn output_of_a_quiet_command_is_its_findings() {
    let stand = up(Kind::Distribution2);
    stand.push("a");
    stand.flushed();
    let ran = run(&stand.backref, "verify --quiet");
    assert!(ran.code == Some(0) && ran.stdout.is_empty() && ran.stderr.is_empty(), "{ran:?}");
    stand.push_around("around");
    let ran = run(&stand.backref, "verify --quiet missing");
    assert!(ran.code == Some(1) && ran.stdout.lines().count() == 1, "{ran:?}");
    let both = run(&stand.backref, "verify --quiet --verbose");
    assert_eq!(both.code, Some(2), "{both:?}");
}

#[test]
fn output_of_a_verbose_command_has_what_it_asks_for() {
    let stand = up(Kind::Distribution2);
    stand.push("a");
    let [plain, verbose] = ["verify", "verify --verbose"].map(|line| run(&stand.backref, line));
    assert!(plain.stderr.is_empty() && verbose.stderr.contains("DEBUG backref::"), "{plain:?} {verbose:?}");
}

#[test]
fn output_as_json_has_the_reason_why_nothing_was_begun() {
    let stand = up(Kind::Distribution2);
    let broken = run_with(&stand.backref, "verify", &[("BACKREF_LIMITS_HEAD", "much")]);
    assert!(
        broken.code == Some(2) && broken.stdout.is_empty() && broken.stderr.starts_with("backref: BACKREF_LIMITS_HEAD"),
        "{broken:?}"
    );
    for line in ["verify --json UPPER", "prune --json app:tag"] {
        let ran = run(&stand.backref, line);
        let lines = ran.lines();
        assert!(ran.code == Some(2) && ran.stderr.is_empty(), "{line}: {ran:?}");
        assert!(
            lines[0]["kind"] == "error" && !lines[0]["message"].as_str().unwrap_or_default().is_empty(),
            "{line}: {ran:?}"
        );
    }
}

#[test]
fn output_has_colours_on_terminals_alone() {
    let stand = up(Kind::Distribution2);
    let ran = run(&stand.backref, "doctor");
    assert!(ran.stdout.contains("OK    nothing is pending") && !ran.stdout.contains('\u{1b}'), "{ran:?}");
    // As a terminal would be asked for them.
    let mut command = stand.backref.command("doctor");
    command.env("CLICOLOR_FORCE", "1").env("DOCKER_CONFIG", stand.backref.directory().join("nobody"));
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("\u{1b}[1m\u{1b}[32mOK\u{1b}[0m    nothing is pending"), "{said:?}");
}

#[test]
fn output_manual_pages_are_there_for_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    let man = |folder: &Path| {
        Command::new(env!("CARGO_BIN_EXE_backref")).args(["man", "--folder"]).arg(folder).output().expect("it runs")
    };
    assert!(man(folder.path()).status.success());
    let refused = man(&folder.path().join("none"));
    assert!(
        refused.status.code() == Some(2) && String::from_utf8_lossy(&refused.stderr).contains("none"),
        "{refused:?}"
    );
    for page in ["backref.1", "backref-serve.1", "backref-verify.1", "backref-config-show.1"] {
        let text = fs::read_to_string(folder.path().join(page)).expect("a page");
        assert!(text.contains(".SH NAME"), "{page}: {text}");
    }
}

/// Kinds of lines in the sources: what stands behind these openings.
fn kinds_in(text: &str) -> BTreeSet<String> {
    const OPENINGS: [&str; 6] = ["kind: \"", "of_repository(\"", "of_subject(\"", "line(\"", "=> (\"", "of(\""];
    let mut kinds = BTreeSet::new();
    let mut take = |rest: &str| {
        let (kind, behind) = rest.split_once('"').unwrap_or((rest, ""));
        if !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') {
            kinds.insert(kind.to_owned());
        }
        behind.to_owned()
    };
    for opening in OPENINGS {
        text.split(opening).skip(1).for_each(|rest| drop(take(rest)));
    }
    // Pairs of a kind and how it is, on one line or two.
    for rest in text
        .split("(\"")
        .skip(1)
        .chain(text.split("(\n").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')))
    {
        let behind = rest.split_once('"').map_or("", |(_, behind)| behind);
        let behind = behind.strip_prefix(',').map_or("", str::trim_start);
        if ["Health::", "health", "status"].iter().any(|how| behind.starts_with(how)) {
            take(rest);
        }
    }
    kinds
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() { sources(&path, found) } else { found.push(path) }
    }
}

/// The page that says what each kind of line is has all of them, and no other.
#[test]
fn output_kinds_are_the_documented_ones() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &Path| fs::read_to_string(path).expect("a text");
    let mut files = Vec::new();
    sources(&root.join("src/commands"), &mut files);
    let mut kinds = BTreeSet::new();
    for file in files.iter().filter(|file| !file.ends_with("printer/line.rs") && !file.ends_with("commands.rs")) {
        kinds.extend(kinds_in(&read(file)));
    }
    let differences = read(&root.join("src/operator/difference.rs"));
    let names =
        differences.split("pub fn name").nth(1).and_then(|rest| rest.split("pub fn").next()).expect("the names");
    kinds.extend(names.split("=> \"").skip(1).filter_map(|rest| rest.split('"').next().map(str::to_owned)));
    let page = read(&root.join("docs/json.md"));
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).map(str::to_owned);
    let tried =
        page.split("what came of each push").nth(1).and_then(|rest| rest.split("## ").next()).expect("what is tried");
    let documented: BTreeSet<String> = rows.chain(tried.split('`').skip(1).step_by(2).map(str::to_owned)).collect();
    let fields = ["kind", "status", "repository", "referrer", "referrers", "message"].map(str::to_owned);
    let documented: BTreeSet<String> = documented.into_iter().filter(|one| !fields.contains(one)).collect();
    assert!(kinds.len() > 50, "{kinds:?}");
    let extra: Vec<_> = documented.difference(&kinds).collect();
    let missing: Vec<_> = kinds.difference(&documented).collect();
    assert!(extra.is_empty() && missing.is_empty(), "not in docs/json.md: {missing:?}; there alone: {extra:?}");
}
