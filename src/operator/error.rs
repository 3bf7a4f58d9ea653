//! Why something could not be done for an operator.

use http::StatusCode;

use crate::{
    error::Error,
    store::StoreError,
    upstream::{EndlessList, LoginError, Refusal},
};

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// No token, or no credentials.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// As a request would have failed.
    #[error("{}", explain(.0))]
    Request(Error),
    /// A list of the registry's that doesn't end.
    #[error(transparent)]
    Endless(#[from] EndlessList),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Error> for OperatorError {
    fn from(error: Error) -> Self {
        Self::Request(error)
    }
}

impl From<Refusal> for OperatorError {
    fn from(refusal: Refusal) -> Self {
        Self::Request(refusal.into())
    }
}

impl OperatorError {
    /// The registry answered 404.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Request(Error::Refused(Refusal::Unclear(StatusCode::NOT_FOUND, _))))
    }
}

fn explain(error: &Error) -> String {
    match error {
        Error::Refused(Refusal::Denied(status, _)) => format!("the registry answered {status} to these credentials"),
        Error::Refused(Refusal::Unclear(status, _)) => format!("the registry answered {status}"),
        Error::Refused(Refusal::Failed(error)) => error.to_string(),
        Error::Refused(Refusal::Absent) => "the registry shows nothing of it".to_owned(),
        Error::Incomplete => "the registry's answer could not be read whole".to_owned(),
        other => other.to_string(),
    }
}
