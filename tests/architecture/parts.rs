//! The modules of a crate and what each holds, as far as the graph of files needs it.

use std::collections::BTreeMap;

/// A module: a file's own, or one that stands inline in a file.
#[derive(Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    pub(crate) parent: Option<usize>,
    /// What its names mean. A name can mean a module, a type and a value at once.
    pub(crate) names: BTreeMap<String, Vec<Name>>,
    pub(crate) imports: Vec<Import>,
    pub(crate) paths: Vec<NamedPath>,
    pub(crate) calls: Vec<Call>,
    pub(crate) implementations: Vec<Implementation>,
    /// The path that leads to it, without the crate.
    pub(crate) path: Vec<String>,
}

/// What a name in a module means.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Name {
    /// The module of this number.
    Module(usize),
    /// A struct, enum, union, trait or type alias.
    Type,
    /// A function, constant, static or macro.
    Value,
    /// The import of this number.
    Import(usize),
}

/// What one `use` brings into a module.
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// `use path::*`.
    pub(crate) is_glob: bool,
    /// A re-export: `pub use`, `pub(crate) use` and the like.
    pub(crate) is_public: bool,
    pub(crate) line: usize,
}

/// A path in code: `crate::a::B`, `super::f`, `Type::new`.
pub(crate) struct NamedPath {
    pub(crate) path: Vec<String>,
    /// It stands before the braces of a struct expression: `path { field }`.
    pub(crate) is_literal: bool,
    pub(crate) line: usize,
}

/// A method call: `receiver.method(arguments)`.
pub(crate) struct Call {
    pub(crate) method: String,
    /// The type of `self`, if the receiver is `self`.
    pub(crate) of: Option<Vec<String>>,
    pub(crate) has_arguments: bool,
    pub(crate) line: usize,
}

/// `impl Type { .. }` or `trait Type { .. }`, with the names of its functions.
pub(crate) struct Implementation {
    pub(crate) of: Vec<String>,
    pub(crate) functions: Vec<String>,
}

/// All modules of a crate and, if there is a `main.rs`, of its binary.
#[derive(Default)]
pub(crate) struct Tree {
    pub(crate) modules: Vec<Module>,
    /// Files that no `mod` names.
    pub(crate) unused: Vec<String>,
}

impl Tree {
    /// Adds a module below another and gives its number.
    pub(crate) fn add_child(&mut self, parent: usize, name: &str, file: String) -> usize {
        let path = [&self.modules[parent].path[..], &[name.to_owned()]].concat();
        let child = self.add(Module { file, parent: Some(parent), path, ..Module::default() });
        self.modules[parent].names.entry(name.to_owned()).or_default().push(Name::Module(child));
        child
    }

    /// Adds a module that has no parent yet and gives its number.
    pub(crate) fn add(&mut self, module: Module) -> usize {
        self.modules.push(module);
        self.modules.len() - 1
    }

    /// Whether a module is the other, or stands below it.
    pub(crate) fn is_within(&self, mut module: usize, other: usize) -> bool {
        while module != other {
            let Some(parent) = self.modules[module].parent else { return false };
            module = parent;
        }
        true
    }
}
