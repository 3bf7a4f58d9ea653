//! Who may see what backref holds: whoever has the token, in a header, or in the cookie that the login gives for it.
//!
//! The cookie says until when it counts, with a hash by a key that only the token gives: each replica with the same token
//! takes it, and another token ends all sessions.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header};
use ring::hmac;

use super::super::token::Token;

const COOKIE: &str = "backref_session";

/// How long somebody stays logged in.
const LASTS: Duration = Duration::from_hours(12);

/// What those who may see everything have.
pub(super) struct Session {
    token: Token,
    key: hmac::Key,
}

impl Session {
    /// For whoever has this token.
    pub(super) fn new(token: &str) -> Self {
        Self { token: Token::new(token), key: hmac::Key::new(hmac::HMAC_SHA256, token.as_bytes()) }
    }

    /// Whether a request has the token, or a cookie that was given for it.
    pub(super) fn admits(&self, headers: &HeaderMap) -> bool {
        let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        bearer.is_some_and(|token| self.token.is(token)) || cookies(headers).any(|cookie| self.counts(cookie))
    }

    /// The cookie for whoever gives the token; `None`: that is another one.
    pub(super) fn log_in(&self, token: &str) -> Option<HeaderValue> {
        if !self.token.is(token.as_bytes()) {
            return None;
        }
        let until = now() + LASTS.as_secs();
        let mac = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, &signed(until)));
        cookie(&format!("{until}.{mac}"), LASTS)
    }

    /// The cookie that takes the other away.
    pub(super) fn log_out() -> Option<HeaderValue> {
        cookie("", Duration::ZERO)
    }

    fn counts(&self, value: &str) -> bool {
        let Some((until, mac)) = value.split_once('.') else { return false };
        let Ok(until) = until.parse::<u64>() else { return false };
        let mac = BASE64_URL_SAFE_NO_PAD.decode(mac).unwrap_or_default();
        hmac::verify(&self.key, &signed(until), &mac).is_ok() && until > now()
    }
}

/// What is hashed: nothing else that is made with this key may look like it.
fn signed(until: u64) -> Vec<u8> {
    format!("backref page, until {until}").into_bytes()
}

/// Without a path it counts for the folder that it was given in: behind a prefix, for that.
fn cookie(value: &str, lasts: Duration) -> Option<HeaderValue> {
    let lasts = lasts.as_secs();
    HeaderValue::from_str(&format!("{COOKIE}={value}; Max-Age={lasts}; HttpOnly; SameSite=Strict")).ok()
}

fn cookies(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|value| value.split(';')).filter_map(|one| one.trim().strip_prefix(COOKIE)?.strip_prefix('='))
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asks(name: header::HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn page_admits_the_token_and_the_cookie_that_was_given_for_it() {
        let session = Session::new("0123456789abcdef");
        assert!(session.log_in("0123456789abcdeg").is_none());
        let cookie = session.log_in("0123456789abcdef").unwrap();
        let cookie = cookie.to_str().unwrap();
        assert!(cookie.ends_with("; Max-Age=43200; HttpOnly; SameSite=Strict"), "{cookie}");
        let value = cookie.split(';').next().unwrap();
        assert!(session.admits(&asks(header::COOKIE, &format!("other=1; {value}"))));
        assert!(session.admits(&asks(header::AUTHORIZATION, "Bearer 0123456789abcdef")));
        // Another replica takes it; where the token is another, nobody does.
        assert!(Session::new("0123456789abcdef").admits(&asks(header::COOKIE, value)));
        assert!(!Session::new("fedcba9876543210").admits(&asks(header::COOKIE, value)));
    }

    #[test]
    fn page_admits_no_cookie_that_is_over_or_was_changed() {
        let session = Session::new("0123456789abcdef");
        let given = |until: u64, says: u64| {
            let mac = BASE64_URL_SAFE_NO_PAD.encode(hmac::sign(&session.key, &signed(until)));
            session.admits(&asks(header::COOKIE, &format!("{COOKIE}={says}.{mac}")))
        };
        let (past, future) = (now() - 1, now() + 60);
        assert!(given(future, future));
        assert!(!given(past, past) && !given(past, future));
        for value in ["", ".", "1", "99999999999.", "99999999999.zz", "99999999999.0", "x.00"] {
            assert!(!session.admits(&asks(header::COOKIE, &format!("{COOKIE}={value}"))), "{value:?}");
        }
        assert!(!session.admits(&HeaderMap::new()));
        assert!(!session.admits(&asks(header::AUTHORIZATION, "Bearer ")));
    }
}
