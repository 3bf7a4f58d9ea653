//! Reads the code of one file into its modules: declarations, imports, paths and method calls, each with its line.
//!
//! The tokens within a macro's parentheses have no grammar of their own. Paths and calls are read there as they stand.

use std::{collections::BTreeSet, mem};

use proc_macro2::TokenStream;
use syn::{
    Attribute, Expr, ExprMethodCall, ExprStruct, Field, File, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod,
    Local, Macro, Meta, PatIdent, Path, TraitItem, TraitItemFn, UseTree, Visibility,
    visit::{self, Visit},
};

use crate::{
    parts::{Call, Implementation, Import, Name, NamedPath, Tree},
    syntax::{Locals, attributes, is_test, line, line_of, names, names_a_value, push, type_names},
    tokens,
};

/// Reads one file.
pub(crate) struct Code<'a> {
    tree: &'a mut Tree,
    module: usize,
    /// The names that the function which is being read gives to its values.
    locals: BTreeSet<String>,
    /// What `Self` means.
    self_type: Option<Vec<String>>,
    /// Modules in files of their own: the parent, the name, and whether only tests have it.
    pub(crate) declared: Vec<(usize, String, bool)>,
}

impl<'a> Code<'a> {
    pub(crate) fn new(tree: &'a mut Tree, module: usize) -> Self {
        Self { tree, module, locals: BTreeSet::new(), self_type: None, declared: Vec::new() }
    }

    /// Gives a name of this module a meaning.
    fn declare(&mut self, name: &str, meaning: Name) {
        self.tree.modules[self.module].names.entry(name.to_owned()).or_default().push(meaning);
    }

    fn import(&mut self, tree: &UseTree, prefix: &[String], is_public: bool) {
        let mut path = prefix.to_vec();
        let (name, is_glob, span) = match tree {
            UseTree::Path(deeper) => {
                path.push(deeper.ident.to_string());
                return self.import(&deeper.tree, &path, is_public);
            }
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.import(tree, &path, is_public));
            }
            UseTree::Glob(glob) => (String::new(), true, glob.star_token.span),
            UseTree::Name(name) => (push(&mut path, name.ident.to_string()), false, name.ident.span()),
            UseTree::Rename(renamed) => {
                push(&mut path, renamed.ident.to_string());
                (renamed.rename.to_string(), false, renamed.ident.span())
            }
        };
        let imports = &mut self.tree.modules[self.module].imports;
        imports.push(Import { path, is_glob, is_public, line: line(span) });
        let import = Name::Import(imports.len() - 1);
        if !is_glob {
            self.declare(&name, import);
        }
    }

    /// Notes a path in code. A single name counts unless the function gives it to a value of its own.
    fn path(&mut self, mut path: Vec<String>, is_literal: bool, line: usize) {
        if path.len() == 1 && self.locals.contains(&path[0]) {
            return;
        }
        if path[0] == "Self" {
            let Some(self_type) = &self.self_type else { return };
            path.splice(..1, self_type.iter().cloned());
        }
        self.tree.modules[self.module].paths.push(NamedPath { path, is_literal, line });
    }

    fn call(&mut self, method: String, is_on_self: bool, has_arguments: bool, line: usize) {
        let of = self.self_type.clone().filter(|_| is_on_self);
        self.tree.modules[self.module].calls.push(Call { method, of, has_arguments, line });
    }

    fn implementation(&mut self, of: Vec<String>, functions: impl Iterator<Item = String>) {
        let functions = functions.collect();
        self.tree.modules[self.module].implementations.push(Implementation { of, functions });
    }

    /// Reads a function with the names of its values known.
    fn function(&mut self, locals: Locals, read: impl FnOnce(&mut Self)) {
        let outer = mem::replace(&mut self.locals, locals.0);
        self.locals.extend(outer.iter().cloned());
        read(self);
        self.locals = outer;
    }
}

