//! Why a command can't log in to a registry.

use http::StatusCode;

/// Why a command can't log in to a registry.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum LoginError {
    #[error("Docker's credentials for {registry} cannot be read: {reason}")]
    Credentials { registry: String, reason: String },
    #[error("{path}: {reason}")]
    File { path: String, reason: String },
    #[error("{registry} asks for a login that is neither Basic nor Bearer")]
    Challenge { registry: String },
    #[error("no token from {realm}: {reason}")]
    Token { realm: String, reason: String },
    #[error("no token from {realm}: it answered {status}")]
    Status { realm: String, status: StatusCode },
    #[error("the HTTP client cannot be set up: {0}")]
    Client(String),
}
