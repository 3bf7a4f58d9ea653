//! What the page on the admin listener is told.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::tokens::read_token;
use crate::{admin::PageOptions, app::App, config::Shown};

/// Shorter ones could be guessed.
const ENOUGH: usize = 16;

/// `here`: where clients come in.
pub(super) fn page_options(app: &App, here: SocketAddr, settings: Vec<Shown>) -> Result<PageOptions, String> {
    let token = match &app.config.admin.token_file {
        Some(path) => {
            let token = read_token("admin.token_file", path)?;
            if token.len() < ENOUGH {
                let path = path.display();
                return Err(format!(
                    "admin.token_file {path}: the token has {} characters, it needs {ENOUGH}",
                    token.len()
                ));
            }
            Some(token)
        }
        None => None,
    };
    let (address, is_plain) = match &app.config.public_url {
        Some(url) => (url.authority.to_string(), url.scheme == http::uri::Scheme::HTTP),
        None => (reached_at(here).to_string(), app.config.tls.is_none()),
    };
    Ok(PageOptions { token, settings, address, is_plain })
}

/// Where whoever listens on all addresses is found from here.
fn reached_at(here: SocketAddr) -> SocketAddr {
    match here.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => (Ipv4Addr::LOCALHOST, here.port()).into(),
        IpAddr::V6(ip) if ip.is_unspecified() => (std::net::Ipv6Addr::LOCALHOST, here.port()).into(),
        _ => here,
    }
}
