//! What HTTP/2 says in words of its own, and what its streams are bounded by.

use std::time::{Duration, Instant};

use h2::Reason;
use http::Request;

use crate::http2_client::{Client, rest, soon, whole};
use crate::manifests::{INDEX, REPOSITORY, plain, referrer};
use crate::support::{Authority, Backref, Fake, Gate, Holdings, sha256};

/// backref with TLS in front of `fake`, and an authority to believe.
fn up(fake: &Fake, config: &str) -> (Backref, Authority) {
    let authority = Authority::new();
    let config = format!("{config}\n{}", authority.config(""));
    (Backref::of(&fake.url()).config(&config).start(), authority)
}

fn echo() -> Fake {
    Fake::start(|visit| {
        let body = visit.body().unwrap_or_default();
        visit.answer("200 OK", &[], body);
    })
}

/// Answers once the gate is open.
fn held(body: &[u8]) -> (Fake, Gate) {
    let (gate, body) = (Gate::default(), body.to_vec());
    let closed = gate.clone();
    let fake = Fake::start(move |visit| {
        closed.pass();
        visit.answer("200 OK", &[], &body);
    });
    (fake, gate)
}

#[tokio::test]
async fn http2_pushes_and_lists_as_http1_does() {
    let holdings = Holdings::default();
    let subject = plain("subject");
    holdings.hold(REPOSITORY, INDEX, &subject);
    let fake = Fake::start(move |visit| holdings.serve(visit));
    let (backref, authority) = up(&fake, "");
    let mut client = Client::of(&backref, &authority).await;
    let one: &'static [u8] = referrer(&sha256(&subject), "one").leak();
    let path = |kind: &str, digest: &str| format!("https://127.0.0.1/v2/{REPOSITORY}/{kind}/{digest}");
    let push = Request::put(path("manifests", &sha256(one))).header("content-type", INDEX).body(one).unwrap();
    let answer = client.send(push).await.unwrap();
    assert_eq!(answer.status(), 201, "{answer:?}");
    assert_eq!(answer.headers()["oci-subject"], sha256(&subject).as_str());
    let list = Request::get(path("referrers", &sha256(&subject))).body(&b""[..]).unwrap();
    let answer = client.send(list).await.unwrap();
    assert!(String::from_utf8_lossy(answer.body()).contains(&sha256(one)), "{answer:?}");
}

#[tokio::test]
async fn http2_reaches_the_upstream_as_one_request_of_http1() {
    let fake = echo();
    let (backref, authority) = up(&fake, "");
    let mut client = Client::of(&backref, &authority).await;
    let request = Request::post("https://a.test:5080/v2/x").header("cookie", "a=1").header("cookie", "b=2");
    let request = request.header("te", "trailers").header("x-mine", "1").body(&b"body"[..]).unwrap();
    let answer = client.send(request).await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.body()[..]), (200, &b"body"[..]));
    let seen = fake.seen().pop().expect("a request");
    assert_eq!(seen.head.values("Cookie"), ["a=1; b=2"]);
    assert_eq!(seen.head.values("X-Forwarded-Host"), ["a.test:5080"]);
    assert_eq!(seen.head.values("X-Forwarded-Proto"), ["https"]);
    assert_eq!(seen.head.values("Host"), [fake.host()]);
    assert_eq!((seen.head.values("X-Mine"), seen.head.values("TE").len()), (vec!["1"], 0));
    assert_eq!(seen.head.target(), "/v2/x");
}

#[tokio::test]
async fn http2_requests_that_can_be_read_in_two_ways_are_refused() {
    let fake = echo();
    let (backref, authority) = up(&fake, "");
    let mut client = Client::of(&backref, &authority).await;
    for (uri, host) in [("https://a/v2/", Some("b")), ("https://u@a/v2/", None)] {
        let mut request = Request::get(uri);
        if let Some(host) = host {
            request = request.header("host", host);
        }
        // A reset is as good: then the server's library has refused it.
        if let Ok(answer) = client.send(request.body(&b""[..]).unwrap()).await {
            assert_eq!(answer.status(), 400, "{uri}: {answer:?}");
        }
    }
    let connect = Request::connect("a:443").body(&b""[..]).unwrap();
    let answer = client.send(connect).await.unwrap();
    assert_eq!(answer.status(), 405);
    assert_eq!(fake.seen().len(), 0);
}

