//! What a path means: through imports, renames, globs and re-exports, to the file that declares it.

use std::collections::BTreeSet;

use crate::parts::{Name, Tree};

/// Where a path leads.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Target {
    Module(usize),
    /// What a module declares, and what the path names in it (`new` of `Type::new`). A name that nothing in the module
    /// explains, since a macro makes it, counts as declared there.
    Item {
        module: usize,
        name: String,
        member: Option<String>,
    },
    /// Of another crate, by the full path.
    Outside(Vec<String>),
}

impl Tree {
    /// Where a path in a module leads: to several targets if its last name means several things.
    pub(crate) fn resolve(&self, module: usize, path: &[String]) -> BTreeSet<Target> {
        Resolver { tree: self, following: Vec::new() }.resolve(module, path)
    }

    /// What `use module::*` in `viewer` brings.
    pub(crate) fn all_of(&self, module: usize, viewer: usize) -> BTreeSet<Target> {
        let mut resolver = Resolver { tree: self, following: Vec::new() };
        let mut all = BTreeSet::new();
        for name in self.modules[module].names.keys() {
            all.extend(resolver.lookup(module, viewer, name));
        }
        for import in self.modules[module].imports.iter().filter(|import| import.is_glob && import.is_public) {
            for target in resolver.resolve(module, &import.path) {
                match target {
                    Target::Module(deeper) if deeper != module => all.extend(self.all_of(deeper, module)),
                    other => drop(all.insert(other)),
                }
            }
        }
        all
    }
}

struct Resolver<'a> {
    tree: &'a Tree,
    /// The imports that are being followed: by module and number.
    following: Vec<(usize, usize)>,
}

impl Resolver<'_> {
    fn resolve(&mut self, module: usize, path: &[String]) -> BTreeSet<Target> {
        let (mut at, mut rest) = (module, path);
        while let Some((first, deeper)) = rest.split_first() {
            at = match &first[..] {
                "crate" => self.root(module),
                "self" => at,
                "super" => self.tree.modules[at].parent.unwrap_or(at),
                _ => break,
            };
            rest = deeper;
        }
        let Some((first, deeper)) = rest.split_first() else { return [Target::Module(at)].into() };
        if rest.len() < path.len() {
            return self.descend(Target::Module(at), module, rest);
        }
        let found = self.lookup(module, module, first);
        if !found.is_empty() {
            return found.into_iter().flat_map(|target| self.descend(target, module, deeper)).collect();
        }
        if first == env!("CARGO_PKG_NAME") && self.tree.modules[0].file == "lib.rs" {
            return self.descend(Target::Module(0), module, deeper); // as the binary names the library
        }
        [Target::Outside(path.iter().filter(|name| !name.is_empty()).cloned().collect())].into()
    }

    fn root(&self, mut module: usize) -> usize {
        while let Some(parent) = self.tree.modules[module].parent {
            module = parent;
        }
        module
    }

    /// Follows the rest of a path from what its beginning meant.
    fn descend(&mut self, target: Target, viewer: usize, rest: &[String]) -> BTreeSet<Target> {
        let Some((first, deeper)) = rest.split_first() else { return [target].into() };
        match target {
            Target::Module(module) => {
                let found = self.lookup(module, viewer, first);
                if found.is_empty() {
                    return [Target::Item { module, name: first.clone(), member: deeper.first().cloned() }].into();
                }
                found.into_iter().flat_map(|target| self.descend(target, viewer, deeper)).collect()
            }
            Target::Item { module, name, member: _ } => {
                let is_value = |meanings: &Vec<Name>| meanings.iter().all(|meaning| *meaning == Name::Value);
                if self.tree.modules[module].names.get(&name).is_some_and(is_value) {
                    return BTreeSet::new(); // nothing stands below a function: the name's other meaning is it
                }
                [Target::Item { module, name, member: Some(first.clone()) }].into()
            }
            Target::Outside(mut path) => {
                path.extend(rest.iter().cloned());
                [Target::Outside(path)].into()
            }
        }
    }

    /// What a name means in a module, for code in `viewer`, which sees private imports from below only.
    fn lookup(&mut self, module: usize, viewer: usize, name: &str) -> BTreeSet<Target> {
        let mut found = BTreeSet::new();
        let tree = self.tree;
        let sees_all = tree.is_within(viewer, module);
        for meaning in tree.modules[module].names.get(name).into_iter().flatten() {
            match *meaning {
                Name::Module(child) => drop(found.insert(Target::Module(child))),
                Name::Type | Name::Value => {
                    found.insert(Target::Item { module, name: name.to_owned(), member: None });
                }
                Name::Import(number) => {
                    let import = &tree.modules[module].imports[number];
                    if import.is_public || sees_all {
                        found.extend(self.follow(module, number, |resolver| resolver.resolve(module, &import.path)));
                    }
                }
            }
        }
        if found.is_empty() {
            for (number, import) in tree.modules[module].imports.iter().enumerate() {
                if import.is_glob && (import.is_public || sees_all) {
                    found.extend(self.follow(module, number, |resolver| {
                        let from = resolver.resolve(module, &import.path);
                        let modules = from.into_iter().filter_map(|target| match target {
                            Target::Module(from) => Some(from),
                            _ => None,
                        });
                        modules.flat_map(|from| resolver.lookup(from, module, name)).collect()
                    }));
                }
            }
        }
        found
    }

    /// Follows an import, unless that is what led here.
    fn follow(
        &mut self,
        module: usize,
        number: usize,
        resolve: impl FnOnce(&mut Self) -> BTreeSet<Target>,
    ) -> BTreeSet<Target> {
        if self.following.contains(&(module, number)) {
            return BTreeSet::new();
        }
        self.following.push((module, number));
        let found = resolve(self);
        self.following.pop();
        found
    }
}
