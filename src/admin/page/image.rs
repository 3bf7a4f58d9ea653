//! One image: what refers to it as a tree, with where each relation is from, and how sure that is.

mod found;
mod knowledge;
mod shown;

use super::{
    layout::Frame,
    reply::View,
    site::{Parameters, Site},
};
use found::Image;

pub(super) async fn view(site: &Site, frame: &Frame, parameters: &Parameters) -> View {
    match Image::find(site, frame, parameters).await {
        Ok(image) => View::of(frame.page(&image.title(), &shown::image(site, &image)), &image),
        Err(refusal) => refusal,
    }
}
