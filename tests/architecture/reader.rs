//! The reader itself, on small trees: what is an arrow, what is a circle, and what is neither.

use std::fs;

use crate::{
    DIRECTION,
    graph::Graph,
    source::{Sources, read, sources},
};

fn tree(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())).collect()
}

fn circles(files: &[(&str, &str)]) -> Vec<String> {
    let graph = Graph::of(&read(&tree(files)));
    graph.circles().iter().map(|circle| graph.name(circle)).collect()
}

/// The arrows of a tree, as `a.rs -> b.rs`.
fn arrows(files: &[(&str, &str)]) -> Vec<String> {
    let graph = Graph::of(&read(&tree(files)));
    let pairs = graph.arrows.iter().flat_map(|(from, to)| to.keys().map(move |to| format!("{from} -> {to}")));
    pairs.collect()
}

const NONE: [&str; 0] = [];

#[test]
fn architecture_reader_names_a_circle_around_a_corner_through_a_reexport() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join("a")).expect("a folder");
    for (file, text) in [
        ("lib.rs", "mod a; mod b; mod c;"),
        ("a.rs", "mod inner;\npub(crate) use inner::Thing;"),
        ("a/inner.rs", "use crate::b::help;\npub(crate) struct Thing;"),
        ("b.rs", "pub(crate) fn help() {\n    crate::c::more()\n}"),
        ("c.rs", "use crate::{\n    a::Thing as Other,\n};\npub(crate) fn more() {}"),
    ] {
        fs::write(folder.path().join(file), text).expect("a file");
    }
    let graph = Graph::of(&read(&sources(folder.path())));
    assert_eq!(
        graph.circles().iter().map(|circle| graph.name(circle)).collect::<Vec<_>>(),
        ["a/inner.rs -> b.rs -> c.rs -> a/inner.rs
    a/inner.rs:1: use crate::b::help
    b.rs:2: crate::c::more
    c.rs:2: use crate::a::Thing"]
    );
    assert_eq!(graph.knots().len(), 1);
}

#[test]
fn architecture_reader_passes_a_tree_without_circles() {
    let files = [
        ("lib.rs", "pub mod a; mod b; pub use a::Thing; pub type Map = a::Other;"),
        ("a.rs", "mod inner; mod other; pub use inner::Thing; pub use self::other::*;"),
        ("a/inner.rs", "use super::Other; pub struct Thing(Other);"),
        ("a/other.rs", "pub struct Other;"),
        ("b.rs", "use crate::{Thing, a::Other}; fn both(_: Thing, _: Other) {}"),
    ];
    assert_eq!(circles(&files), NONE);
    assert_eq!(arrows(&files), ["a/inner.rs -> a/other.rs", "b.rs -> a/inner.rs", "b.rs -> a/other.rs"]);
}

#[test]
fn architecture_reader_finds_a_file_and_its_submodule_that_use_each_other() {
    let own_code = "mod bar; pub use bar::Bar; pub struct Foo(u8); pub fn new() -> Bar { Bar::new() }";
    let child = "use super::Foo; pub struct Bar(Foo); impl Bar { pub fn new() -> Self { todo!() } }";
    let found = circles(&[("lib.rs", "mod foo;"), ("foo.rs", own_code), ("foo/bar.rs", child)]);
    assert!(found[0].starts_with("foo.rs -> foo/bar.rs -> foo.rs\n"), "{found:?}");

    let reexport_alone = "mod bar; pub use bar::Bar; pub struct Foo(u8);";
    assert_eq!(circles(&[("lib.rs", "mod foo;"), ("foo.rs", reexport_alone), ("foo/bar.rs", child)]), NONE);
}

