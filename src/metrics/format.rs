//! The two formats of `/metrics`: OpenMetrics, for whoever asks for it, and Prometheus' older text, for everybody else.

use http::{HeaderMap, header};

/// How metrics are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0.
    OpenMetrics,
    /// Prometheus' text format, 0.0.4.
    Text,
}

impl Format {
    /// What a client accepts. One that says nothing gets the older, which all read.
    pub fn accepted(headers: &HeaderMap) -> Self {
        let mut accepts = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
        if accepts.any(|value| value.contains("application/openmetrics-text")) { Self::OpenMetrics } else { Self::Text }
    }

    /// Its media type.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }

    /// Writes what is written as OpenMetrics.
    pub(super) fn of(self, open_metrics: String) -> String {
        match self {
            Self::OpenMetrics => open_metrics,
            Self::Text => text(&open_metrics),
        }
    }
}

/// The samples are the same. Families have the names of their samples, units and the end are not said, and what only says
/// something by its labels is a gauge.
fn text(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    let mut help = "";
    let mut line = |parts: [&str; 3]| {
        for part in parts {
            text.push_str(part);
        }
        text.push('\n');
    };
    for one in open_metrics.lines() {
        if let Some(rest) = one.strip_prefix("# HELP ") {
            // It stands before the type, which says how the family is called.
            help = rest.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) = one.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            let (ending, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "unknown" => ("", "untyped"),
                kind => ("", kind),
            };
            line(["# HELP ", &format!("{name}{ending} "), help]);
            line(["# TYPE ", &format!("{name}{ending} "), kind]);
        } else if !one.starts_with('#') {
            line([one, "", ""]);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_as_text_have_the_families_of_their_samples() {
        let open = "# HELP a_b Things.\n# TYPE a_b counter\na_b_total{x=\"y\"} 1\n# HELP c Build.\n# TYPE c info\nc_info{v=\"1\"} 1\n\
                    # HELP d_seconds Time.\n# TYPE d_seconds gauge\n# UNIT d_seconds seconds\nd_seconds 2.5\n# EOF\n";
        let expected = "# HELP a_b_total Things.\n# TYPE a_b_total counter\na_b_total{x=\"y\"} 1\n# HELP c_info Build.\n\
                        # TYPE c_info gauge\nc_info{v=\"1\"} 1\n# HELP d_seconds Time.\n# TYPE d_seconds gauge\nd_seconds 2.5\n";
        assert_eq!(Format::Text.of(open.to_owned()), expected);
        assert_eq!(Format::OpenMetrics.of(open.to_owned()), open);
    }

    #[test]
    fn metrics_are_written_as_a_client_accepts() {
        let accepting =
            |value: &'static str| HeaderMap::from_iter([(header::ACCEPT, http::HeaderValue::from_static(value))]);
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.1";
        assert_eq!(Format::accepted(&accepting(prometheus)), Format::OpenMetrics);
        assert_eq!(Format::accepted(&accepting("*/*")), Format::Text);
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Text);
    }
}
