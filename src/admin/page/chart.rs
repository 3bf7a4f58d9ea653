//! A small chart: lines over the last half hour, as SVG.

use std::fmt::Write;

use maud::{Markup, html};

/// In units of the picture's own.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 72.0;

/// How many values are half an hour: the last is at the right edge.
const SLOTS: usize = 180;

/// A line with its name; where there is nothing to show, it has a gap.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) values: Vec<Option<f64>>,
}

/// A chart. `say` makes a text of a value.
pub(super) fn chart(title: &str, lines: &[Line], say: fn(f64) -> String) -> Markup {
    let values = lines.iter().flat_map(|line| line.values.iter().flatten());
    let most = values.fold(0.0_f64, |most, value| most.max(*value));
    let last = |line: &Line| line.values.last().copied().flatten().map_or_else(|| "–".to_owned(), say);
    let said: Vec<String> = lines.iter().map(|line| format!("{} {}", line.name, last(line))).collect();
    html! {
        figure class="chart" {
            figcaption { (title) span class="quiet" { " at most " (say(most)) } }
            svg viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(format!("{title}: now {}", said.join(", "))) {
                @for (number, line) in lines.iter().enumerate() {
                    path class=(format!("line{number}")) d=(path(&line.values, most)) vector-effect="non-scaling-stroke" {}
                }
            }
            p class="legend" {
                @for (number, line) in lines.iter().enumerate() {
                    span class=(format!("key{number}")) { (line.name) " " b { (last(line)) } } " "
                }
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a chart has a few hundred points")]
fn path(values: &[Option<f64>], most: f64) -> String {
    let (step, before) = (WIDTH / (SLOTS - 1) as f64, SLOTS.saturating_sub(values.len()));
    let scale = if most > 0.0 { (HEIGHT - 4.0) / most } else { 0.0 };
    let (mut path, mut is_drawing) = (String::new(), false);
    for (at, value) in values.iter().enumerate() {
        if let Some(value) = value {
            let (x, y) = ((before + at) as f64 * step, HEIGHT - 2.0 - value * scale);
            // Writing to a string does not fail. A point that stands alone is a dot.
            let _ = if is_drawing { write!(path, "L{x:.1} {y:.1}") } else { write!(path, "M{x:.1} {y:.1}h.1") };
        }
        is_drawing = value.is_some();
    }
    path
}

/// A rate for people.
pub(super) fn per_second(rate: f64) -> String {
    if rate >= 10.0 || rate == 0.0 { format!("{rate:.0}/s") } else { format!("{rate:.1}/s") }
}

/// A time for people.
pub(super) fn seconds(time: f64) -> String {
    match time {
        time if time >= 10.0 => format!("{time:.0} s"),
        time if time >= 1.0 => format!("{time:.1} s"),
        time if time >= 0.01 => format!("{:.0} ms", time * 1e3),
        time if time >= 0.001 => format!("{:.1} ms", time * 1e3),
        time if time > 0.0 => format!("{:.0} µs", time * 1e6),
        _ => "0 s".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_chart_has_gaps_where_nothing_came() {
        let values = [Some(1.0), Some(2.0), None, Some(0.0)];
        assert_eq!(path(&values, 2.0), "M295.0 36.0h.1L296.6 2.0M300.0 70.0h.1");
        assert_eq!(path(&[], 0.0), "");
        assert_eq!(path(&[Some(0.0)], 0.0), "M300.0 70.0h.1");
        let all = path(&[Some(1.0); SLOTS], 1.0);
        assert!(all.starts_with("M0.0 2.0") && all.ends_with("L300.0 2.0"), "{all}");
    }

    #[test]
    fn page_says_times_and_rates_in_few_digits() {
        assert_eq!(
            [0.0, 0.000_25, 0.0042, 0.25, 1.26, 80.0].map(seconds),
            ["0 s", "250 µs", "4.2 ms", "250 ms", "1.3 s", "80 s"]
        );
        assert_eq!([0.0, 0.25, 12.3].map(per_second), ["0/s", "0.2/s", "12/s"]);
    }
}
