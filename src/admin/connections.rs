//! Connections of the admin listener: few, and open to the next client at any time.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tower::ServiceBuilder;
use tower_http::{set_header::SetResponseHeaderLayer, timeout::TimeoutLayer};

use super::places::Places;
use crate::server::Acceptor;

/// No question here takes longer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Monitoring asks from a few places.
const CONNECTIONS: usize = 32;

/// Accepts connections and answers their requests until dropped.
pub(super) async fn serve<F>(acceptor: Acceptor, answer: impl Fn(Request<Incoming>) -> F + Clone + Send + 'static)
where
    F: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    let mut acceptor = acceptor.with_reserve(CONNECTIONS + 1);
    let places = Places::new(CONNECTIONS);
    loop {
        let (stream, _) = acceptor.accept().await;
        let place = places.take();
        let answer = answer.clone();
        let requests = place.requests();
        let service = ServiceBuilder::new()
            .layer(SetResponseHeaderLayer::overriding(header::CACHE_CONTROL, HeaderValue::from_static("no-store")))
            .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, TIMEOUT))
            .service_fn(move |request| {
                let answering = requests.begin();
                let answer = answer(request);
                async move {
                    let answer = answer.await;
                    drop(answering);
                    answer
                }
            });
        tokio::spawn(async move {
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(TIMEOUT)
                .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
            tokio::select! {
                served = connection => if let Err(error) = served {
                    tracing::debug!(%error, "a client of the admin listener left early");
                },
                () = place.evicted() => {}
            }
        });
    }
}
