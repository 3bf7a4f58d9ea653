//! The graph of files: an arrow for each use of what another file declares, and the circles in it.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    fmt::Write,
};

use crate::{
    methods::{Apart, types},
    names::Target,
    parts::{Import, Tree},
};

/// A use of what another file declares.
#[derive(Clone, Debug)]
pub(crate) struct Use {
    /// The line in the file that uses it.
    pub(crate) line: usize,
    /// As the line has it.
    pub(crate) text: String,
    /// The name that the other file declares.
    pub(crate) name: String,
}

/// Which file uses which, and where.
pub(crate) struct Graph {
    pub(crate) arrows: BTreeMap<String, BTreeMap<String, Vec<Use>>>,
}

impl Graph {
    /// Reads the arrows between files.
    ///
    /// `use` lines and paths in code are followed to the file that declares what they name. A module's name alone is
    /// no arrow: what is named in it is. A re-export of what stands in a file's own submodules is none either. `lib.rs`
    /// is the map and has none.
    ///
    /// The types of values can't be read from the text, so most method calls are not seen: what a file uses of a type
    /// that it never names is unknown. A method that stands in another file than its type is an arrow to that file where
    /// it is called on `self`, or where [its name alone](Apart::by_name) says which one it is.
    pub(crate) fn of(tree: &Tree) -> Self {
        let apart = Apart::find(tree);
        let mut graph = Self { arrows: BTreeMap::new() };
        for (number, module) in tree.modules.iter().enumerate() {
            graph.arrows.entry(module.file.clone()).or_default();
            if module.file != "lib.rs" {
                graph.read_imports(tree, number);
                graph.read_paths(tree, number, &apart);
                graph.read_calls(tree, number, &apart);
            }
        }
        graph
    }

    fn read_imports(&mut self, tree: &Tree, number: usize) {
        let module = &tree.modules[number];
        for import in &module.imports {
            if import.is_public && is_in_own_room(tree, number, import) {
                continue;
            }
            let mut text = format!("use {}", import.path.join("::"));
            let mut targets = tree.resolve(number, &import.path);
            if import.is_glob {
                text += "::*";
                let all = targets.into_iter().flat_map(|target| match target {
                    Target::Module(from) => tree.all_of(from, number),
                    other => [other].into(),
                });
                targets = all.collect();
            }
            for target in targets {
                if let Target::Item { module: home, name, .. } = target {
                    let used = Use { line: import.line, text: text.clone(), name };
                    self.arrow(&module.file, &tree.modules[home].file, used);
                }
            }
        }
    }

    fn read_paths(&mut self, tree: &Tree, number: usize, apart: &Apart) {
        let module = &tree.modules[number];
        for path in &module.paths {
            for target in tree.resolve(number, &path.path) {
                let Target::Item { module: home, name, member } = target else { continue };
                let used = Use { line: path.line, text: path.path.join("::"), name: name.clone() };
                for file in member.iter().flat_map(|member| apart.of_type((home, name.clone()), member)) {
                    self.arrow(&module.file, file, used.clone());
                }
                self.arrow(&module.file, &tree.modules[home].file, used);
            }
        }
    }

    fn read_calls(&mut self, tree: &Tree, number: usize, apart: &Apart) {
        let module = &tree.modules[number];
        for call in &module.calls {
            let files: Vec<_> = match &call.of {
                Some(of) => {
                    let of_self = types(tree, number, of).into_iter();
                    of_self.flat_map(|of| apart.of_type(of, &call.method)).collect()
                }
                None => apart.by_name.get(&call.method).into_iter().collect(),
            };
            for file in files {
                let text = format!(".{}(..)", call.method);
                self.arrow(&module.file, file, Use { line: call.line, text, name: call.method.clone() });
            }
        }
    }

    fn arrow(&mut self, from: &str, to: &str, used: Use) {
        if from != to {
            let to = self.arrows.entry(from.to_owned()).or_default().entry(to.to_owned()).or_default();
            if !to.iter().any(|other| other.line == used.line && other.text == used.text) {
                to.push(used);
            }
        }
    }

    /// The shortest way from a file to another, both included.
    fn way<'a>(&'a self, from: &'a str, to: &str) -> Option<Vec<&'a str>> {
        let mut came_from = BTreeMap::new();
        let mut waiting = VecDeque::from([from]);
        while let Some(file) = waiting.pop_front() {
            for next in self.arrows.get(file)?.keys() {
                if next == to {
                    let mut way = vec![&next[..], file];
                    while way[way.len() - 1] != from {
                        way.push(came_from[way[way.len() - 1]]);
                    }
                    way.reverse();
                    return Some(way);
                }
                if next != from && !came_from.contains_key(&next[..]) {
                    came_from.insert(&next[..], file);
                    waiting.push_back(next);
                }
            }
        }
        None
    }

    /// For every arrow that is part of a circle, the shortest such circle. Each is given once, from its first file in
    /// the order of the alphabet.
    pub(crate) fn circles(&self) -> Vec<Vec<&str>> {
        let mut circles = BTreeSet::new();
        for (from, to) in self.arrows.iter().flat_map(|(from, to)| to.keys().map(move |to| (from, to))) {
            if let Some(mut circle) = self.way(to, from) {
                let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap_or(0);
                circle.rotate_left(first);
                circles.insert((circle.len(), circle));
            }
        }
        circles.into_iter().map(|(_, circle)| circle).collect()
    }

    /// The sets of files of which each uses each other, directly or around a corner (strongly connected components).
    pub(crate) fn knots(&self) -> Vec<BTreeSet<&str>> {
        let mut knots: Vec<BTreeSet<&str>> = Vec::new();
        for circle in self.circles() {
            let (joined, mut apart): (Vec<_>, Vec<_>) =
                knots.into_iter().partition(|knot| circle.iter().any(|file| knot.contains(file)));
            apart.push(joined.into_iter().flatten().chain(circle).collect());
            knots = apart;
        }
        knots.sort_by_key(|knot| std::cmp::Reverse(knot.len()));
        knots
    }

    /// Names a circle: `a.rs -> b.rs -> a.rs`, and below it a line that makes each arrow.
    pub(crate) fn name(&self, circle: &[&str]) -> String {
        let ends: Vec<_> = circle.iter().chain(circle.first()).copied().collect();
        let mut text = ends.join(" -> ");
        for pair in ends.windows(2) {
            for used in self.arrows[pair[0]][pair[1]].iter().take(1) {
                let _ = write!(text, "\n    {}:{}: {}", pair[0], used.line, used.text);
            }
        }
        text
    }

    /// Every file, with the files that it uses.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for (from, to) in &self.arrows {
            let _ = writeln!(text, "{from} -> {}", to.keys().map(String::as_str).collect::<Vec<_>>().join(", "));
        }
        text
    }
}

/// Whether a re-export names what stands in the module itself or in its submodules.
fn is_in_own_room(tree: &Tree, module: usize, import: &Import) -> bool {
    let path = &import.path;
    let room = if import.is_glob { &path[..] } else { &path[..path.len() - 1] };
    tree.resolve(module, room).iter().any(|target| match target {
        Target::Module(within) => tree.is_within(*within, module),
        Target::Item { module: within, .. } => tree.modules[*within].file == tree.modules[module].file,
        Target::Outside(_) => false,
    })
}
