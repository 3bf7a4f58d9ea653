//! Which extensions there are: the upstream's, and the older referrers APIs.

use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};

use super::exchange::Exchange;
use crate::{dialect::discover, error::Error, upstream::Body};

/// More than any list of extensions takes.
const MAX_LIST: usize = 1 << 20;

/// Answers `GET /v2/_oci/ext/discover` and the same of a repository.
pub(super) async fn list(exchange: Exchange) -> Result<Response<Body>, Error> {
    let Exchange { mut head, upstream, side, .. } = exchange;
    head.method = Method::GET;
    // Read here, so neither compressed nor answered with a 304.
    for name in [header::ACCEPT_ENCODING, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE] {
        head.headers.remove(name);
    }
    let answer = upstream.forward(Request::from_parts(head, Body::EMPTY), &side).await?;
    let said = match answer.status() {
        StatusCode::OK => Limited::new(answer.into_body(), MAX_LIST).collect().await.ok(),
        StatusCode::NOT_FOUND => None,
        // Who may not ask, or not now, is told so by the upstream.
        _ => return Ok(answer),
    };
    let said = said.map(http_body_util::Collected::to_bytes);
    let mut answer = Response::new(Body::from(bytes::Bytes::from(discover::render(said.as_deref()))));
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(answer)
}
