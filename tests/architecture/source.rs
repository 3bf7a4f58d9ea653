//! Reads the source files of a crate: its modules, what each declares and imports, and the paths and method calls in
//! its code. Code below `#[cfg(test)]` is passed over.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use syn::visit::Visit;

use crate::{
    code::Code,
    parts::{Module, Tree},
};

/// The text of each file, by its path below `src`.
pub(crate) type Sources = BTreeMap<String, String>;

/// Every file below a folder.
pub(crate) fn sources(src: &Path) -> Sources {
    let mut sources = Sources::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let file = path.strip_prefix(src).expect("a path below src").display().to_string();
                sources.insert(file, fs::read_to_string(&path).expect("a text"));
            }
        }
    }
    sources
}

/// Reads the files of a crate from `lib.rs` and `main.rs` on, as far as `mod` leads.
pub(crate) fn read(sources: &Sources) -> Tree {
    let mut tree = Tree::default();
    let mut of_tests = BTreeSet::new();
    for root in ["lib.rs", "main.rs"].into_iter().filter(|root| sources.contains_key(*root)) {
        let mut waiting = vec![tree.add(Module { file: root.to_owned(), ..Module::default() })];
        while let Some(module) = waiting.pop() {
            let file = tree.modules[module].file.clone();
            let parsed = syn::parse_file(&sources[&file]).unwrap_or_else(|error| {
                panic!("{file}:{}: {error}", error.span().start().line);
            });
            let mut code = Code::new(&mut tree, module);
            code.visit_file(&parsed);
            for (parent, name, is_test) in std::mem::take(&mut code.declared) {
                let path = [&tree.modules[parent].path[..], std::slice::from_ref(&name)].concat();
                let stem = path.join("/");
                let found = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
                let Some(found) = found.into_iter().find(|found| sources.contains_key(found)) else {
                    assert!(is_test, "{file}: there is no file for `mod {name}`");
                    continue;
                };
                if is_test {
                    of_tests.insert(found);
                    of_tests.insert(format!("{stem}/"));
                } else {
                    waiting.push(tree.add_child(parent, &name, found));
                }
            }
        }
    }
    assert!(!tree.modules.is_empty(), "neither lib.rs nor main.rs: {:?}", sources.keys());
    let read: BTreeSet<_> = tree.modules.iter().map(|module| &module.file).collect();
    let is_unused = |file: &&String| {
        let is_source = Path::new(file).extension().is_some_and(|extension| extension == "rs");
        is_source && !read.contains(file) && !of_tests.iter().any(|test| file.starts_with(test))
    };
    tree.unused = sources.keys().filter(is_unused).cloned().collect();
    tree
}
