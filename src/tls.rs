//! TLS, by rustls with ring: as a client, whose certificates are believed; as a server, which certificate is shown.

mod certificates;
mod chain;
mod client;
mod subject;
mod unverified;

pub(crate) use certificates::{CertificateError, CertificateFiles, Certificates};
pub(crate) use client::{Trust, client};
pub(crate) use subject::subject;
