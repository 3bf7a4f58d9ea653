//! Traces: a span for each request of a client's, and one for each request to a registry that comes of it, by W3C Trace Context.
//! They are sent to a collector by OTLP, where the program was built with the feature `otlp` and a variable names one. Without
//! either, a client's `traceparent` goes to the registry as it came.

#[cfg(not(feature = "otlp"))]
mod none;
#[cfg(feature = "otlp")]
mod otlp;

#[cfg(not(feature = "otlp"))]
pub(crate) use none::{Span, Traces};
#[cfg(feature = "otlp")]
pub(crate) use otlp::{Span, Traces};
