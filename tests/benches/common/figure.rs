//! Figures on the standard output: one JSON object a line, with the conditions that it was measured under.

use serde::Serialize;
use serde_json::{Map, Value, json};

/// Prints the figures of one benchmark. Nothing is judged here: the bars are in the design, the machine is the reader's.
pub(crate) struct Report {
    benchmark: &'static str,
    conditions: Map<String, Value>,
}

impl Report {
    /// The conditions are an object; the profile, the processors and how busy the machine was are added.
    pub(crate) fn new(benchmark: &'static str, conditions: Value) -> Self {
        let mut all = match conditions {
            Value::Object(conditions) => conditions,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
        };
        all.insert("profile".to_owned(), json!(if cfg!(debug_assertions) { "debug" } else { "release" }));
        all.insert("cores".to_owned(), json!(std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)));
        all.insert("load_average".to_owned(), json!(load_average()));
        Self { benchmark, conditions: all }
    }

    /// Prints a figure.
    #[expect(clippy::print_stdout, reason = "the figures are what the program is for")]
    pub(crate) fn print(&self, figure: &str, value: f64, unit: &str) {
        let line = Line { benchmark: self.benchmark, figure, value: rounded(value), unit, conditions: &self.conditions };
        if let Ok(line) = serde_json::to_string(&line) {
            println!("{line}");
        }
    }
}

/// What a line says, in this order.
#[derive(Serialize)]
struct Line<'a> {
    benchmark: &'a str,
    figure: &'a str,
    value: f64,
    unit: &'a str,
    #[serde(flatten)]
    conditions: &'a Map<String, Value>,
}

/// The load of the last minute when the measurement began: figures of a busy machine are worse than the program is.
fn load_average() -> Option<f64> {
    std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()
}

/// Five significant digits: more would be noise.
fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}
