//! What breaks: clients, upstreams, processes, disks. What was acknowledged is listed, and what is listed is there.

#[path = "../support/mod.rs"]
mod support;

#[path = "../proxy/manifests.rs"]
mod manifests;
#[path = "../proxy/wire.rs"]
#[allow(dead_code, reason = "each suite uses its own part of it")]
mod wire;

#[path = "../tags/stand.rs"]
#[allow(dead_code, reason = "each suite uses its own part of it")]
mod tagged;

mod stand;

mod admin;
mod chaos;
mod crash;
mod descriptors;
mod disk_full;
mod drain;
mod facts;
mod kills;
mod late;
mod leaving;
mod page;
mod races;
mod readiness;
mod real;
mod replicas;
mod replicas_apart;
mod service_manager;
mod signals;
mod startup;
mod steps;
mod store_gone;
mod tags;
mod unknown;
mod with_tags;
