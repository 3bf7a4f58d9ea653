//! How the files of `src` may depend on each other, and what must stay in one place: read from the sources. Most method
//! calls can't be followed by reading; `graph.rs` says which can.
//!
//! `TREE=/path/to/src cargo test --test architecture circles -- --nocapture` prints the graph and the circles of any tree.

mod code;
mod direction;
mod graph;
mod methods;
mod names;
mod parts;
mod reader;
mod source;
mod syntax;
mod tokens;

use std::{fmt::Write, path::PathBuf, process::Command};

use direction::{Direction, room};
use graph::Graph;
use names::Target;
use source::{Sources, read, sources};

/// Which room of `src` may use which, from the top. A room is a file with the folder of its name. `lib.rs` is the map of
/// all and belongs to no layer.
const DIRECTION: Direction = Direction {
    layers: &[
        &["main"],
        &["commands"],
        &["cli", "admin"],
        &["server"],
        &["http", "operator"],
        &["app"],
        &["policy"],
        &["listing"],
        &["changes"],
        &["referrers_tag"],
        &["relations"],
        &["carrier"],
        &["error"],
        &["store"],
        &["upstream"],
        &["dialect"],
        &["config", "metrics", "referrers"],
        &["oci"],
    ],
    leaves: &[
        "budget",
        "context",
        "locks",
        "min_rate",
        "tasks",
        "throttle",
        "printable",
        "random",
        "repeats",
        "shares",
        "stall",
        "step",
        "tls",
        "traces",
        "words",
    ],
    names_only: &[("store", "upstream", &["ReadPermit"])],
};

/// Paths of other crates, and the only room that may name them.
const ONLY_IN: &[(&str, &str)] = &[
    ("docker_credential", "upstream"),
    ("fail", "step"),
    ("hyper::client", "upstream"),
    ("indicatif", "commands"),
    ("reqwest", "upstream"),
    ("rusqlite", "store"),
];

/// More lines, and a file holds more than one thing.
const MAX_LINES: usize = 400;

/// The sources of this crate, or of the folder that the variable `TREE` names.
fn this_tree() -> Sources {
    let src =
        std::env::var_os("TREE").map_or_else(|| [env!("CARGO_MANIFEST_DIR"), "src"].iter().collect(), PathBuf::from);
    sources(&src)
}

#[test]
fn architecture_no_circles_of_files() {
    let graph = Graph::of(&read(&this_tree()));
    let (circles, knots) = (graph.circles(), graph.knots());
    let mut report = format!("{} circles", circles.len());
    for knot in &knots {
        let files: Vec<_> = knot.iter().copied().collect();
        let _ = write!(report, "\n{} files that use each other around corners: {}", files.len(), files.join(", "));
    }
    for circle in &circles {
        let _ = write!(report, "\n{}", graph.name(circle));
    }
    if std::env::var_os("TREE").is_some() {
        println!("{}\n{report}", graph.text());
    }
    assert!(circles.is_empty(), "{report}");
}

