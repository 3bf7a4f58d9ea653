//! A page as it goes out: HTML, JSON or text, whichever the address asks for (`format=json`, `format=text`).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use maud::Markup;
use serde::Serialize;
use serde_json::Value;

use crate::printable::Printable;

/// Nothing from elsewhere, and no code or style within the page.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; form-action 'self'; \
    base-uri 'none'; frame-ancestors 'none'";

/// One page.
pub(super) struct View {
    pub(super) status: StatusCode,
    /// For people.
    pub(super) page: Markup,
    /// The same facts, for machines.
    pub(super) facts: Value,
}

impl View {
    /// A page that shows something.
    pub(super) fn of(page: Markup, facts: &impl Serialize) -> Self {
        // Invariant: texts, numbers and lists of them serialize without fail.
        Self { status: StatusCode::OK, page, facts: serde_json::to_value(facts).unwrap_or_default() }
    }

    /// As `format` has it.
    pub(super) fn into_response(self, format: Option<&str>) -> Response<Full<Bytes>> {
        let (content_type, body) = match format {
            Some("json") => ("application/json", format!("{:#}\n", self.facts)),
            Some("text") => ("text/plain; charset=utf-8", outline(&self.facts)),
            _ => ("text/html; charset=utf-8", self.page.into_string()),
        };
        let mut answer = plain(self.status, content_type, body);
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
        answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
        answer
    }
}

/// An answer that browsers take for what it is.
pub(super) fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::from(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// Facts as indented lines, `name: value`.
fn outline(facts: &Value) -> String {
    let mut lines = Vec::new();
    collect(&mut lines, "", facts);
    lines.push(String::new());
    lines.join("\n")
}

/// The lines of a value, each behind `indent`.
fn collect(lines: &mut Vec<String>, indent: &str, value: &Value) {
    let deeper = format!("{indent}  ");
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if value.is_object() || value.is_array() {
                    lines.push(format!("{indent}{name}:"));
                    collect(lines, &deeper, value);
                } else {
                    lines.push(format!("{indent}{name}: {}", scalar(value)));
                }
            }
        }
        Value::Array(entries) if entries.is_empty() => lines.push(format!("{indent}none")),
        Value::Array(entries) => {
            for entry in entries {
                let first = lines.len();
                collect(lines, &deeper, entry);
                // The entry's first line has its mark.
                if let Some(line) = lines.get_mut(first) {
                    line.replace_range(indent.len()..=indent.len(), "-");
                }
            }
        }
        other => lines.push(format!("{indent}{}", scalar(other))),
    }
}

/// On one line, whatever somebody wrote into it.
fn scalar(value: &Value) -> String {
    match value {
        Value::Null => "none".to_owned(),
        Value::String(text) => Printable(text).to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::outline;
    use serde_json::json;

    #[test]
    fn page_as_text_has_a_line_for_each_fact() {
        let facts = json!({"name": "a\nb\u{1b}[31m", "count": 3, "none": null, "empty": [], "list": [{"x": 1, "y": [1, 2]}, {"x": 2}]});
        assert_eq!(
            outline(&facts),
            "count: 3\nempty:\n  none\nlist:\n  - x: 1\n    y:\n      - 1\n      - 2\n  - x: 2\nname: a\\nb\\u{1b}[31m\nnone: none\n"
        );
    }
}
