//! Traces, sent by OTLP over HTTP. What OpenTelemetry's own variables say counts: `OTEL_EXPORTER_OTLP_ENDPOINT` or
//! `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` turns them on, `OTEL_TRACES_SAMPLER` says how many there are.

use std::{fmt::Display, sync::OnceLock};

use http::{HeaderMap, Method, Request, StatusCode};
use opentelemetry::{
    Context, KeyValue,
    propagation::TextMapPropagator,
    trace::{SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_http::{HeaderExtractor, HeaderInjector};
use opentelemetry_otlp::SpanExporter;
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};

/// Either of them names a collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"];

/// Once traces are sent. Requests of all workers look here.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// Sends spans, until dropped: then what was not sent yet is.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// `None`: nobody wants them. `Err` is a sentence.
    pub(crate) fn start() -> Result<Option<Self>, String> {
        if ENDPOINTS.iter().all(|name| std::env::var_os(name).is_none()) {
            return Ok(None);
        }
        // The exporter's client takes whichever there is. An error says that there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let exporter = SpanExporter::builder().with_http().build();
        let exporter = exporter.map_err(|error| format!("traces cannot be sent: {error}"))?;
        let name = if std::env::var_os("OTEL_SERVICE_NAME").is_some() {
            Resource::builder()
        } else {
            Resource::builder().with_service_name("backref")
        };
        let resource = name.with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION"))).build();
        let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
        // There is one in a process.
        let _ = TRACER.set(provider.tracer("backref"));
        Ok(Some(Self(provider)))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown() {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// A span, which ends when it is dropped.
pub(crate) struct Span(Context);

impl Span {
    /// Of a client's request, below the span that it names; `None`: there are no traces.
    pub(crate) fn of_request(headers: &HeaderMap, method: &Method) -> Option<Self> {
        let tracer = TRACER.get()?;
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &HeaderExtractor(headers));
        let span = tracer.span_builder(method.to_string()).with_kind(SpanKind::Server);
        let span = span.with_attributes([KeyValue::new("http.request.method", method.to_string())]);
        Some(Self(parent.with_span(tracer.build_with_context(span, &parent))))
    }

    /// Of a request to a registry, which names it from now on.
    pub(crate) fn of_upstream<B>(&self, request: &mut Request<B>) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(self.0.clone()) };
        let method = request.method().to_string();
        let span = tracer.span_builder(method.clone()).with_kind(SpanKind::Client).with_attributes([
            KeyValue::new("http.request.method", method),
            KeyValue::new("url.path", request.uri().path().to_owned()),
        ]);
        let context = self.0.with_span(tracer.build_with_context(span, &self.0));
        TraceContextPropagator::new().inject_context(&context, &mut HeaderInjector(request.headers_mut()));
        Self(context)
    }

    /// As the access log has it.
    pub(crate) fn trace_id(&self) -> String {
        self.0.span().span_context().trace_id().to_string()
    }

    /// What is known of it later.
    pub(crate) fn name(&self, name: String, attributes: &[(&'static str, &str)]) {
        let span = self.0.span();
        span.update_name(name);
        span.set_attributes(attributes.iter().map(|(key, value)| KeyValue::new(*key, (*value).to_owned())));
    }

    /// There is an answer.
    pub(crate) fn answered(&self, status: StatusCode) {
        let span = self.0.span();
        span.set_attribute(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        if status.is_server_error() {
            span.set_status(Status::error(status.to_string()));
        }
    }

    /// There is none.
    pub(crate) fn failed(&self, error: &dyn Display) {
        self.0.span().set_status(Status::error(error.to_string()));
    }
}
