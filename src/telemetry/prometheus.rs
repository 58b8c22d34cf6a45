//! Prometheus' text format, version 0.0.4
//! (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).

use std::fmt::{Display, Write};

use super::family::{BUCKETS, Family, Histogram};

/// A text that grows by lines. Writing to a string cannot fail.
#[derive(Default)]
pub(super) struct Text(pub String);

impl Text {
    pub fn head(&mut self, name: &str, kind: &str, help: &str) {
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    pub fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            let before = if index == 0 { '{' } else { ',' };
            let text = text
                .replace('\\', r"\\")
                .replace('"', "\\\"")
                .replace('\n', r"\n");
            let _ = write!(self.0, "{before}{label}=\"{text}\"");
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _ = writeln!(self.0, " {value}");
    }

    pub fn family<const LABELS: usize>(&mut self, family: &Family<LABELS>) {
        self.head(family.name, "counter", family.help);
        for (values, count) in family.counts() {
            let labels: Vec<_> = family
                .labels
                .iter()
                .zip(&values)
                .map(|(label, value)| (*label, value.as_ref()))
                .collect();
            self.sample(family.name, &labels, count);
        }
    }

    /// The samples of one histogram.
    pub fn histogram(&mut self, name: &str, labels: &[(&str, &str)], histogram: &Histogram) {
        let counts = histogram.cumulative();
        let bounds = BUCKETS.iter().map(f64::to_string);
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(counts) {
            let labels = [labels, &[("le", &bound)]].concat();
            self.sample(&format!("{name}_bucket"), &labels, count);
        }
        self.sample(&format!("{name}_sum"), labels, histogram.seconds());
        let [.., all] = counts;
        self.sample(&format!("{name}_count"), labels, all);
    }
}
