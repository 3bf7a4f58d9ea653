//! The settings as they are used, each with where it comes from.

use maud::html;
use serde::Serialize;

use super::{layout::Frame, reply::View, site::Site};
use crate::config::Shown;

#[derive(Serialize)]
struct Facts<'a> {
    settings: &'a [Shown],
}

pub(super) fn view(site: &Site, frame: &Frame) -> View {
    let (given, defaults): (Vec<_>, Vec<_>) = site.settings.iter().partition(|one| one.source != "default");
    let table = |rows: &[&Shown]| {
        html! {
            table {
                thead { tr { th scope="col" { "Setting" } th scope="col" { "Value" } th scope="col" { "From" } } }
                tbody {
                    @for one in rows {
                        tr { td { code { (one.setting) } } td { @match &one.value { Some(value) => code { (value) }, None => span class="quiet" { "none" } } } td class="quiet" { (one.source) } }
                    }
                }
            }
        }
    };
    let shown = html! {
        h2 { "Set here" }
        (table(&given))
        details { summary { "Defaults" } (table(&defaults)) }
    };
    View::of(frame.page("Settings", &shown), &Facts { settings: &site.settings })
}
