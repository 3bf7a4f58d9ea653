//! An image's page.

use maud::{Markup, html};

use super::{found::Image, knowledge::of_child};
use crate::admin::page::{
    address,
    layout::{ago, bytes, command, copied, timestamp},
    lookup,
    site::Site,
    tree::{Below, Node},
};

pub(super) fn image(site: &Site, image: &Image) -> Markup {
    let Image { registry, repository, digest, .. } = image;
    html! {
        p class="path" {
            a href=(address::repository(site, registry, repository)) { (repository) }
            @if let Some(tag) = &image.tag { ":" bdi { (tag) } }
            " " code class="whole" data-copy=(digest) { (digest) }
        }
        (facts(image))
        h2 { "What refers to it" }
        @if image.below.referrers.is_empty() { p class="quiet" { "Nothing that backref knows of." } }
        @else { (nodes(site, image, &image.below)) }
        @if !image.children.is_empty() { (children(site, image)) }
        (commands(site, image))
    }
}

fn facts(image: &Image) -> Markup {
    html! {
        dl class="facts" {
            dt { "In the registry" }
            dd {
                (image.in_the_registry)
                span class="quiet" {
                    @if let Some(media_type) = &image.media_type { ", " bdi { (media_type) } }
                    @if let Some(size) = image.size { ", " (bytes(size as u64)) }
                }
            }
            dt { "In backref's database" }
            dd { (image.knowledge) }
            dt { "Referrers tag" }
            dd { (image.referrers_tag) @if let Some(at) = image.tag_read { span class="quiet" title=[timestamp(at)] { ", read " (ago(at)) } } }
        }
    }
}

fn children(site: &Site, image: &Image) -> Markup {
    html! {
        h2 { "What it holds" }
        ul class="tree" {
            @for child in &image.children {
                li {
                    div class="node" {
                        span class="kind" { (child.platform.as_deref().unwrap_or("manifest")) } " "
                        a href=(address::image(site, &image.registry, &image.repository, &child.digest)) { (copied(&child.digest)) } " "
                        span class="quiet" { (of_child(&child.below)) }
                    }
                    @if !child.below.referrers.is_empty() { (nodes(site, image, &child.below)) }
                }
            }
        }
        @if image.more_children { p class="quiet" { "And more: the first " (lookup::MOST) " are shown." } }
    }
}

/// A level of the tree, and what is below it.
fn nodes(site: &Site, image: &Image, below: &Below) -> Markup {
    html! {
        ul class="tree" {
            @for one in &below.referrers {
                li {
                    (node(site, image, one))
                    @if !one.below.referrers.is_empty() { (nodes(site, image, &one.below)) }
                    @else if one.below.has_more { p class="quiet" { "More refers to it: open it." } }
                }
            }
            @if below.has_more { li { p class="quiet" { "There are more." } } }
        }
    }
}

fn node(site: &Site, image: &Image, node: &Node) -> Markup {
    html! {
        div class="node" {
            span class=(if node.is_missing { "kind warn" } else { "kind" }) { (node.kind) } " "
            a href=(address::image(site, &image.registry, &image.repository, &node.digest)) { (copied(&node.digest)) }
            span class="quiet" {
                @if let Some(size) = node.size { " " (bytes(size)) }
                " · " (ago(node.arrival))
                @if node.is_missing { " · lost by the registry" }
                @if node.is_repeated { " · shown above" }
            }
            details {
                summary { bdi { (node.artifact_type.as_deref().unwrap_or("no artifact type")) } }
                dl class="facts" {
                    dt { "Known by" } dd { (node.source) }
                    @if let Some(media_type) = &node.media_type { dt { "Media type" } dd { bdi { (media_type) } } }
                    @if let Some(carrier) = &node.carrier {
                        dt { "In the registry as" }
                        dd { "an image manifest that wraps it, " code class="whole" data-copy=(carrier) { (carrier) } }
                    }
                    @for (name, value) in &node.annotations { dt { bdi { (name) } } dd { bdi { (value) } } }
                }
                (command(&format!("oras manifest fetch{} {}/{}@{}", plain_http(site), site.address, image.repository, node.digest)))
            }
        }
    }
}

/// How clients ask for the same.
fn commands(site: &Site, image: &Image) -> Markup {
    let reference = format!("{}/{}@{}", site.address, image.repository, image.digest);
    let (regctl, cosign, scheme) = if site.is_plain {
        (format!(" --host reg={},tls=disabled", site.address), " --allow-http-registry", "http://")
    } else {
        (String::new(), "", "")
    };
    html! {
        h2 { "The same by command" }
        (command(&format!("oras discover{} {reference}", plain_http(site))))
        (command(&format!("regctl{regctl} artifact tree {reference}")))
        (command(&format!("cosign tree{cosign} {reference}")))
        (command(&format!("backref tree {scheme}{reference}")))
    }
}

fn plain_http(site: &Site) -> &'static str {
    if site.is_plain { " --plain-http" } else { "" }
}
