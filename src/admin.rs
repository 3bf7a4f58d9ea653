//! The second listener: health, metrics, a page for people, and what the registry tells.

mod connections;
mod health;
mod notifications;
mod page;
mod places;
mod token;
mod upstream;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio_util::sync::CancellationToken;

use self::{health::Health, page::Page};
use crate::{app::App, metrics::Format, server::Acceptor, store::StoreError};

pub use notifications::{Notifications, QUEUE};
pub use page::PageOptions;

/// Answers on the admin listener until dropped. `leaving` is cancelled when the process is about to stop.
pub async fn serve(
    acceptor: Acceptor,
    app: Arc<App>,
    leaving: CancellationToken,
    notifications: Option<Notifications>,
    page: PageOptions,
) {
    let health = Arc::new(health::Health::new(app.clone(), leaving));
    let page = Page::new(app, health.clone(), page);
    let admin = Arc::new(Admin { health, notifications, page });
    let here = admin.clone();
    let connections = connections::serve(acceptor, move |request| answer(here.clone(), request));
    tokio::join!(connections, admin.page.keep_looking());
}

/// What is answered here.
struct Admin {
    health: Arc<Health>,
    notifications: Option<Notifications>,
    page: Page,
}

/// How much is pending is what the store says now; where it can't be read, what it said last.
async fn metrics(health: &Health, format: Format) -> String {
    health.look().await;
    let app = health.app();
    match pending(app).await {
        Ok((tags, writes)) => app.metrics.pending(tags, writes),
        Err(error) => tracing::warn!(%error, "how much is pending could not be read"),
    }
    match app.store.size().await {
        Ok(bytes) => app.metrics.store_size(bytes),
        Err(error) => tracing::warn!(%error, "how large the database is could not be read"),
    }
    app.metrics.detached(app.tasks.count());
    app.metrics.render(format)
}

/// How many referrers tags and writes are pending, of all upstreams.
async fn pending(app: &App) -> Result<(i64, i64), StoreError> {
    let (mut tags, mut writes) = (0, 0);
    for upstream in app.upstreams.iter() {
        let pending = app.store.pending(&upstream.name).await?;
        tags += if upstream.keeps_tags() { pending.referrers_tags } else { 0 };
        writes += pending.writes;
    }
    Ok((tags, writes))
}

/// Where CNCF distribution sends its events.
const NOTIFICATIONS: &str = "/notifications/distribution";

async fn answer(
    admin: Arc<Admin>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let (status, content_type, body) = match (request.method(), request.uri().path()) {
        (method, NOTIFICATIONS) if let Some(notifications) = &admin.notifications => {
            let (status, text) = if method == Method::POST {
                notifications.take(request).await
            } else {
                (StatusCode::METHOD_NOT_ALLOWED, "tell with POST\n")
            };
            (status, TEXT, text.to_owned())
        }
        (&Method::GET | &Method::HEAD, "/livez") => (StatusCode::OK, TEXT, "alive\n".to_owned()),
        (&Method::GET | &Method::HEAD, "/readyz") => {
            let (ready, text) = admin.health.ready().await;
            (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, TEXT, text)
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            let format = Format::accepted(request.headers());
            (StatusCode::OK, format.content_type(), metrics(&admin.health, format).await)
        }
        (_, "/livez" | "/readyz" | "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, TEXT, "ask with GET\n".to_owned()),
        _ => match admin.page.answer(request).await {
            Some(answer) => return Ok(answer),
            None => (StatusCode::NOT_FOUND, TEXT, "here are /, /livez, /readyz and /metrics\n".to_owned()),
        },
    };
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(answer)
}
