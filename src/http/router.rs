//! From a request to the file that answers it: one exhaustive match.

use std::{sync::Arc, time::Instant};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::body::{Body as _, Incoming};

use super::{
    access::{AnswerBody, Answered, Asked},
    discover,
    exchange::Exchange,
    failure, forwarded,
    host::is_host,
    manifest_delete, manifest_get, manifest_put, passthrough, referrers, registries,
    request_id::{RequestIds, X_REQUEST_ID},
    route::Route,
    tags_list,
};
use crate::{
    app::App,
    context::Context,
    error::Error,
    oci::ErrorCode,
    policy,
    traces::Span,
    upstream::{Body, Upstream, headers::Side},
};

/// Answers requests. Cheap to clone.
#[derive(Clone)]
pub struct Router {
    app: Arc<App>,
    ids: Arc<RequestIds>,
}

impl Router {
    /// A router over what all requests share.
    pub fn new(app: Arc<App>) -> Self {
        Self { app, ids: Arc::new(RequestIds::new()) }
    }

    /// What all requests share.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Answers one request. `side` is how its connection's two ends see each other.
    pub async fn answer(&self, mut request: Request<Incoming>, side: &Side) -> Response<AnswerBody> {
        let start = Instant::now();
        let id = self.ids.of(request.headers().get(X_REQUEST_ID));
        request.headers_mut().insert(X_REQUEST_ID, id.clone());
        let access = self.app.config.log.access;
        let span = Span::of_request(request.headers(), request.method());
        if access == 0.0 && span.is_none() {
            let (_, _, answer) = self.respond(request, side, start, &id).await;
            return answer.map(AnswerBody::unlogged);
        }
        // In a box: whoever has no access log has no room for it.
        Box::pin(self.respond_observed(request, side, start, &id, span)).await
    }

    /// The same for whoever wants to know what becomes of requests: in the access log, or as a trace.
    async fn respond_observed(
        &self,
        mut request: Request<Incoming>,
        side: &Side,
        start: Instant,
        id: &HeaderValue,
        span: Option<Span>,
    ) -> Response<AnswerBody> {
        let asked = Asked::of(&mut request, id.clone(), start, span.as_ref().map(Span::trace_id));
        let client = forwarded::side(&self.app, request.headers(), side).peer;
        let context = Context::new(span);
        let (upstream, route, answer) = context.clone().scope(self.respond(request, side, start, id)).await;
        if let Some(span) = &context.span {
            let id = String::from_utf8_lossy(id.as_bytes());
            span.name(
                format!("{} {route}", asked.method()),
                &[("backref.upstream", &upstream), ("backref.request_id", &id)],
            );
            span.answered(answer.status());
        }
        let access = self.app.config.log.access;
        let is_drawn = access >= 1.0 || self.ids.draw() < access;
        let answered =
            Answered { upstream, route, status: answer.status(), client, waited: context.waited(), is_drawn };
        if access == 0.0 {
            answer.map(AnswerBody::unlogged)
        } else {
            answer.map(|body| AnswerBody::logged(body, asked, answered))
        }
    }

    /// The answer, from which upstream, and which file gave it.
    async fn respond(
        &self,
        mut request: Request<Incoming>,
        side: &Side,
        start: Instant,
        id: &HeaderValue,
    ) -> (Arc<str>, &'static str, Response<Body>) {
        let uri = request.uri().clone();
        let admitted = admit(&request).and_then(|()| self.no_loop(&request));
        let asked = admitted.and_then(|()| {
            let upstream = registries::asked_for(&self.app, &mut request, side)?;
            Ok((Route::parse(request.method(), request.uri())?, upstream))
        });
        let (name, route, answer) = match asked {
            Ok((route, upstream)) => {
                let name = upstream.name.clone();
                (name, route.name(), self.route(route, request, side, upstream).await)
            }
            Err(error) => (Arc::default(), "refused", Err(error)),
        };
        let answer = answer.unwrap_or_else(|error| {
            failure::log(&self.app.repeats, &error, &name, &uri, side, id);
            error.answer(Some(id))
        });
        self.app.metrics.request(name.clone(), route, answer.status(), start.elapsed());
        (name, route, answer)
    }

