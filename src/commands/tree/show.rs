//! A tree for people, and as JSON.

use std::fmt::Write;

use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    super::printable::Printable,
    graph::{Graph, Node},
};

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
pub(super) fn json(graph: &Graph) -> String {
    // Invariant: strings and numbers serialize without fail.
    graph
        .nodes
        .first()
        .map_or_else(String::new, |root| serde_json::to_string_pretty(&nested(graph, root)).unwrap_or_default())
}

fn nested<'a>(graph: &'a Graph, node: &'a Node) -> Nested<'a> {
    Nested {
        digest: &node.digest,
        artifact_type: node.artifact_type.as_deref(),
        size: node.size,
        annotations: node.annotations.as_deref(),
        repeated: node.is_repeated,
        not_looked_further: node.is_deepest,
        referrers: node.referrers.iter().map(|&place| nested(graph, &graph.nodes[place])).collect(),
    }
}

/// As lines, under the name that was asked for.
pub(super) fn draw(name: &str, graph: &Graph) -> String {
    let Some(root) = graph.nodes.first() else { return String::new() };
    let mut drawn = format!("{name}\n{}\n", root.digest);
    if root.referrers.is_empty() {
        drawn.push_str("no referrers\n");
    }
    draw_below(&mut drawn, "", graph, root);
    drawn
}

fn draw_below(drawn: &mut String, indent: &str, graph: &Graph, node: &Node) {
    for (number, &place) in node.referrers.iter().enumerate() {
        let one = &graph.nodes[place];
        let last = number + 1 == node.referrers.len();
        let (branch, below) = if last { ("└── ", "    ") } else { ("├── ", "│   ") };
        let artifact_type = Printable(one.artifact_type.as_deref().unwrap_or("(no artifact type)"));
        let digest = Printable(&one.digest);
        // Invariant: writing to a String doesn't fail.
        let _ = writeln!(drawn, "{indent}{branch}{artifact_type}\n{indent}{below}{digest} ({} bytes)", one.size);
        if one.is_repeated {
            let _ = writeln!(drawn, "{indent}{below}(repeated: its referrers are shown once)");
        }
        if one.is_deepest {
            let _ = writeln!(drawn, "{indent}{below}(not looked further: --depth {})", one.level);
        }
        draw_below(drawn, &format!("{indent}{below}"), graph, one);
    }
}
