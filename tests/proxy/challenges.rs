//! Challenges and credentials: all pass but those of logins that are bound to one connection.

use crate::support::{Backref, Fake};
use crate::wire::ask;

/// What backref leaves of an upstream's challenges.
fn left_of(challenges: &'static [&'static str]) -> Vec<String> {
    let fake = Fake::start(move |visit| {
        let headers: Vec<_> = challenges.iter().map(|challenge| format!("WWW-Authenticate: {challenge}")).collect();
        let headers: Vec<_> = headers.iter().map(String::as_str).collect();
        visit.answer("401 Unauthorized", &headers, "no");
    });
    let backref = Backref::of(&fake.url()).start();
    let answer = ask(backref.host(), "GET /v2/ HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.head.status(), answer.text().as_str()), (401, "no"));
    answer.head.values("WWW-Authenticate").into_iter().map(str::to_owned).collect()
}

#[test]
fn challenges_of_connection_bound_logins_are_left_out() {
    assert_eq!(left_of(&["Negotiate", "NTLM", "Basic realm=\"r\""]), ["Basic realm=\"r\""]);
    assert_eq!(
        left_of(&["negotiate TlRMTVNTUAAC==, Basic realm=\"a, NTLM\", ntlm", "Bearer realm=\"t\",service=\"s\""]),
        ["Basic realm=\"a, NTLM\"", "Bearer realm=\"t\",service=\"s\""]
    );
    assert_eq!(left_of(&["Negotiate"]), [""; 0]);
}

#[test]
fn challenges_of_other_logins_pass_as_they_are() {
    const OTHERS: &[&str] = &["Bearer realm=\"t\" ,  service=\"s\"", "NTLMv9 x", "Basic"];
    assert_eq!(left_of(OTHERS), OTHERS);
}

#[test]
fn challenges_bound_to_a_connection_get_no_credentials_through() {
    let fake = Fake::start(|visit| visit.answer("401 Unauthorized", &[], "no"));
    let backref = Backref::of(&fake.url()).start();
    for (credentials, sent) in [
        ("NTLM TlRMTVNTUAAB", false),
        ("negotiate YII=", false),
        ("Negotiate", false),
        ("Basic dTpw", true),
        ("Bearer NTLM", true),
    ] {
        let request = format!("GET /v2/ HTTP/1.1\r\nHost: a\r\nAuthorization: {credentials}\r\n\r\n");
        assert_eq!(ask(backref.host(), &request).head.status(), 401);
        let seen = fake.seen().pop().expect("the request");
        let expected: &[&str] = if sent { &[credentials] } else { &[] };
        assert_eq!(seen.head.values("Authorization"), expected);
    }
}
