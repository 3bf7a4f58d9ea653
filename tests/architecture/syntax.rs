//! Small readings of the syntax tree: names of paths, attributes of tests, the values of a function.

use std::collections::BTreeSet;

use proc_macro2::Span;
use syn::{
    Attribute, Item, Meta, Pat, PatIdent, Path, Type,
    visit::{self, Visit},
};

use crate::tokens;

/// Adds a name to a path, unless it is `self`, and gives the path's last name.
pub(crate) fn push(path: &mut Vec<String>, name: String) -> String {
    if name != "self" || path.is_empty() {
        path.push(name);
    }
    path[path.len() - 1].clone()
}

/// The names of a path, without generic arguments; `::a` begins with an empty one.
pub(crate) fn names(path: &Path) -> Vec<String> {
    let root = path.leading_colon.as_ref().map(|_| String::new());
    root.into_iter().chain(path.segments.iter().map(|segment| segment.ident.to_string())).collect()
}

/// The names of a type that is a path.
pub(crate) fn type_names(of: &Type) -> Option<Vec<String>> {
    if let Type::Path(path) = of { Some(names(&path.path)) } else { None }
}

pub(crate) fn line(span: Span) -> usize {
    span.start().line
}

pub(crate) fn line_of(path: &Path) -> usize {
    path.segments.first().map_or(0, |first| line(first.ident.span()))
}

/// Whether only the build of unit tests has what bears these attributes: `#[cfg(test)]`, `#[cfg(all(test, ..))]`.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| match &attribute.meta {
        Meta::List(list) if list.path.is_ident("cfg") => tokens::asks_for_test(list.tokens.clone()),
        _ => false,
    })
}

pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// The names that a function's patterns give to values.
pub(crate) struct Locals(pub(crate) BTreeSet<String>);

impl Locals {
    pub(crate) fn of(read: impl FnOnce(&mut Self)) -> Self {
        let mut locals = Self(BTreeSet::new());
        read(&mut locals);
        locals
    }
}

/// Whether a pattern gives a name to a value. One that begins with a capital is a constant or a unit struct.
pub(crate) fn names_a_value(pattern: &PatIdent) -> bool {
    pattern.subpat.is_some() || !pattern.ident.to_string().starts_with(char::is_uppercase)
}

impl<'ast> Visit<'ast> for Locals {
    fn visit_pat(&mut self, pattern: &'ast Pat) {
        if let Pat::Ident(pattern) = pattern
            && names_a_value(pattern)
        {
            self.0.insert(pattern.ident.to_string());
        }
        visit::visit_pat(self, pattern);
    }
}
