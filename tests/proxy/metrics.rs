//! What Prometheus is told.

use crate::support::{Backref, Fake, http};

#[test]
fn metrics_have_the_names_and_units_that_everybody_uses() {
    let fake = Fake::start(|visit| visit.answer("200 OK", &[], ""));
    let backref = Backref::of(&fake.url()).start();
    for _ in 0..3 {
        http::get(&format!("{}/v2/", backref.url()), &[]);
    }
    let page = http::get(&format!("{}/metrics", backref.admin_url()), &[]).text();
    let value = |name: &str| {
        let line = page.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{'])));
        let value = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no {name} in {page}"))
    };
    let count = value("backref_request_duration_seconds_count");
    assert!(count >= 3.0 && value("backref_upstream_request_duration_seconds_count") >= 3.0, "{page}");
    let build = format!("backref_build_info{{version=\"{}\",commit=\"", env!("CARGO_PKG_VERSION"));
    assert!(page.contains(&build), "{page}");
    assert!(value("process_resident_memory_bytes") > 1e6 && value("process_open_fds") > 5.0, "{page}");
    assert!(value("process_cpu_seconds_total") >= 0.0 && value("process_max_fds") > 5.0);
    let since_1970 =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs_f64();
    let age = since_1970 - value("process_start_time_seconds");
    assert!((-2.0..600.0).contains(&age), "it began {age} s ago");
}

/// The page in the docs has every metric that the code registers, and no other.
#[test]
fn metrics_are_those_of_the_docs() {
    let code = include_str!("../../src/metrics.rs").split_whitespace().collect::<Vec<_>>().join(" ");
    let page = include_str!("../../docs/metrics-and-logs.md");
    let calls =
        code.split("register(").skip(1).filter_map(|call| call.trim_start().strip_prefix('"')?.split('"').next());
    let mut registered: Vec<&str> = calls.collect();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `backref_")?.split('`').next());
    let plain = |name: &'static str| name.trim_end_matches("_total").trim_end_matches("_info");
    let mut described: Vec<&str> = rows.map(plain).collect();
    registered.sort_unstable();
    described.sort_unstable();
    assert!(registered.len() > 10, "{registered:?}");
    assert_eq!(described, registered);
}

/// Each format as its readers know it: the older one knows nothing of units and ends.
#[test]
fn metrics_come_in_the_format_that_is_accepted() {
    let fake = Fake::start(|visit| visit.answer("200 OK", &[], ""));
    let backref = Backref::of(&fake.url()).start();
    http::get(&format!("{}/v2/", backref.url()), &[]);
    let get = |accept: &[(&str, &str)]| http::get(&format!("{}/metrics", backref.admin_url()), accept);
    let open = get(&[("Accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")]);
    assert!(
        open.header("content-type").starts_with("application/openmetrics-text") && open.text().ends_with("# EOF\n")
    );
    let text = get(&[]);
    assert_eq!(text.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let text = text.text();
    assert!(
        text.contains("# TYPE backref_requests_total counter\nbackref_requests_total{") && !text.contains("# EOF"),
        "{text}"
    );
}
