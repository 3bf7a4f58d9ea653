//! A tree for people, and as JSON.

use std::fmt::Write;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{graph::Node, view::View};
use crate::printable::Printable;

/// A node with all that is below it, for machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Nested<'a> {
    digest: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'a str>,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    annotations: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "is_false")]
    repeated: bool,
    #[serde(skip_serializing_if = "is_false")]
    not_looked_further: bool,
    referrers: Vec<Nested<'a>>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// As JSON.
pub(super) fn json(view: &View<'_>) -> String {
    // Invariant: strings and numbers serialize without fail.
    view.root().map_or_else(String::new, |root| serde_json::to_string_pretty(&nested(view, root)).unwrap_or_default())
}

fn nested<'a>(view: &View<'a>, node: &'a Node) -> Nested<'a> {
    Nested {
        digest: &node.digest,
        artifact_type: node.artifact_type.as_deref(),
        size: node.size,
        annotations: node.annotations.as_deref(),
        repeated: node.is_repeated,
        not_looked_further: node.is_deepest,
        referrers: view.referrers(node).into_iter().map(|one| nested(view, one)).collect(),
    }
}

/// As lines, under the name that was asked for. `for_people`: on a terminal, with short digests and colours.
pub(super) fn draw(name: &str, view: &View<'_>, for_people: bool) -> String {
    let Some(root) = view.root() else { return String::new() };
    let drawing = Drawing { view, short: if for_people { view.short() } else { usize::MAX }, for_people };
    let mut drawn = format!("{name}\n{}\n", root.digest);
    if view.referrers(root).is_empty() {
        drawn.push_str("no referrers\n");
    }
    drawing.draw_below(&mut drawn, "", root);
    drawn
}

struct Drawing<'a> {
    view: &'a View<'a>,
    short: usize,
    for_people: bool,
}

impl Drawing<'_> {
    fn draw_below(&self, drawn: &mut String, indent: &str, node: &Node) {
        let referrers = self.view.referrers(node);
        for (number, one) in referrers.iter().enumerate() {
            let last = number + 1 == referrers.len();
            let (branch, below) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
            let artifact_type = Printable(one.artifact_type.as_deref().unwrap_or("(no artifact type)"));
            let digest = Printable(one.digest.get(..self.short).unwrap_or(&one.digest));
            let created = one.created.and_then(|micros| jiff::Timestamp::from_microsecond(micros).ok());
            let created =
                created.map_or_else(String::new, |time| format!(", {}", time.strftime("%Y-%m-%d %H:%M:%S UTC")));
            let (bold, dim, plain) = if self.for_people { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
            // Invariant: writing to a String doesn't fail.
            let _ = writeln!(
                drawn,
                "{indent}{branch}{bold}{artifact_type}{plain}\n{indent}{below}{digest} {dim}({} bytes{created}){plain}",
                one.size
            );
            if one.is_repeated {
                let _ = writeln!(drawn, "{indent}{below}(repeated: its referrers are shown once)");
            }
            if one.is_deepest {
                let _ = writeln!(drawn, "{indent}{below}(not looked further: --depth {})", one.level);
            }
            self.draw_below(drawn, &format!("{indent}{below}"), one);
        }
    }
}