#[test]
fn architecture_arrows_point_down_the_layers() {
    let wrong = DIRECTION.wrong_arrows(&Graph::of(&read(&this_tree())));
    assert!(wrong.is_empty(), "{} arrows against the direction:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn architecture_every_file_belongs_to_a_module() {
    assert_eq!(read(&this_tree()).unused, [""; 0], "no `mod` names these files: they are never compiled");
}

#[test]
fn architecture_other_crates_stay_in_their_rooms() {
    let tree = read(&this_tree());
    for (path, home) in ONLY_IN {
        let begins_so = |used: &[String]| used.join("::").starts_with(&format!("{path}::")) || used.join("::") == *path;
        let mut users: Vec<(&str, usize)> = Vec::new();
        for (number, module) in tree.modules.iter().enumerate() {
            let imports = module.imports.iter().map(|import| (&import.path, import.line));
            let paths = module.paths.iter().filter(|named| named.path.len() > 1).map(|named| (&named.path, named.line));
            for (used, line) in imports.chain(paths) {
                let outside =
                    |target: &Target| if let Target::Outside(path) = target { begins_so(path) } else { false };
                if tree.resolve(number, used).iter().any(outside) {
                    users.push((&module.file, line));
                }
            }
        }
        let strangers: Vec<_> = users.iter().filter(|(file, _)| room(file) != *home).collect();
        assert!(strangers.is_empty(), "{path} belongs in {home} alone: {strangers:?}");
        assert!(!users.is_empty(), "{path} is not even used in {home}: take it off the table");
    }
}

#[test]
fn architecture_paths_of_requests_are_split_in_one_file() {
    let sources = this_tree();
    let splitters: Vec<_> = sources.iter().filter(|(_, text)| text.contains(".rsplitn(3, '/')")).collect();
    assert_eq!(splitters.iter().map(|(file, _)| &file[..]).collect::<Vec<_>>(), ["http/route.rs"]);
}

#[test]
fn architecture_permits_are_made_by_the_upstream_alone() {
    const MAKER: &str = "upstream/permit.rs";
    let sources = this_tree();
    let fields = sources[MAKER].split_once("pub struct ReadPermit {").and_then(|(_, rest)| rest.split_once('}'));
    let (fields, _) = fields.expect("a struct with fields");
    let is_public = |field: &str| field.trim_start().starts_with("pub");
    assert!(!fields.lines().any(is_public), "whoever may set a permit's fields can forge one:{fields}");

    let tree = read(&sources);
    for (number, module) in tree.modules.iter().enumerate() {
        for named in &module.paths {
            let permit = tree.resolve(number, &named.path).into_iter().find_map(|target| match target {
                Target::Item { module, name, member } if name == "ReadPermit" => {
                    (tree.modules[module].file == MAKER).then_some(member.unwrap_or_default())
                }
                _ => None,
            });
            let Some(member) = permit else { continue };
            let is_made = named.is_literal && module.file != MAKER;
            assert!(!is_made && member != "for_tests", "{}:{} makes a permit", module.file, named.line);
        }
    }
}

#[test]
fn architecture_recorded_entries_are_read_for_the_referrers_tag_alone() {
    let tree = read(&this_tree());
    let mut readers = Vec::new();
    for module in &tree.modules {
        // `ReferrersTags::entries` of the store takes a subject; a manifest's own `entries()` takes nothing.
        let calls = module.calls.iter().filter(|call| call.method == "entries" && call.has_arguments);
        let paths =
            module.paths.iter().filter(|named| named.path.ends_with(&["ReferrersTags".into(), "entries".into()]));
        let lines = calls.map(|call| call.line).chain(paths.map(|named| named.line));
        readers.extend(lines.map(|line| format!("{}:{line}", module.file)));
    }
    readers.retain(|reader| room(reader) != "store");
    assert!(!readers.is_empty(), "nobody reads entries: has the method another name now?");
    assert!(readers.iter().all(|reader| room(reader) == "referrers_tag"), "{readers:?}");
}

#[test]
fn architecture_files_stay_small() {
    let large: Vec<_> = this_tree()
        .into_iter()
        .map(|(file, text)| (text.lines().count(), file))
        .filter(|(lines, _)| *lines > MAX_LINES)
        .collect();
    assert!(large.is_empty(), "files of more than {MAX_LINES} lines: {large:?}");
}

#[test]
fn architecture_failpoints_are_in_the_tests_build_alone() {
    let has_failpoints = |edges: &str| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--locked", "--offline", "--prefix", "none", "--format", "{p} {f}", "--edges", edges])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8_lossy(&output.stdout).lines().any(|line| line.starts_with("fail v"))
    };
    assert_eq!(
        (has_failpoints("normal"), has_failpoints("normal,dev")),
        (false, true),
        "release builds, and the tests'"
    );
}