    /// Refuses what this process has sent to its upstream itself: each turn would make more of it.
    fn no_loop(&self, request: &Request<Incoming>) -> Result<(), Error> {
        // All have the name of this process.
        if !self.app.upstream.leads_back(request.headers()) {
            return Ok(());
        }
        let message = "backref's upstream leads back to backref: check the address that --upstream names".to_owned();
        tracing::error!("{message}");
        Err(Error::Request(StatusCode::LOOP_DETECTED, ErrorCode::Unsupported, message))
    }

    async fn route(
        &self,
        route: Route,
        request: Request<Incoming>,
        side: &Side,
        upstream: Arc<Upstream>,
    ) -> Result<Response<Body>, Error> {
        let app = &*self.app;
        let exchange = Exchange::new(app, request, side, upstream);
        // In boxes: each request would else be moved about with room for the largest of them.
        match route {
            Route::Referrers(repository, digest, dialect) => {
                Box::pin(referrers::list(app, exchange, repository, digest, dialect)).await
            }
            Route::Discover => Box::pin(discover::list(exchange)).await,
            Route::ManifestGet(repository, reference) => {
                Box::pin(manifest_get::get(app, exchange, repository, reference)).await
            }
            Route::TagsList(repository) => Box::pin(tags_list::list(app, exchange, repository)).await,
            Route::ManifestPut(repository, reference) => {
                Box::pin(manifest_put::put(app, exchange, repository, reference)).await
            }
            Route::ManifestDelete(repository, digest) => {
                Box::pin(manifest_delete::delete(app, exchange, repository, digest)).await
            }
            Route::TagDelete(repository, tag) => {
                Box::pin(manifest_delete::delete_tag(app, exchange, repository, tag)).await
            }
            Route::OddPut if !app.config.gates.is_empty() => Err(policy::odd_put()),
            Route::OddPut | Route::Other => passthrough::pass(exchange).await,
        }
    }
}

/// Refuses what two servers could take for different requests, or for more than one.
fn admit(request: &Request<Incoming>) -> Result<(), Error> {
    let headers = request.headers();
    let refuse = |message: &str| Err(Error::bad(ErrorCode::Unsupported, message));
    if request.method() == Method::CONNECT {
        let message = "CONNECT is not for registries".to_owned();
        return Err(Error::Request(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message));
    }
    // Whoever answers it shows what backref, or a proxy, has put into the request (RFC 9110, 9.3.8).
    if request.method() == Method::TRACE {
        let message = "TRACE is not for registries".to_owned();
        return Err(Error::Request(StatusCode::METHOD_NOT_ALLOWED, ErrorCode::Unsupported, message));
    }
    if request.uri().path() == "*" {
        return refuse("a request for * is about a server as a whole, not about a registry");
    }
    if request.version() < Version::HTTP_11 && !request.body().is_end_stream() {
        return refuse("HTTP/1.0 requests can't have a body here: use HTTP/1.1");
    }
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    if codings.next().is_some_and(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        || codings.next().is_some()
    {
        let message = "chunked is the one Transfer-Encoding that is understood".to_owned();
        return Err(Error::Request(StatusCode::NOT_IMPLEMENTED, ErrorCode::Unsupported, message));
    }
    let mut hosts = headers.get_all(header::HOST).iter();
    match (hosts.next(), hosts.next(), request.uri().authority()) {
        (Some(host), None, _) if !is_host(host.as_bytes()) => refuse("the Host header is no HOST or HOST:PORT"),
        (Some(host), None, Some(authority)) if host.as_bytes() != authority.as_str().as_bytes() => {
            refuse("the Host header and the request line name different hosts")
        }
        (_, Some(_), _) => refuse("there is more than one Host header"),
        (None, ..) if request.version() >= Version::HTTP_11 => refuse("the Host header is missing"),
        _ => Ok(()),
    }
}
