//! The figures and how they are shown.

use std::collections::BTreeMap;

use serde_json::json;

use crate::daemon::Memory;

/// What was measured.
#[derive(Debug, Default)]
pub struct Figures {
    pub objects: usize,
    pub floor_seconds: f64,
    pub cold_seconds: f64,
    pub noop_requests: f64,
    pub noop_cpu_ms: f64,
    pub fetch_ms: Vec<f64>,
    pub one_change_ms: Vec<f64>,
    pub drift_floor_ms: Vec<f64>,
    pub drift_ms: Vec<f64>,
    pub memory: Memory,
    pub cpu_seconds: f64,
    pub requests: BTreeMap<String, f64>,
    pub cold_stages_ms: BTreeMap<String, f64>,
    pub one_change_stages_ms: BTreeMap<String, f64>,
    /// What was sent after a restart with nothing changed.
    pub restart_writes: Vec<String>,
    pub restart_seconds: f64,
}

/// The value below which this part of some values lies.
pub fn quantile(values: &[f64], part: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "an index into a short list"
    )]
    let at = (part * sorted.len().saturating_sub(1) as f64).round() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

/// What stages took between two looks at them, in milliseconds for each of so many passes.
pub fn stages_ms(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    passes: usize,
) -> BTreeMap<String, f64> {
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let each = |(stage, seconds): (&String, &f64)| {
        let all = seconds - before.get(stage).copied().unwrap_or_default();
        (stage.clone(), (all / passes as f64 * 1e4).round() / 10.0)
    };
    after.iter().map(each).collect()
}

impl Figures {
    /// As one JSON object.
    pub fn json(&self) -> String {
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        json!({
            "objects": self.objects,
            "floor_seconds": round(self.floor_seconds),
            "cold_seconds": round(self.cold_seconds),
            "noop_requests": round(self.noop_requests),
            "noop_cpu_ms": round(self.noop_cpu_ms),
            "fetch_ms": round(quantile(&self.fetch_ms, 0.5)),
            "one_change_ms": round(quantile(&self.one_change_ms, 0.5)),
            "drift_floor_ms_p50": round(quantile(&self.drift_floor_ms, 0.5)),
            "drift_ms_p50": round(quantile(&self.drift_ms, 0.5)),
            "drift_ms_p99": round(quantile(&self.drift_ms, 0.99)),
            "rss_mib": round(self.memory.resident),
            "rss_heap_mib": round(self.memory.heap),
            "rss_peak_mib": round(self.memory.peak),
            "cpu_seconds": round(self.cpu_seconds),
            "requests": self.requests,
            "cold_stages_ms": self.cold_stages_ms,
            "one_change_stages_ms": self.one_change_stages_ms,
            "restart_writes": self.restart_writes,
            "restart_seconds": round(self.restart_seconds),
        })
        .to_string()
    }

    /// As a table with the budgets.
    pub fn print(&self) {
        let row =
            |name: &str, value: String, budget: &str| println!("{name:<38} {value:>22}   {budget}");
        let n = self.objects;
        let memory = if n > 1000 { "<= 80 MiB at 10,000" } else { "<= 30 MiB at 1,000" };
        row(&format!("{n} objects"), "measured".into(), "budget");
        row("floor: bare apply, 32 at a time", format!("{:.2} s", self.floor_seconds), "");
        let ratio = self.cold_seconds / self.floor_seconds;
        row(
            "cold, commit to all live",
            format!("{:.2} s = {ratio:.2} x", self.cold_seconds),
            "<= 1.5 x floor",
        );
        row("nothing changed: API requests", format!("{:.1}", self.noop_requests), "0");
        row("nothing changed: processor time", format!("{:.1} ms", self.noop_cpu_ms), "<= 20 ms");
        let (fetch, change) = (quantile(&self.fetch_ms, 0.5), quantile(&self.one_change_ms, 0.5));
        row("floor: bare git2 fetch", format!("{fetch:.0} ms"), "");
        row(
            "one change, webhook to live",
            format!("{change:.0} ms = +{:.0} ms", change - fetch),
            "<= fetch + 40 ms",
        );
        let p = |values: &[f64]| {
            format!("{:.1} / {:.1} ms", quantile(values, 0.5), quantile(values, 0.99))
        };
        row("floor: watch and one apply, p50 / p99", p(&self.drift_floor_ms), "");
        row("foreign change to reverted, p50 / p99", p(&self.drift_ms), "<= 15 / 100 ms");
        row("resident memory", self.memory.to_string(), memory);
        row("resident memory, peak", format!("{:.1} MiB", self.memory.peak), "");
        row("processor time, whole run", format!("{:.2} s", self.cpu_seconds), "");
        row("restart: writes", self.restart_writes.len().to_string(), "0");
        row("restart: ready after", format!("{:.2} s", self.restart_seconds), "<= 5 s at 10,000");
        for write in &self.restart_writes {
            println!("written after the restart: {write}");
        }
        let requests: Vec<_> = self.requests.iter().map(|(v, n)| format!("{v} {n}")).collect();
        println!("requests of the whole run: {}", requests.join(", "));
        let list = |stages: &BTreeMap<String, f64>| {
            let all: Vec<_> = stages.iter().map(|(name, ms)| format!("{name} {ms} ms")).collect();
            all.join(", ")
        };
        println!("stages of the cold pass: {}", list(&self.cold_stages_ms));
        println!("stages of one change: {}", list(&self.one_change_stages_ms));
    }
}
