//! A request of HTTP/2 in the words of HTTP/1.1, which everything behind the server speaks.

use http::{
    HeaderMap, HeaderValue, Request,
    header::{self, Entry},
};

/// Gives it a `Host` where `:authority` says it (RFC 9113, 8.3.1), one `Cookie` where a client split it (8.2.3), and one length.
pub(super) fn as_http1<B>(request: &mut Request<B>) {
    if let Some(authority) = request.uri().authority()
        && !request.headers().contains_key(header::HOST)
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request.headers_mut().insert(header::HOST, host);
    }
    join_cookies(request.headers_mut());
    keep_one_length(request.headers_mut());
}

/// One where a client said the same twice, none where it said nothing: the frames have said it, and servers of HTTP/1.1 may refuse
/// either (RFC 9110, 8.6).
fn keep_one_length(headers: &mut HeaderMap) {
    let Entry::Occupied(mut lengths) = headers.entry(header::CONTENT_LENGTH) else { return };
    let first = lengths.get().clone();
    if first.is_empty() {
        lengths.remove();
    } else if lengths.iter().nth(1).is_some() {
        lengths.insert(first);
    }
}

fn join_cookies(headers: &mut HeaderMap) {
    let Entry::Occupied(mut cookies) = headers.entry(header::COOKIE) else { return };
    if cookies.iter().nth(1).is_none() {
        return;
    }
    let crumbs: Vec<&[u8]> = cookies.iter().map(HeaderValue::as_bytes).collect();
    // Invariant: values with `; ` between them are one.
    if let Ok(mut joined) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..])) {
        joined.set_sensitive(true);
        cookies.insert(joined);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http2_authority_is_the_host_and_cookies_are_one() {
        let mut request = Request::builder().uri("https://a:5080/v2/").header("cookie", "b=1");
        request = request.header("cookie", "c=2").header("x", "y");
        let mut request = request.body(()).unwrap();
        as_http1(&mut request);
        let all =
            |name| request.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect::<Vec<_>>();
        assert_eq!((all("host"), all("cookie"), all("x")), (vec!["a:5080"], vec!["b=1; c=2"], vec!["y"]));

        let lengths = |given: &[&'static str]| {
            let mut request = Request::builder().uri("https://a/v2/");
            for one in given {
                request = request.header("content-length", *one);
            }
            let mut request = request.body(()).unwrap();
            as_http1(&mut request);
            request
                .headers()
                .get_all("content-length")
                .iter()
                .map(|value| value.to_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(
            [lengths(&[]), lengths(&[""]), lengths(&["5"]), lengths(&["5", "5"])],
            [vec![], vec![], vec!["5"], vec!["5"]]
        );

        let mut request = Request::builder().uri("https://a/v2/").header("host", "b").body(()).unwrap();
        as_http1(&mut request);
        assert_eq!(request.headers()["host"], "b", "two that differ are left to be refused");
    }
}
