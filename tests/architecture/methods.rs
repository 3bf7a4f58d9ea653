//! Methods that stand in another file than their type, and what can be told of the calls of methods.

use std::collections::{BTreeMap, BTreeSet};

use crate::{names::Target, parts::Tree};

/// A type or trait: the module that declares it, and its name.
pub(crate) type TypeName = (usize, String);

/// Functions of types that stand in another file than their type.
pub(crate) struct Apart {
    /// The files of a type's function.
    of_type: BTreeMap<(TypeName, String), BTreeSet<String>>,
    /// The file of a method, where its name alone says which one is called: no other type or trait of this crate has a
    /// method of that name, and every file that calls one names the type.
    pub(crate) by_name: BTreeMap<String, String>,
}

impl Apart {
    /// Finds them, by the `impl` blocks of a crate.
    pub(crate) fn find(tree: &Tree) -> Self {
        let mut of_type: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        let mut homes: BTreeMap<&str, BTreeSet<(TypeName, &str)>> = BTreeMap::new();
        let mut named: BTreeSet<(TypeName, &str)> = BTreeSet::new();
        for (number, module) in tree.modules.iter().enumerate() {
            for implementation in &module.implementations {
                for of in types(tree, number, &implementation.of) {
                    let is_apart = tree.modules[of.0].file != module.file;
                    for function in &implementation.functions {
                        homes.entry(function).or_default().insert((of.clone(), &module.file));
                        if is_apart {
                            of_type.entry((of.clone(), function.clone())).or_default().insert(module.file.clone());
                        }
                    }
                }
            }
            let imports = module.imports.iter().map(|import| &import.path);
            let paths = imports.chain(module.paths.iter().map(|named| &named.path));
            named.extend(paths.flat_map(|path| types(tree, number, path)).map(|of| (of, &module.file[..])));
        }
        let is_foreign = |method: &str, of: &TypeName| {
            let mut callers =
                tree.modules.iter().filter(|module| module.calls.iter().any(|call| call.method == method));
            callers.any(|module| !named.contains(&(of.clone(), &module.file)))
        };
        let mut by_name = BTreeMap::new();
        for (method, homes) in homes {
            let mut homes = homes.into_iter();
            if let (Some((of, file)), None) = (homes.next(), homes.next())
                && tree.modules[of.0].file != file
                && !is_foreign(method, &of)
            {
                by_name.insert(method.to_owned(), file.to_owned());
            }
        }
        Self { of_type, by_name }
    }

    /// The files, apart from the type's own, where the type has a function of this name.
    pub(crate) fn of_type(&self, of: TypeName, function: &str) -> impl Iterator<Item = &String> {
        self.of_type.get(&(of, function.to_owned())).into_iter().flatten()
    }
}

/// The types of this crate that a path names, by itself or before a name in them.
pub(crate) fn types(tree: &Tree, module: usize, path: &[String]) -> BTreeSet<TypeName> {
    let targets = tree.resolve(module, path).into_iter();
    targets
        .filter_map(|target| match target {
            Target::Item { module, name, .. } => Some((module, name)),
            _ => None,
        })
        .collect()
}