#[tokio::test]
async fn http2_heads_are_bounded() {
    let fake = echo();
    let (backref, authority) = up(&fake, "[limits]\nhead = \"8KiB\"");
    let mut client = Client::of(&backref, &authority).await;
    let large = Request::get("https://a/v2/").header("x", "y".repeat(9000)).body(&b""[..]).unwrap();
    assert_eq!(client.send(large).await.unwrap().status(), 431);
    assert_eq!(client.get("/v2/").await.unwrap().status(), 200, "and the connection goes on");
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn http2_a_stream_whose_client_takes_nothing_ends_alone() {
    let fake = Fake::start(|visit| match visit.head.target() {
        "/large" => visit.answer("200 OK", &[], vec![b'x'; 8 << 20]),
        _ => visit.answer("200 OK", &[], "small"),
    });
    let (backref, authority) = up(&fake, "[limits]\nstall_timeout = \"500ms\"");
    let mut client = Client::of(&backref, &authority).await;
    let (answer, _) = client.open(Request::get("https://a/large").body(()).unwrap(), true).await;
    let mut unread = soon("its head", answer).await.unwrap().into_body();
    let since = Instant::now();
    let error = soon("the stream's end", async {
        loop {
            // What is read gives the server no room for more.
            match unread.data().await.expect("no end of the body") {
                Ok(_) => {}
                Err(error) => return error,
            }
        }
    });
    assert_eq!(error.await.reason(), Some(Reason::CANCEL));
    assert!(since.elapsed() >= Duration::from_millis(500));
    assert_eq!(client.get("/small").await.unwrap().body(), "small");
}

#[tokio::test]
async fn http2_a_stream_that_is_read_slowly_goes_on() {
    let body: Vec<u8> = (0..1_000_000_u32).map(|number| number.to_be_bytes()[3]).collect();
    let sent = body.clone();
    let fake = Fake::start(move |visit| visit.answer("200 OK", &[], &sent));
    let (backref, authority) = up(&fake, "[limits]\nstall_timeout = \"500ms\"");
    let mut client = Client::of(&backref, &authority).await;
    let (answer, _) = client.open(Request::get("https://a/").body(()).unwrap(), true).await;
    let mut reading = soon("its head", answer).await.unwrap().into_body();
    let mut read = Vec::new();
    while let Some(piece) = soon("a piece", reading.data()).await {
        let piece = piece.unwrap();
        read.extend_from_slice(&piece);
        // A slow client: less than the time in which nothing may move, but more than that in all.
        tokio::time::sleep(Duration::from_millis(20)).await;
        reading.flow_control().release_capacity(piece.len()).unwrap();
    }
    assert!(read == body, "{} of {} bytes", read.len(), body.len());
}

/// CVE-2023-44487: each costs the upstream a request, and its client nothing.
#[tokio::test]
async fn http2_who_gives_up_one_request_after_the_other_is_closed() {
    let (fake, gate) = held(b"");
    let (backref, authority) = up(&fake, "");
    let mut client = Client::of(&backref, &authority).await;
    let mut given_up = 0;
    while !client.is_over() && given_up < 10_000 {
        let request = Request::get("https://a/v2/").body(()).unwrap();
        let Ok(mut ready) = client.ready().await else { break };
        let Ok((_, mut sending)) = ready.send_request(request, true) else { break };
        tokio::task::yield_now().await;
        sending.send_reset(Reason::CANCEL);
        given_up += 1;
        tokio::task::yield_now().await;
    }
    gate.open();
    assert!(given_up < 10_000, "it was never closed");
    client.end().await;
    let mut another = Client::of(&backref, &authority).await;
    assert_eq!(another.get("/v2/").await.unwrap().status(), 200);
}

#[tokio::test]
async fn http2_streams_beside_the_first_take_places_of_connections() {
    let (fake, gate) = held(b"");
    // One worker, which has the place of a next connection in hand.
    let (backref, authority) = up(&fake, "workers = 1\n[limits]\nconnections = 4");
    let mut client = Client::of(&backref, &authority).await;
    let request = || Request::get("https://a/v2/").body(()).unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        waiting.push(client.open(request(), true).await.0);
    }
    // The connection's own place, and the two that are left.
    let refused = client.get("/v2/").await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers().contains_key("retry-after")), (503, true), "{refused:?}");
    gate.open();
    for answer in waiting {
        assert_eq!(whole(answer).await.unwrap().status(), 200);
    }
    assert_eq!(client.get("/v2/").await.unwrap().status(), 200);
}

/// Clients who come are not kept out by the requests of one who is there.
#[tokio::test]
async fn http2_streams_leave_half_of_the_places_to_connections() {
    let (fake, gate) = held(b"");
    let (backref, authority) = up(&fake, "workers = 1\n[limits]\nconnections = 20");
    let mut client = Client::of(&backref, &authority).await;
    let request = || Request::get("https://a/v2/").body(()).unwrap();
    let mut answers = Vec::new();
    for _ in 0..19 {
        answers.push(client.open(request(), true).await.0);
    }
    let mut others = Vec::new();
    for _ in 0..5 {
        let mut other = Client::of(&backref, &authority).await;
        others.push((other.open(request(), true).await.0, other));
    }
    gate.open();
    let mut refused = 0;
    for answer in answers {
        refused += usize::from(whole(answer).await.unwrap().status() == 503);
    }
    assert_eq!(refused, 8, "one in the connection's own place, ten beside it");
    for (answer, _other) in others {
        assert_eq!(whole(answer).await.unwrap().status(), 200);
    }
}

