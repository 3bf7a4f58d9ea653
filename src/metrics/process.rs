//! What the system says of the process, under the names that all clients of Prometheus give it.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
};

/// Reads `/proc/self` when it is asked; what isn't there is left out.
#[derive(Debug)]
pub(super) struct Process;

/// The fields of `/proc/self/stat` behind the name (proc(5)), counted from the process's state.
const USER_TIME: usize = 11;
const SYSTEM_TIME: usize = 12;
const START: usize = 19;
const VIRTUAL: usize = 20;
const RESIDENT: usize = 21;

impl Collector for Process {
    #[allow(clippy::cast_precision_loss, reason = "floating point is what the format has")]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let mut gauge = |name: &str, help: &str, value: f64| {
            let metric = ConstGauge::new(value);
            metric.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
        };
        let fields = stat().unwrap_or_default();
        let ticks = clock_ticks_per_second() as f64;
        if let Some(start) = fields.get(START).zip(boot_time()).map(|(start, boot)| boot + *start as f64 / ticks) {
            gauge("process_start_time_seconds", "When the process began, in seconds since 1970", start)?;
        }
        if let Some(bytes) = fields.get(RESIDENT).map(|pages| *pages as f64 * page_size() as f64) {
            gauge("process_resident_memory_bytes", "Memory that the process has in use", bytes)?;
        }
        if let Some(bytes) = fields.get(VIRTUAL) {
            gauge("process_virtual_memory_bytes", "Addresses that the process has taken", *bytes as f64)?;
        }
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            gauge("process_open_fds", "Open files and sockets", open.count() as f64)?;
        }
        if let Some(most) = getrlimit(Resource::Nofile).current {
            gauge("process_max_fds", "The most of them that the system allows", most as f64)?;
        }
        if let (Some(user), Some(system)) = (fields.get(USER_TIME), fields.get(SYSTEM_TIME)) {
            let metric = ConstCounter::new((user + system) as f64 / ticks);
            let help = "Time on processors";
            metric.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}

/// The numbers of `/proc/self/stat`; what is none is 0.
fn stat() -> Option<Vec<u64>> {
    let text = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The name may have anything in it but ends with the last parenthesis.
    let (_, behind) = text.rsplit_once(')')?;
    Some(behind.split_whitespace().map(|field| field.parse().unwrap_or_default()).collect())
}

/// When the system began, in seconds since 1970.
fn boot_time() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok())
}
