//! Each rule is needed: without it there is an order of events in which something is lost.

mod adopting;
mod attempts;
mod deleting;
mod strangers;
mod writing;
