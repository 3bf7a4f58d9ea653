//! Logging in, with the token, and out.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use maud::html;
use serde_json::json;

use super::{
    layout::{Frame, Viewer},
    reply::{View, plain},
    session::Session,
};

/// More than any token.
const MAX_FORM: usize = 4 << 10;

/// Why the form is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Somebody asked for it.
    Asked,
    /// For what was asked, one has to be logged in.
    Needed,
    /// What was given is not the token.
    Refused,
}

/// The form.
pub(super) fn form(why: Why) -> View {
    let content = html! {
        @if why == Why::Refused { p class="problem" role="alert" { "That is not the token in " code { "admin.token_file" } "." } }
        form method="post" action="login" class="login" {
            label for="token" { "Token, as it stands in the file that " code { "admin.token_file" } " names" }
            input id="token" type="password" name="token" autocomplete="current-password" required autofocus;
            button { "Log in" }
        }
    };
    let frame =
        Frame { viewer: Viewer::GuestForGood, path: "login".to_owned(), search: String::new(), query: String::new() };
    let mut view = View::of(
        frame.page("Log in", &content),
        &json!({"error": "log in, or send the token as Authorization: Bearer"}),
    );
    view.status = if why == Why::Asked { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
    view
}

/// Takes what the form sends.
pub(super) async fn log_in(session: &Session, request: Request<Incoming>) -> Response<Full<Bytes>> {
    if is_from_elsewhere(request.headers()) {
        return forbidden();
    }
    let Ok(body) = Limited::new(request.into_body(), MAX_FORM).collect().await else {
        return form(Why::Refused).into_response(None);
    };
    let body = body.to_bytes();
    let given = url::form_urlencoded::parse(&body).find(|(name, _)| name == "token");
    let cookie = given.and_then(|(_, token)| session.log_in(token.trim()));
    cookie.map_or_else(|| form(Why::Refused).into_response(None), |cookie| home(Some(cookie)))
}

/// Ends a session.
pub(super) fn log_out(headers: &HeaderMap) -> Response<Full<Bytes>> {
    if is_from_elsewhere(headers) { forbidden() } else { home(Session::log_out()) }
}

/// Another site's page must not log anybody in or out. Browsers say who asks; whoever else asks is not tricked into it.
fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

fn forbidden() -> Response<Full<Bytes>> {
    plain(StatusCode::FORBIDDEN, "text/plain; charset=utf-8", "log in and out on backref's own page\n")
}

fn home(cookie: Option<HeaderValue>) -> Response<Full<Bytes>> {
    let mut answer = plain(StatusCode::SEE_OTHER, "text/plain; charset=utf-8", "");
    answer.headers_mut().insert(header::LOCATION, HeaderValue::from_static("./"));
    answer.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    answer
}
