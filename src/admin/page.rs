//! The page for people: health and rates for everybody; repositories, images and settings for whoever has `admin.token_file`'s
//! token. It reads the database, and asks the registry for single manifests; it changes nothing.

mod address;
mod aside;
mod chart;
mod counts;
mod image;
mod kinds;
mod layout;
mod login;
mod lookup;
mod overview;
mod problem;
mod reply;
mod repositories;
mod repository;
mod samples;
mod search;
mod session;
mod settings;
mod site;
mod tree;

use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;

use self::{
    counts::UpstreamCounts,
    layout::{Frame, Viewer},
    lookup::Lookup,
    problem::problem,
    reply::plain,
    samples::Samples,
    session::Session,
    site::{Parameters, Site},
};
use super::health::Health;
use crate::{app::App, config::Shown};

/// What the page shows that only `serve` knows.
pub struct PageOptions {
    /// Who gives it sees everything; `None`: nobody does.
    pub token: Option<String>,
    /// The settings, with their sources.
    pub settings: Vec<Shown>,
    /// `HOST:PORT` by which clients know backref.
    pub address: String,
    /// Clients come in the clear.
    pub is_plain: bool,
}

/// The page, and who may see it.
pub(super) struct Page {
    site: Site,
    session: Option<Session>,
}

impl Page {
    pub(super) fn new(app: Arc<App>, health: Arc<Health>, options: PageOptions) -> Self {
        let counts = app.upstreams.iter().map(|one| UpstreamCounts::new(app.store.clone(), one.clone())).collect();
        let PageOptions { token, settings, address, is_plain } = options;
        let (samples, lookup) = (Samples::new(app.metrics.clone()), Lookup::default());
        let site = Site { app, health, settings, address, is_plain, counts, samples, lookup };
        Self { site, session: token.map(|token| Session::new(&token)) }
    }

    /// Remembers what the metrics say, until dropped.
    pub(super) async fn keep_looking(&self) {
        self.site.samples.keep_looking().await;
    }

    /// The answer to a request; `None`: there is nothing at that address.
    pub(super) async fn answer(&self, request: Request<Incoming>) -> Option<Response<Full<Bytes>>> {
        let path = request.uri().path().to_owned();
        let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
        match (&path[..], is_read, &self.session) {
            ("/style.css", true, _) => return Some(asset("text/css; charset=utf-8", include_str!("page/style.css"))),
            ("/page.js", true, _) => {
                return Some(asset("text/javascript; charset=utf-8", include_str!("page/page.js")));
            }
            ("/icon.svg", true, _) => return Some(asset("image/svg+xml", include_str!("page/icon.svg"))),
            ("/login", true, Some(_)) => return Some(login::form(login::Why::Asked).into_response(None)),
            ("/login", false, Some(session)) if request.method() == Method::POST => {
                return Some(login::log_in(session, request).await);
            }
            ("/logout", false, Some(_)) if request.method() == Method::POST => {
                return Some(login::log_out(request.headers()));
            }
            ("/" | "/repositories" | "/repository" | "/image" | "/search" | "/settings", true, _) => {}
            _ => return None,
        }
        let query = request.uri().query().unwrap_or_default();
        let mut parameters: Parameters = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let format = parameters.remove("format");
        let viewer = match &self.session {
            None => Viewer::GuestForGood,
            Some(session) if session.admits(request.headers()) => Viewer::Operator,
            Some(_) => Viewer::Guest,
        };
        let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
        let frame = Frame {
            viewer,
            path: path[1..].to_owned(),
            search: parameters.get("q").cloned().unwrap_or_default(),
            query,
        };
        let view = match &path[..] {
            "/" => overview::view(&self.site, &frame).await,
            _ if viewer == Viewer::Guest => login::form(login::Why::Needed),
            _ if viewer == Viewer::GuestForGood => problem(
                &frame,
                StatusCode::FORBIDDEN,
                "Not shown",
                "Set admin.token_file to a file with a token of at least 16 characters: who gives it sees this.",
            ),
            "/repositories" => repositories::view(&self.site, &frame, &parameters).await,
            "/repository" => repository::view(&self.site, &frame, &parameters).await,
            "/image" => image::view(&self.site, &frame, &parameters).await,
            "/search" => search::view(&self.site, &frame, &parameters).await,
            _ => settings::view(&self.site, &frame),
        };
        Some(view.into_response(format.as_deref()))
    }
}

/// The same for everybody, until the next release.
fn asset(content_type: &'static str, text: &'static str) -> Response<Full<Bytes>> {
    plain(StatusCode::OK, content_type, text)
}
