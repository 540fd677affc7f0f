//! The text form of metrics that Prometheus reads. (Prometheus documentation, "Exposition formats", version 0.0.4.)

use std::fmt::{self, Write};

/// The media type.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A text that grows.
#[derive(Default)]
pub(super) struct Exposition(String);

/// Label names and values.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

impl Exposition {
    /// Begins a metric; its samples follow.
    pub(super) fn metric(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// A sample.
    pub(super) fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl fmt::Display) {
        self.0.push_str(name);
        self.labels(labels, None);
        let _ = writeln!(self.0, " {value}");
    }

    /// The samples of a histogram: how many observations lie in each bucket alone (the last one being above all
    /// bounds), and their sum.
    pub(super) fn histogram(&mut self, name: &str, labels: &Labels<'_>, bounds: &[f64], counts: &[u64], sum: f64) {
        let mut total = 0;
        for (bound, count) in bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()]).zip(counts) {
            total += count;
            let _ = write!(self.0, "{name}_bucket");
            self.labels(labels, Some(&bound));
            let _ = writeln!(self.0, " {total}");
        }
        self.sample(&format!("{name}_sum"), labels, sum);
        self.sample(&format!("{name}_count"), labels, total);
    }

    fn labels(&mut self, labels: &Labels<'_>, bound: Option<&str>) {
        let all = labels.iter().copied().chain(bound.map(|it| ("le", it)));
        for (number, (name, value)) in all.enumerate() {
            let _ = write!(self.0, "{}{name}=\"", if number == 0 { '{' } else { ',' });
            for c in value.chars() {
                match c {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    c => self.0.push(c),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() || bound.is_some() {
            self.0.push('}');
        }
    }

    /// The text.
    pub(super) fn into_text(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_and_histograms_are_written_as_prometheus_reads_them() {
        let mut out = Exposition::default();
        out.metric("a_total", "counter", "How many.");
        out.sample("a_total", &[], 3);
        out.sample("a_total", &[("b", "x\"y\\\n"), ("c", "")], 4);
        out.metric("h", "histogram", "How long.");
        out.histogram("h", &[("b", "x")], &[0.5, 1.0], &[1, 0, 2], 7.25);
        let want = "# HELP a_total How many.\n# TYPE a_total counter\na_total 3\na_total{b=\"x\\\"y\\\\\\n\",c=\"\"} 4\n\
            # HELP h How long.\n# TYPE h histogram\nh_bucket{b=\"x\",le=\"0.5\"} 1\nh_bucket{b=\"x\",le=\"1\"} 1\n\
            h_bucket{b=\"x\",le=\"+Inf\"} 3\nh_sum{b=\"x\"} 7.25\nh_count{b=\"x\"} 3\n";
        assert_eq!(out.into_text(), want);
    }
}