impl<'ast> Visit<'ast> for Code<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes(item)) {
            if let Item::Mod(ItemMod { ident, content: None, .. }) = item {
                self.declared.push((self.module, ident.to_string(), true));
            }
            return;
        }
        match item {
            Item::Const(item) => self.declare(&item.ident.to_string(), Name::Value),
            Item::Fn(item) => self.declare(&item.sig.ident.to_string(), Name::Value),
            Item::Static(item) => self.declare(&item.ident.to_string(), Name::Value),
            Item::Enum(item) => self.declare(&item.ident.to_string(), Name::Type),
            Item::Struct(item) => self.declare(&item.ident.to_string(), Name::Type),
            Item::Type(item) => self.declare(&item.ident.to_string(), Name::Type),
            Item::Union(item) => self.declare(&item.ident.to_string(), Name::Type),
            Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    self.declare(&name.to_string(), Name::Value);
                }
            }
            Item::Trait(item) => {
                self.declare(&item.ident.to_string(), Name::Type);
                let functions = item.items.iter().filter_map(|item| match item {
                    TraitItem::Fn(function) => Some(function.sig.ident.to_string()),
                    _ => None,
                });
                self.implementation(vec![item.ident.to_string()], functions);
            }
            Item::Use(item) => {
                let is_public = match &item.vis {
                    Visibility::Public(_) => true,
                    Visibility::Restricted(within) => !within.path.is_ident("self"),
                    Visibility::Inherited => false,
                };
                let root: &[String] = if item.leading_colon.is_some() { &[String::new()] } else { &[] };
                return self.import(&item.tree, root, is_public);
            }
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        let is_moved = item.attrs.iter().any(|attribute| attribute.path().is_ident("path"));
        assert!(!is_moved, "`mod {}` has a path of its own, which this test does not follow", item.ident);
        let Some((_, items)) = &item.content else {
            return self.declared.push((self.module, item.ident.to_string(), false));
        };
        let file = self.tree.modules[self.module].file.clone();
        let child = self.tree.add_child(self.module, &item.ident.to_string(), file);
        let outer = mem::replace(&mut self.module, child);
        for item in items {
            self.visit_item(item);
        }
        self.module = outer;
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let of = type_names(&item.self_ty);
        if let (None, Some(of)) = (&item.trait_, &of) {
            let functions = item.items.iter().filter_map(|item| match item {
                ImplItem::Fn(function) if !is_test(&function.attrs) => Some(function.sig.ident.to_string()),
                _ => None,
            });
            self.implementation(of.clone(), functions);
        }
        let outer = mem::replace(&mut self.self_type, of);
        visit::visit_item_impl(self, item);
        self.self_type = outer;
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.function(Locals::of(|locals| locals.visit_item_fn(item)), |code| visit::visit_item_fn(code, item));
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            let locals = Locals::of(|locals| locals.visit_impl_item_fn(item));
            self.function(locals, |code| visit::visit_impl_item_fn(code, item));
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if !is_test(&item.attrs) {
            let locals = Locals::of(|locals| locals.visit_trait_item_fn(item));
            self.function(locals, |code| visit::visit_trait_item_fn(code, item));
        }
    }

    fn visit_field(&mut self, field: &'ast Field) {
        if !is_test(&field.attrs) {
            visit::visit_field(self, field);
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if !is_test(&local.attrs) {
            visit::visit_local(self, local);
        }
    }

    fn visit_path(&mut self, path: &'ast Path) {
        self.path(names(path), false, line_of(path));
        visit::visit_path(self, path);
    }

    fn visit_pat_ident(&mut self, pattern: &'ast PatIdent) {
        if !names_a_value(pattern) {
            self.path(vec![pattern.ident.to_string()], false, line(pattern.ident.span()));
        }
        visit::visit_pat_ident(self, pattern);
    }

    fn visit_expr_struct(&mut self, literal: &'ast ExprStruct) {
        self.path(names(&literal.path), true, line_of(&literal.path));
        visit::visit_expr_struct(self, literal);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let is_on_self = matches!(&*call.receiver, Expr::Path(path) if path.path.is_ident("self"));
        self.call(call.method.to_string(), is_on_self, !call.args.is_empty(), line(call.method.span()));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let path = attribute.path();
        if ["doc", "cfg", "cfg_attr", "allow", "expect"].iter().any(|name| path.is_ident(name)) {
            return;
        }
        if let Meta::List(list) = &attribute.meta {
            tokens::texts(&list.tokens, &mut |text, span| {
                // `#[serde(deserialize_with = "a::b")]`
                if let Ok(path) = syn::parse_str::<Path>(text) {
                    self.path(names(&path), false, line(span));
                }
            });
            self.visit_token_stream(&list.tokens);
        }
    }

    fn visit_macro(&mut self, invoked: &'ast Macro) {
        self.visit_path(&invoked.path);
        self.visit_token_stream(&invoked.tokens);
    }

    fn visit_token_stream(&mut self, stream: &'ast TokenStream) {
        for found in tokens::found(stream) {
            match found {
                tokens::Found::Path(path, span) => self.path(path, false, line(span)),
                tokens::Found::Call { method, is_on_self, has_arguments, span } => {
                    self.call(method, is_on_self, has_arguments, line(span));
                }
            }
        }
    }

    fn visit_file(&mut self, file: &'ast File) {
        for item in &file.items {
            self.visit_item(item);
        }
    }
}