#[test]
fn architecture_reader_passes_over_code_of_tests() {
    let b = "pub struct B;
        #[cfg(test)] use crate::a::A;
        #[cfg(test)] mod tests { use super::*; use crate::a::A; }
        #[cfg(all(test, unix))] fn help() -> crate::a::A { crate::a::A }
        #[cfg(test)] mod apart;
        impl B { #[cfg(test)] fn a(&self) -> crate::a::A { crate::a::A } }";
    let a = "use crate::b::B; pub struct A;";
    let apart = ("b/apart.rs", "use crate::a::A;");
    assert_eq!(arrows(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", b), apart]), ["a.rs -> b.rs"]);

    let of_a_feature = "#[cfg(not(test))] use crate::a::A; pub struct B;";
    let files = [("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", of_a_feature)];
    assert_eq!(circles(&files).len(), 1, "all other code counts");
}

#[test]
fn architecture_reader_follows_every_kind_of_path() {
    let lib = "mod user; mod a; mod b;";
    let a = "mod deep; pub use deep::{Deep, deep}; pub use crate::b::B as Renamed; pub enum A { One }";
    let deep = "pub struct Deep; pub fn deep() {}";
    let b = "pub struct B; pub const LIMIT: usize = 1; #[macro_export] macro_rules! m { () => {} } pub(crate) use m;";
    for (code, expected) in [
        ("use crate::{a::{self, A}, b::{B as Other}};", &["a.rs", "b.rs"][..]),
        ("use crate::a; fn f() { a::deep() }", &["a/deep.rs"]),
        ("use crate::a; fn f() { let one = a::A::One; }", &["a.rs"]),
        ("use crate::a; fn f() { use a::Deep; }", &["a/deep.rs"]),
        ("fn f() -> Option<Vec<crate::a::Renamed>> { None }", &["b.rs"]),
        ("use super::a::Renamed as Again;", &["b.rs"]),
        ("use crate::a::*;", &["a.rs", "a/deep.rs", "b.rs"]),
        ("use crate::a::*; fn f() -> Renamed { todo!() }", &["a.rs", "a/deep.rs", "b.rs"]),
        ("mod inner { pub fn f() { super::super::a::deep() } }", &["a/deep.rs"]),
        ("fn f() { println!(\"{}\", [1].map(|_| crate::b::LIMIT)[0]) }", &["b.rs"]),
        ("fn f() { crate::b::m!() }", &["b.rs"]),
        ("#[derive(Deserialize)] struct S { #[serde(default = \"crate::a::deep\")] s: u8 }", &["a/deep.rs"]),
        ("struct S; impl From<crate::a::Deep> for S { fn from(_: crate::a::Deep) -> S { S } }", &["a/deep.rs"]),
        ("fn f(one: u8) { match one { crate::b::LIMIT => {}, _ => {} } }", &["b.rs"]),
        ("fn f() { let _ = <u8 as Into<crate::b::B>>::into; }", &["b.rs"]),
        ("fn f() { crate::b::made_by_a_macro() }", &["b.rs"]),
        ("// crate::a::A\n/// [`crate::a::A`]\nfn f() { let _ = \"crate::a::A\"; }", &[]),
        ("use crate::a; pub(in crate::user) fn f() {}", &[]),
        ("use std::fmt; use ::a::A; fn f(_: b::B) {}", &[]),
    ] {
        let files = [("lib.rs", lib), ("user.rs", code), ("a.rs", a), ("a/deep.rs", deep), ("b.rs", b)];
        let all = arrows(&files);
        let found: Vec<_> = all.iter().filter_map(|arrow| arrow.strip_prefix("user.rs -> ")).collect();
        assert_eq!(found, expected, "{code}");
    }
}

#[test]
fn architecture_reader_follows_a_private_import_from_below() {
    let files = [
        ("lib.rs", "mod foo; mod other;"),
        ("foo.rs", "mod bar; use crate::other::Other; pub struct Foo(Other);"),
        ("foo/bar.rs", "use super::Other; struct Bar(Other);"),
        ("other.rs", "pub struct Other;"),
    ];
    assert_eq!(arrows(&files), ["foo.rs -> other.rs", "foo/bar.rs -> other.rs"]);
}

#[test]
fn architecture_reader_tells_a_module_from_a_function_of_its_name() {
    let files = [
        ("lib.rs", "mod user; mod foo;"),
        ("user.rs", "use crate::foo; fn f() { foo::import::limit() }"),
        ("foo.rs", "pub mod import; mod other; pub use other::import;"),
        ("foo/import.rs", "pub use import::deep as limit; mod import { pub fn deep() {} }"),
        ("foo/other.rs", "pub fn import() {}"),
    ];
    assert_eq!(arrows(&files), ["user.rs -> foo/import.rs"]);

    let both = "use crate::foo::import; fn f() { import(); import::limit() }";
    let files = files.map(|(file, text)| (file, if file == "user.rs" { both } else { text }));
    assert_eq!(arrows(&files), ["user.rs -> foo/import.rs", "user.rs -> foo/other.rs"]);
}

#[test]
fn architecture_reader_takes_a_value_for_no_reexport_of_its_name() {
    let foo = |code: &str| format!("mod bar; pub use bar::{{page, Bar, LIMIT}}; {code}");
    let found = |code: &str| {
        let files = [
            ("lib.rs", "mod foo;"),
            ("foo.rs", &foo(code)),
            ("foo/bar.rs", "pub fn page() {} pub struct Bar; pub const LIMIT: u8 = 1;"),
        ];
        !arrows(&files).is_empty()
    };
    assert!(!found("fn f(page: u8) -> u8 { let s = S { page }; page + s.page }"));
    assert!(!found("fn f() { for page in 0..3 { println!(\"{}\", page) } }"));
    assert!(found("fn f() { page() }"));
    assert!(found("fn f() { assert_eq!(page(), ()) }"));
    assert!(found("fn f() { assert!((0..page()).is_empty()) }"));
    assert!(found("fn f() -> Bar { todo!() }"));
    assert!(found("fn f(one: u8) { match one { LIMIT => {} _ => {} } }"));
    assert!(found("fn f() { dbg!(Bar) }"));
}

#[test]
fn architecture_reader_counts_reexports_of_other_rooms() {
    let files = [
        ("lib.rs", "mod foo; mod other;"),
        ("foo.rs", "pub use crate::other::Other;"),
        ("other.rs", "pub struct Other;"),
    ];
    assert_eq!(arrows(&files), ["foo.rs -> other.rs"]);
}

#[test]
fn architecture_reader_follows_methods_that_stand_apart_from_their_type() {
    let with = |user: &str| {
        arrows(&[
            ("lib.rs", "mod hop; mod push; mod user;"),
            ("hop.rs", "pub struct Hop; impl Hop { pub fn new() -> Self { Self } fn f(&self) { self.push() } }"),
            ("push.rs", "use crate::hop::Hop; impl Hop { pub fn push(&self) {} pub fn made() -> Hop { Hop::new() } }"),
            ("user.rs", user),
        ])
    };
    let own = ["hop.rs -> push.rs", "push.rs -> hop.rs"];
    assert_eq!(with(""), own);
    assert_eq!(with("use crate::hop::Hop; fn f(_: Hop) {}"), [&own[..], &["user.rs -> hop.rs"]].concat());
    let all = [&own[..], &["user.rs -> hop.rs", "user.rs -> push.rs"]].concat();
    assert_eq!(with("use crate::hop::Hop; fn f(hop: Hop) { hop.push() }"), all);
    assert_eq!(with("use crate::hop::Hop; fn f() { Hop::made(); }"), all);
    assert_eq!(with("use crate::hop::Hop; fn f(hop: Hop) { select! { _ = hop.push() => {} } }"), all);
    assert_eq!(with("use crate::hop::Hop; impl Clone for Hop { fn clone(&self) -> Self { Self::made() } }"), all);
    // A list has a `push` too: what is called can't be told, unless it is on `self`.
    assert_eq!(with("fn f(list: &mut Vec<u8>) { list.push(1) }"), own);
}

#[test]
fn architecture_reader_finds_files_that_no_module_names() {
    let sources = tree(&[
        ("lib.rs", "mod a; #[cfg(test)] mod tests;"),
        ("a/mod.rs", ""),
        ("a/old.rs", ""),
        ("tests.rs", "mod more;"),
        ("tests/more.rs", ""),
    ]);
    assert_eq!(read(&sources).unused, ["a/old.rs"]);
}

#[test]
fn architecture_reader_finds_arrows_against_the_direction() {
    let files = |store: &'static str| {
        tree(&[
            ("lib.rs", "pub mod store; pub mod upstream; pub mod random; pub mod oci;"),
            ("main.rs", "mod commands;"),
            ("commands.rs", "use backref::upstream::Client;"),
            ("store.rs", store),
            ("upstream.rs", "mod permit; pub use permit::ReadPermit; pub struct Client;"),
            ("upstream/permit.rs", "use crate::oci::Digest; pub struct ReadPermit;"),
            ("random.rs", "pub fn bytes() {}"),
            ("oci.rs", "pub struct Digest;"),
        ])
    };
    let wrong = |store| DIRECTION.wrong_arrows(&Graph::of(&read(&files(store))));
    assert_eq!(wrong("use crate::{oci::Digest, random::bytes, upstream::ReadPermit};"), NONE);
    assert_eq!(
        wrong("use crate::{\n    upstream::{Client, ReadPermit}};"),
        [
            "store.rs -> upstream.rs: of upstream, store may use ReadPermit alone\n    store.rs:2: use crate::upstream::Client"
        ]
    );

    let against = |user, used| DIRECTION.may_use(user, used).expect_err("against the direction");
    assert_eq!(against("oci", "store"), "oci stands below store");
    assert_eq!(against("http", "operator"), "http and operator share a layer: neither may use the other");
    assert_eq!(against("policy", "app"), "policy stands below app");
    assert_eq!(against("random", "oci"), "random is a leaf: it may use leaves only");
    assert!(against("attic", "oci").contains("does not say where attic stands"));
    for (user, used) in [("main", "cli"), ("server", "http"), ("http", "app"), ("carrier", "error"), ("metrics", "oci")]
    {
        assert_eq!(DIRECTION.may_use(user, used), Ok(()), "{user} -> {used}");
    }
}
