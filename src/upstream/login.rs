//! The commands' credentials: Docker's own, and the tokens got for them. Not on the request path, which has none.

mod docker;
mod error;
mod token_client;

pub use docker::{Grant, Login};
pub use error::LoginError;
pub use token_client::{USER_AGENT, token_client};
