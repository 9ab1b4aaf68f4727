//! Rendering alone: ten thousand files of plain YAML, from nothing and with one of them changed.

use std::time::Instant;

use gitops_sync::render::{Content, ContentId, Rendered, SourceFile, plain, yaml};
use serde_json::json;

use crate::figures::quantile;
use crate::workload;

/// Files of the source.
const FILES: usize = 10_000;
/// Single changes.
const CHANGES: usize = 20;

/// What was measured, in milliseconds.
#[derive(Debug, Default)]
pub struct Render {
    pub cold_ms: f64,
    pub one_change_ms: Vec<f64>,
}

/// Renders all files, and then again and again with one of them changed.
pub fn measure() -> Render {
    let mut figures = Render::default();
    let objects = workload::objects("bench", FILES);
    let paths = workload::files(&objects).map(|(path, _)| path);
    let mut files: Vec<_> = paths.zip(objects.iter().map(|object| yaml::write([object]))).collect();
    files.sort();
    let start = Instant::now();
    let mut before = plain(files.iter().map(|(path, text)| read(path, text)).collect());
    figures.cold_ms = start.elapsed().as_secs_f64() * 1e3;
    for change in 0..CHANGES {
        let changed = change * FILES / CHANGES;
        let start = Instant::now();
        let after = plain(again(&files, changed, change, &before));
        figures.one_change_ms.push(start.elapsed().as_secs_f64() * 1e3);
        before = after;
    }
    figures
}

/// A number that stands for the blob: the walk of a commit knows it without reading the file.
fn id(path: &str) -> ContentId {
    let mut id = [0; 20];
    for (at, byte) in path.bytes().enumerate() {
        id[at % 20] ^= byte.rotate_left(u32::try_from(at / 20 % 8).unwrap_or_default());
    }
    ContentId(id)
}

fn read(path: &str, text: &str) -> SourceFile {
    let content = Content::Read(text.as_bytes().to_vec(), Some(id(path)));
    SourceFile { path: path.to_owned(), content }
}

/// The files of the next commit, of which one is another.
fn again(
    files: &[(String, String)],
    changed: usize,
    to: usize,
    before: &Rendered,
) -> Vec<SourceFile> {
    let mut next = 0;
    let file = |(at, (path, text)): (usize, &(String, String))| {
        if at == changed {
            return read(path, &format!("{text}# {to}\n"));
        }
        let known = before.known(&mut next, path, id(path)).cloned();
        let content = known.map(Content::Known);
        content
            .map_or_else(|| read(path, text), |content| SourceFile { path: path.clone(), content })
    };
    files.iter().enumerate().map(file).collect()
}

impl Render {
    /// As one JSON object.
    pub fn json(&self) -> String {
        let change = quantile(&self.one_change_ms, 0.5);
        json!({"files": FILES, "render_cold_ms": self.cold_ms, "render_one_change_ms": change})
            .to_string()
    }

    /// As lines with the budgets.
    pub fn print(&self) {
        let row = |name: &str, ms: f64, budget: &str| {
            println!("{name:<38} {:>22}   {budget}", format!("{ms:.1} ms"));
        };
        row(&format!("render of {FILES} files, cold"), self.cold_ms, "<= 1000 ms");
        row("one of them changed", quantile(&self.one_change_ms, 0.5), "<= 20 ms");
    }
}
