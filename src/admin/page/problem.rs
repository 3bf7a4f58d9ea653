//! A page that says why there is none.

use http::StatusCode;
use maud::html;
use serde_json::json;

use super::{layout::Frame, reply::View};

/// For an operator, with the way on.
pub(super) fn problem(frame: &Frame, status: StatusCode, title: &str, why: &str) -> View {
    let content = html! { p class="problem" role="alert" { (why) } };
    let mut view = View::of(frame.page(title, &content), &json!({"error": why}));
    view.status = status;
    view
}

/// The database could not be read.
pub(super) fn unreadable(frame: &Frame, why: &str) -> View {
    problem(frame, StatusCode::SERVICE_UNAVAILABLE, "The database could not be read", why)
}

/// The settings name no such registry.
pub(super) fn no_upstream(frame: &Frame) -> View {
    problem(frame, StatusCode::NOT_FOUND, "No such registry", "The settings name no upstream of that name.")
}
