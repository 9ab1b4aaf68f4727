//! What syncing costs, against floors measured in the same run by the same client.
//!
//! `cargo run --release --example bench [-- --objects N | --apps N | --render] [--json]`. The daemon is the real program
//! in a process of its own; the control plane is real. Machines differ: read the ratios.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "it prints figures")]

mod client;
mod daemon;
mod figures;
mod many;
mod render;
mod workload;

use anyhow::{Context as _, bail};
use testbed::{ApiRequest, ControlPlane, GitServer, build_bin};

use client::Client;
use daemon::Daemon;
use figures::{Figures, stages_ms};

/// Objects that drift, one after the other.
const DRIFTS: usize = 100;
/// Passes with nothing to do.
const PASSES: u32 = 20;
/// Single changes.
const CHANGES: usize = 10;

/// What is to be measured.
struct Arguments {
    objects: usize,
    /// So many apps beside each other, instead of one.
    apps: Option<usize>,
    /// Only what rendering takes, which is measured beside one app as well.
    render: bool,
    json: bool,
}

fn main() -> anyhow::Result<()> {
    let Arguments { objects, apps, render, json } = arguments()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if render {
        let figures = render::measure();
        show(json, || figures.json(), || figures.print());
    } else if let Some(apps) = apps {
        let figures = runtime.block_on(many::measure(apps, &build_bin("gitops-sync")?))?;
        show(json, || figures.json(), || figures.print());
    } else {
        let (figures, render) = (runtime.block_on(measure(objects))?, render::measure());
        show(json, || figures.json(), || figures.print());
        show(json, || render.json(), || render.print());
    }
    Ok(())
}

fn show(json: bool, text: impl Fn() -> String, print: impl Fn()) {
    if json {
        println!("{}", text());
    } else {
        print();
    }
}

fn arguments() -> anyhow::Result<Arguments> {
    let mut found = Arguments { objects: 1000, apps: None, render: false, json: false };
    let mut arguments = std::env::args().skip(1);
    let number = |text: Option<String>| -> anyhow::Result<usize> {
        text.context("a number is missing")?.parse().context("this is no number")
    };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--objects" => found.objects = number(arguments.next())?,
            "--apps" => found.apps = Some(number(arguments.next())?),
            "--render" => found.render = true,
            "--json" => found.json = true,
            other => {
                bail!(
                    "unknown argument {other}: there are --objects N, --apps N, --render and --json"
                )
            }
        }
    }
    Ok(found)
}

async fn measure(objects: usize) -> anyhow::Result<Figures> {
    let program = build_bin("gitops-sync")?;
    let plane = ControlPlane::api_only()?;
    let git = GitServer::start()?;
    let repo = git.create_repo("config")?;
    let client = Client::connect(plane.kubeconfig()).await?;
    let mut figures = Figures { objects, ..Figures::default() };

    eprintln!("bench: the floors, {objects} objects");
    let floor = workload::objects("floor", objects);
    figures.floor_seconds = client.apply_all(&floor).await?;
    figures.drift_floor_ms = client.drift_floor(&floor, DRIFTS).await?;

    eprintln!("bench: the daemon, from nothing");
    repo.write("apps/cluster/namespace-bench-0.yaml", workload::namespace("bench-0").to_string())?;
    repo.commit("Start")?;
    let mut daemon = Daemon::start(&program, &plane, &repo)?;
    daemon.synced(&repo.head()?)?;
    let wanted = workload::objects("bench", objects);
    for (path, text) in workload::files(&wanted) {
        repo.write(&format!("apps/{path}"), text)?;
    }
    let (commit, stages) = (repo.commit("Everything")?, daemon.stages()?);
    figures.cold_seconds = daemon.sync(&commit)?.as_secs_f64();
    figures.cold_stages_ms = stages_ms(&stages, &daemon.stages()?, 1);

    eprintln!("bench: passes with nothing to do");
    let (requests, cpu) = (daemon.requests()?, daemon.cpu_ms()?);
    for _ in 0..PASSES {
        daemon.pass()?;
    }
    figures.noop_requests = (daemon.requests()? - requests) / f64::from(PASSES);
    figures.noop_cpu_ms = (daemon.cpu_ms()? - cpu) / f64::from(PASSES);

    eprintln!("bench: single changes");
    let (bare, stages) = (workload::BareClone::new(&repo)?, daemon.stages()?);
    for change in 0..CHANGES {
        repo.write(
            "apps/one.yaml",
            workload::config_map("bench-0", "one", &change.to_string()).to_string(),
        )?;
        let commit = repo.commit("One change")?;
        figures.fetch_ms.push(bare.fetch()?.as_secs_f64() * 1e3);
        figures.one_change_ms.push(daemon.sync(&commit)?.as_secs_f64() * 1e3);
    }
    figures.one_change_stages_ms = stages_ms(&stages, &daemon.stages()?, CHANGES);
    eprintln!("bench: drift");
    figures.drift_ms = client.drift(&wanted, DRIFTS).await?;
    figures.memory = daemon.memory()?;
    figures.requests = daemon.requests_by_verb()?;
    figures.cpu_seconds = daemon.cpu_ms()? / 1e3;

    eprintln!("bench: restart");
    // Else what is told of the last drifts is taken for what the restart takes.
    daemon.quiet()?;
    let mark = plane.audit().mark()?;
    daemon.kill()?;
    let again = Daemon::start(&program, &plane, &repo)?;
    figures.restart_seconds = again.ready()?.as_secs_f64();
    again.synced(&repo.head()?)?;
    let sent = plane.audit().requests_since(mark, "gitops-sync/")?;
    let is_read = |verb: &str| matches!(verb, "get" | "list" | "watch");
    let writes = sent.iter().filter(|request| !is_read(&request.verb));
    let told = |r: &ApiRequest| format!("{} {} {} at {}", r.verb, r.uri, r.code, r.received);
    figures.restart_writes = writes.map(told).collect();
    Ok(figures)
}
