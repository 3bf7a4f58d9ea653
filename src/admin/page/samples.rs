//! What the metrics said in the last half hour, for the charts.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::metrics::{Format, Metrics};

/// How often the metrics are looked at, and how many looks are kept.
pub(super) const EVERY: Duration = Duration::from_secs(10);
const KEPT: usize = 181;

/// The looks, the oldest first.
pub(super) struct Samples {
    metrics: Arc<Metrics>,
    kept: Mutex<VecDeque<Sample>>,
}

/// What all metrics said at one time.
#[derive(Clone, Debug, Default, PartialEq)]
struct Sample {
    requests: f64,
    failed: f64,
    answers: Buckets,
    queries: Buckets,
    upstream: Buckets,
    /// When the certificate ends, in seconds since 1970.
    certificate_end: Option<f64>,
}

/// How many took up to so many seconds, by the bound, in its order; the last bound is infinite.
#[derive(Clone, Debug, Default, PartialEq)]
struct Buckets(Vec<(f64, f64)>);

/// What happened between two looks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Interval {
    /// Requests a second.
    pub(super) requests: f64,
    /// Of those, the ones that were answered with 5xx.
    pub(super) failed: f64,
    /// How long half of the requests, and all but one in a hundred, took to the head of the answer, in seconds.
    pub(super) answers: Option<(f64, f64)>,
    /// The same of referrers queries.
    pub(super) queries: Option<(f64, f64)>,
    /// The same of requests to registries.
    pub(super) upstream: Option<(f64, f64)>,
}

impl Samples {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, kept: Mutex::default() }
    }

    /// Looks again and again, until dropped.
    pub(super) async fn keep_looking(&self) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let sample = Sample::of(&self.metrics.render(Format::OpenMetrics));
            let mut kept = self.kept();
            if kept.len() == KEPT {
                kept.pop_front();
            }
            kept.push_back(sample);
        }
    }

    /// What happened between each look and the next, the oldest first.
    pub(super) fn intervals(&self) -> Vec<Interval> {
        let kept = self.kept();
        kept.iter().zip(kept.iter().skip(1)).map(|(before, after)| Interval::between(before, after)).collect()
    }

    /// When the certificate ends that clients are shown, in seconds since 1970.
    pub(super) fn certificate_end(&self) -> Option<f64> {
        self.kept().back()?.certificate_end
    }

    fn kept(&self) -> MutexGuard<'_, VecDeque<Sample>> {
        // Nothing that holds it can panic half-way.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sample {
    /// Reads what `/metrics` gives.
    fn of(text: &str) -> Self {
        let mut sample = Self::default();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((series, value)) = line.rsplit_once(' ') else { continue };
            let Ok(value) = value.parse::<f64>() else { continue };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            match name {
                "backref_requests_total" => {
                    sample.requests += value;
                    if label(labels, "status").is_some_and(|status| status.starts_with('5')) {
                        sample.failed += value;
                    }
                }
                "backref_request_duration_seconds_bucket" => {
                    sample.answers.add(labels, value);
                    if label(labels, "route") == Some("referrers") {
                        sample.queries.add(labels, value);
                    }
                }
                "backref_upstream_request_duration_seconds_bucket" => sample.upstream.add(labels, value),
                "backref_certificate_expiry_timestamp_seconds" => sample.certificate_end = Some(value),
                _ => {}
            }
        }
        sample
    }
}

/// The value of a label. None that is asked for here has a quote in it.
fn label<'l>(labels: &'l str, name: &str) -> Option<&'l str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    Some(rest.split_once('"')?.0)
}

impl Buckets {
    fn add(&mut self, labels: &str, count: f64) {
        let Some(bound) = label(labels, "le") else { return };
        let Ok(bound) = bound.replace("+Inf", "inf").parse::<f64>() else { return };
        match self.0.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
            Some((_, counted)) => *counted += count,
            None => self.0.push((bound, count)),
        }
    }

    /// How long half, and all but one in a hundred, took of what came since `before`; `None`: nothing came.
    fn since(&self, before: &Self) -> Option<(f64, f64)> {
        let earlier =
            |bound: f64| before.0.iter().find(|(known, _)| known.total_cmp(&bound).is_eq()).map_or(0.0, |one| one.1);
        let counts: Vec<(f64, f64)> = self.0.iter().map(|&(bound, count)| (bound, count - earlier(bound))).collect();
        let all = counts.last()?.1;
        if all <= 0.0 {
            return None;
        }
        let within = |share: f64| {
            let (mut from, mut below) = (0.0, 0.0);
            for &(bound, count) in &counts {
                if count >= share * all {
                    // Evenly spread within a bucket; of the last, nothing but its beginning is known.
                    let part = (share * all - below) / (count - below);
                    return if bound.is_infinite() { from } else { from + (bound - from) * part };
                }
                (from, below) = (bound, count);
            }
            from
        };
        Some((within(0.5), within(0.99)))
    }
}

impl Interval {
    fn between(before: &Sample, after: &Sample) -> Self {
        let seconds = EVERY.as_secs_f64();
        Self {
            requests: (after.requests - before.requests) / seconds,
            failed: (after.failed - before.failed) / seconds,
            answers: after.answers.since(&before.answers),
            queries: after.queries.since(&before.queries),
            upstream: after.upstream.since(&before.upstream),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;

    #[test]
    #[allow(clippy::float_cmp, reason = "these are whole numbers of requests")]
    fn page_charts_what_came_between_two_looks() {
        let metrics = Metrics::default();
        let answer = |route, status, millis| {
            metrics.request("hub".into(), route, status, Duration::from_millis(millis));
        };
        answer("pull", StatusCode::OK, 1);
        let before = Sample::of(&metrics.render(Format::OpenMetrics));
        for _ in 0..98 {
            answer("referrers", StatusCode::OK, 2);
        }
        for _ in 0..2 {
            answer("pull", StatusCode::BAD_GATEWAY, 4000);
        }
        let after = Sample::of(&metrics.render(Format::OpenMetrics));
        assert_eq!((before.requests, after.requests, after.failed), (1.0, 101.0, 2.0));
        let interval = Interval::between(&before, &after);
        assert_eq!((interval.requests, interval.failed), (10.0, 0.2));
        let (half, most) = interval.answers.unwrap();
        assert!((0.001..=0.0025).contains(&half) && (1.0..=5.0).contains(&most), "{half} {most}");
        assert!(interval.queries.unwrap().1 <= 0.0025);
        assert_eq!(interval.upstream, None);
        assert_eq!(Interval::between(&after, &after).answers, None);
    }
}