/// Refusals cost nobody anything: they make up for no request that is given up.
#[tokio::test]
async fn http2_who_gives_up_requests_between_refusals_is_closed() {
    let (fake, gate) = held(b"");
    let (backref, authority) = up(&fake, "");
    let mut client = Client::of(&backref, &authority).await;
    let mut given_up = 0;
    while !client.is_over() && given_up < 1000 {
        let Ok(mut ready) = client.ready().await else { break };
        let Ok((refusal, _)) = ready.send_request(Request::get("https://a/v2/app%2Fx/").body(()).unwrap(), true) else {
            break;
        };
        let Ok(mut ready) = client.ready().await else { break };
        let Ok((_, mut sending)) = ready.send_request(Request::get("https://a/v2/").body(()).unwrap(), true) else {
            break;
        };
        let Ok(refusal) = soon("a refusal", refusal).await else { break };
        assert!(refusal.status().is_client_error(), "{refusal:?}");
        sending.send_reset(Reason::CANCEL);
        given_up += 1;
    }
    gate.open();
    assert!(given_up < 500, "it was closed after {given_up}");
}

/// What all clients together can send ahead is bounded, however many they are.
#[tokio::test]
async fn http2_windows_of_many_connections_are_narrow() {
    const MANY: usize = 300;
    let fake = echo();
    let (backref, authority) = up(&fake, "");
    let before = backref.peak_memory();
    let piece = bytes::Bytes::from(vec![b'x'; 512 << 10]);
    let mut clients = Vec::new();
    for _ in 0..MANY {
        let mut client = Client::of(&backref, &authority).await;
        for _ in 0..2 {
            let request =
                Request::put("https://a/v2/app/manifests/t").header("content-length", 4 << 20).body(()).unwrap();
            let (answer, mut sending) = client.open(request, false).await;
            sending.send_data(piece.clone(), false).expect("an open stream");
            clients.push((answer, sending));
        }
        clients.last().expect("a client");
        std::mem::forget(client);
    }
    // Whoever is answered now comes after all that was sent.
    let mut last = Client::of(&backref, &authority).await;
    assert_eq!(last.get("/v2/").await.unwrap().status(), 200);
    let grown = (backref.peak_memory() - before) >> 20;
    assert!(grown < 200, "{grown} MiB for {MANY} connections");
}

#[tokio::test]
async fn http2_connections_on_which_nothing_is_asked_end() {
    let fake = echo();
    let (backref, authority) = up(&fake, "[limits]\nhead_timeout = \"500ms\"");
    let mut client = Client::of(&backref, &authority).await;
    assert_eq!(client.get("/v2/").await.unwrap().status(), 200);
    client.end().await;
}

#[tokio::test]
async fn http2_requests_under_way_are_answered_when_backref_ends() {
    let (fake, gate) = held(&vec![b'x'; 3 << 20]);
    let (mut backref, authority) = up(&fake, "");
    let mut client = Client::of(&backref, &authority).await;
    let (answer, _) = client.open(Request::get("https://a/v2/").body(()).unwrap(), true).await;
    let asked = gate.clone();
    tokio::task::spawn_blocking(move || asked.wait_for(1)).await.unwrap();
    let ending = tokio::task::spawn_blocking(move || backref.terminate());
    let refused = soon("that nothing more is taken", async {
        while client.ready().await.is_ok() {
            tokio::task::yield_now().await;
        }
    });
    refused.await;
    gate.open();
    assert_eq!(whole(answer).await.unwrap().body().len(), 3 << 20);
    client.end().await;
    assert!(ending.await.unwrap().success());
}

#[tokio::test]
async fn http2_uploads_stream_in_both_directions() {
    let fake = echo();
    let (backref, authority) = up(&fake, "");
    let mut client = Client::of(&backref, &authority).await;
    let request = Request::post("https://a/v2/").body(()).unwrap();
    let (answer, mut sending) = client.open(request, false).await;
    let piece = bytes::Bytes::from(vec![b'x'; 100_000]);
    for number in 0..50 {
        sending.reserve_capacity(piece.len());
        while sending.capacity() < piece.len() {
            soon("room", std::future::poll_fn(|cx| sending.poll_capacity(cx))).await.expect("open").unwrap();
        }
        sending.send_data(piece.clone(), number == 49).unwrap();
    }
    let answer = soon("an answer", answer).await.unwrap();
    assert_eq!(rest(answer.into_body()).await.unwrap().len(), 5_000_000);
}
