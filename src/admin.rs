//! The second listener: health and metrics.

mod health;

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore};
use tower::ServiceBuilder;
use tower_http::{set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

use crate::{app::App, metrics};

/// No question here takes longer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Monitoring asks from a few places.
const CONNECTIONS: usize = 64;

/// Answers on the admin listener until dropped.
pub async fn serve(listener: TcpListener, app: Arc<App>) {
    let health = Arc::new(health::Health::new(app));
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    // Invariant: the semaphore is never closed.
    while let Ok(place) = places.clone().acquire_owned().await {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "a client of the admin listener could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let health = health.clone();
        let service = ServiceBuilder::new()
            .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
            .service_fn(move |request| answer(health.clone(), request));
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(TIMEOUT)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a client of the admin listener left early");
            }
            drop(place);
        });
    }
}

/// How much is pending is what the store says now; where it can't be read, what it said last.
async fn metrics(app: &App) -> String {
    match app.store.pending(&app.upstream.name).await {
        Ok(pending) => {
            let tags = if app.upstream.keeps_tags() { pending.referrers_tags } else { 0 };
            app.metrics.pending(tags, pending.writes);
        }
        Err(error) => tracing::warn!(%error, "how much is pending could not be read"),
    }
    app.metrics.detached(app.tasks.count());
    app.metrics.render()
}

async fn answer(
    health: Arc<health::Health>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, std::convert::Infallible> {
    const TEXT: &str = "text/plain; charset=utf-8";
    let (status, content_type, body) = match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/livez") => (StatusCode::OK, TEXT, "alive\n".to_owned()),
        (&Method::GET | &Method::HEAD, "/readyz") => {
            let (ready, text) = health.ready().await;
            (if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, TEXT, text)
        }
        (&Method::GET | &Method::HEAD, "/metrics") => {
            (StatusCode::OK, metrics::CONTENT_TYPE, metrics(health.app()).await)
        }
        (_, "/livez" | "/readyz" | "/metrics") => (StatusCode::METHOD_NOT_ALLOWED, TEXT, "ask with GET\n".to_owned()),
        _ => (StatusCode::NOT_FOUND, TEXT, "here are /livez, /readyz and /metrics\n".to_owned()),
    };
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(answer)
}
