//! Traces: what goes to the registry, and what to a collector.

use serde_json::Value;

use crate::manifests::{INDEX, REPOSITORY, path, plain, push_as, referrer};
use crate::support::{Backref, Fake, Holdings, Visit, http, sha256, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

/// A registry that has a subject, whose digest is given.
fn registry() -> (Fake, String) {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    (Fake::start(move |visit| holdings.serve(visit)), sha256(&subject))
}

fn collector() -> Fake {
    Fake::start(|visit| {
        let _ = visit.body();
        visit.answer("200 OK", &["Content-Type: application/json"], "{}");
    })
}

fn traced(upstream: &Fake, collector: &Fake) -> Backref {
    Backref::of(&upstream.url())
        .config("[log]\naccess = 1\nformat = \"json\"\n")
        .without_tags()
        .environment("OTEL_EXPORTER_OTLP_ENDPOINT", &collector.url())
        .environment("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json")
        .environment("OTEL_BSP_SCHEDULE_DELAY", "50")
        .start()
}

/// All spans that the collector got.
fn spans(collector: &Fake) -> Vec<Value> {
    let sent = collector.seen().into_iter().filter(|seen| seen.head.target() == "/v1/traces");
    let bodies = sent.filter_map(|seen| serde_json::from_slice::<Value>(&seen.body?).ok());
    let within = |value: &Value, name: &str| value[name].as_array().cloned().unwrap_or_default();
    let resources = bodies.flat_map(|body| within(&body, "resourceSpans")).collect::<Vec<_>>();
    resources.iter().flat_map(|one| within(one, "scopeSpans")).flat_map(|scope| within(&scope, "spans")).collect()
}

fn attribute(span: &Value, key: &str) -> String {
    let all = span["attributes"].as_array().cloned().unwrap_or_default();
    let value = all.into_iter().find(|one| one["key"] == key).map(|one| one["value"].clone()).unwrap_or_default();
    value["stringValue"]
        .as_str()
        .or(value["intValue"].as_str())
        .map_or_else(|| value["intValue"].to_string(), str::to_owned)
}

/// What the registry was told of the trace, request by request.
fn told(upstream: &Fake) -> Vec<Option<String>> {
    upstream.seen().iter().map(|seen| seen.head.header("traceparent").map(str::to_owned)).collect()
}

#[test]
fn traces_of_clients_go_to_the_registry_as_they_came() {
    let (upstream, subject) = registry();
    let backref = Backref::of(&upstream.url()).without_tags().start();
    let parent = traceparent("01");
    let headers = [("traceparent", &*parent), ("tracestate", "vendor=1")];
    assert_eq!(http::get(&format!("{}{}", backref.url(), path(&subject)), &headers).status, 200);
    http::referrers(backref.host(), REPOSITORY, &subject, &headers);
    assert!(told(&upstream).iter().all(|told| told.as_deref() == Some(&parent)), "{:?}", told(&upstream));
    assert_eq!(upstream.seen()[0].head.header("tracestate"), Some("vendor=1"));
}

#[test]
fn traces_are_sent_to_a_collector_with_each_request_to_the_registry_below_the_clients() {
    let ((upstream, subject), collector) = (registry(), collector());
    let backref = traced(&upstream, &collector);
    let manifest = referrer(&subject, "a");
    let headers = [("traceparent", &*traceparent("01")), ("X-Request-Id", "mine-1"), ("Content-Type", INDEX)];
    // The registry is asked by a task of its own.
    let pushed = http::send("PUT", &format!("{}{}", backref.url(), path(&sha256(&manifest))), &headers, &manifest);
    assert_eq!(pushed.status, 201);
    let ours = until("the spans", || {
        let all = spans(&collector);
        let server = all.iter().find(|span| span["name"] == "PUT push")?.clone();
        let client = all.iter().find(|span| span["name"] == "PUT")?.clone();
        Some([server, client])
    });
    let [server, client] = &ours;
    assert_eq!((&server["traceId"], &server["parentSpanId"]), (&TRACE.into(), &PARENT.into()), "{server}");
    assert_eq!((&client["traceId"], &client["parentSpanId"]), (&TRACE.into(), &server["spanId"]), "{client}");
    assert_eq!(attribute(server, "http.response.status_code"), "201");
    assert_eq!(attribute(server, "backref.request_id"), "mine-1");
    assert_eq!(attribute(client, "url.path"), path(&sha256(&manifest)));
    let span = client["spanId"].as_str().expect("a span");
    assert!(told(&upstream).contains(&Some(format!("00-{TRACE}-{span}-01"))), "{:?}", told(&upstream));
    // The log has the same trace, and how long the registry was waited for by whichever task.
    let line = until("the access log", || {
        backref.log().lines().find(|line| line.contains("backref::access")).map(str::to_owned)
    });
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert!(line["trace_id"] == TRACE && line["upstream_duration_seconds"].as_f64() > Some(0.0), "{line}");
}

#[test]
fn traces_begin_where_a_client_has_none_and_end_with_the_process() {
    let ((upstream, subject), collector) = (registry(), collector());
    let mut backref = traced(&upstream, &collector);
    assert_eq!(http::get(&format!("{}{}", backref.url(), path(&subject)), &[]).status, 200);
    let told = told(&upstream).pop().flatten().expect("a trace");
    assert!(backref.terminate().success());
    let sent = spans(&collector);
    let trace = told.split('-').nth(1).expect("its id");
    assert_eq!(sent.iter().filter(|span| span["traceId"] == trace).count(), 2, "{sent:#?}");
}

#[test]
fn traces_that_a_client_does_not_want_are_not_sent() {
    let ((upstream, subject), collector) = (registry(), collector());
    let mut backref = traced(&upstream, &collector);
    let parent = traceparent("00");
    assert_eq!(http::get(&format!("{}{}", backref.url(), path(&subject)), &[("traceparent", &parent)]).status, 200);
    assert!(backref.terminate().success());
    assert!(spans(&collector).is_empty());
    let told = told(&upstream).pop().flatten().expect("a trace");
    assert!(told.starts_with(&format!("00-{TRACE}-")) && told.ends_with("-00"), "{told}");
}

/// A collector that isn't there costs clients nothing.
#[test]
fn traces_that_nobody_takes_hold_up_nobody() {
    let (upstream, subject) = registry();
    let nobody = Fake::start(Visit::close);
    let mut backref = traced(&upstream, &nobody);
    for name in ["a", "b"] {
        let manifest = referrer(&subject, name);
        assert_eq!(push_as(backref.host(), &sha256(&manifest), &manifest).status, 201);
    }
    assert_eq!(http::referrers(backref.host(), REPOSITORY, &subject, &[]).len(), 2);
    assert!(backref.terminate().success());
}
