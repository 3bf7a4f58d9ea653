//! Single requests, for what no client shows: plain HTTP, nothing followed, nothing turned into an error.

use std::sync::LazyLock;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{HeaderMap, Request};
use ureq::{Agent, SendBody};

/// An answer, read to its end.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        // A connection kept open would be tried again after a restart of the server, and fail.
        .max_idle_connections(0)
        .timeout_global(Some(Duration::from_mins(1)))
        .proxy(None)
        .build();
    Agent::new_with_config(config)
});

/// Sends a request; panics when there is no answer.
pub(crate) fn send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    try_send(method, url, headers, body).unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

/// Sends a request; an error is a connection that failed or broke, never a status.
pub(crate) fn try_send(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, ureq::Error> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut response =
        if body.is_empty() { AGENT.run(request.body(SendBody::none())?)? } else { AGENT.run(request.body(body)?)? };
    let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
    let (parts, _) = response.into_parts();
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
}

pub(crate) fn get(url: &str, headers: &[(&str, &str)]) -> Answer {
    send("GET", url, headers, b"")
}

/// Whether a registry is there; a 401 is an answer too.
pub(crate) fn answers(host: &str) -> bool {
    try_send("GET", &format!("http://{host}/v2/"), &[], b"").is_ok()
}

/// The tags of a repository; none when it is unknown.
pub(crate) fn tags(host: &str, repository: &str) -> Vec<String> {
    let answer = get(&format!("http://{host}/v2/{repository}/tags/list"), &[]);
    if answer.status == 404 {
        return Vec::new();
    }
    assert_eq!(answer.status, 200, "tags of {repository}: {answer:?}");
    let tags = &answer.json()["tags"];
    tags.as_array().into_iter().flatten().map(|tag| tag.as_str().expect("a tag is a string").to_owned()).collect()
}

/// The referrers that the 1.1 API lists, as descriptors.
pub(crate) fn referrers(host: &str, repository: &str, digest: &str, headers: &[(&str, &str)]) -> Vec<Value> {
    let answer = get(&format!("http://{host}/v2/{repository}/referrers/{digest}"), headers);
    assert_eq!(answer.status, 200, "referrers of {digest}: {answer:?}");
    answer.json()["manifests"].as_array().expect("an index has manifests").clone()
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).map(|value| value.to_str().expect("a header in ASCII"));
        value.unwrap_or_default()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("not JSON ({error}): {}", self.text()))
    }
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}\n{}", self.status, self.headers, self.text())
    }
}
