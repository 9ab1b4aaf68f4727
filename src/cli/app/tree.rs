//! `tree`: the objects of an app.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

use super::gather::gather;
use super::page::reference;
use super::shown::Shown;
use super::standing::Standing;
use super::table::printable;
use super::{AppName, ClusterPlace, branch, request};
use crate::cli::common::namespace;
use crate::object::AppId;

/// Arguments of `tree`.
#[derive(Debug, Args)]
pub struct Tree {
    /// The app, as NAME or NAMESPACE/NAME
    #[arg(value_name = "APP")]
    app: AppName,
    /// Only objects that the daemon of this namespace applied; of use where several had an app of this name
    #[arg(long, value_name = "NAME", value_parser = namespace)]
    daemon_namespace: Option<String>,
    #[command(flatten)]
    place: ClusterPlace,
}

/// Prints the objects of an app.
pub async fn tree(arguments: Tree) -> anyhow::Result<ExitCode> {
    let cluster = arguments.place.connect().await?;
    let id = arguments.place.resource(&cluster, &arguments.app)?;
    let app = Shown::of(&request::get(&cluster, &id).await?);
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}\n", head(&app))?;
    if app.is_remote {
        writeln!(
            out,
            "Its objects are in the cluster of spec.kubeConfig, which is not looked into."
        )?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut namespaces = vec![id.namespace.clone()];
    namespaces.extend(app.target_namespace.clone());
    namespaces.dedup();
    let mut gathered =
        gather(&cluster, &AppId::of_resource(&id.namespace, &id.name), &namespaces).await?;
    if let Some(daemon) = &arguments.daemon_namespace {
        gathered.found.retain(|_, found| found.daemon == *daemon);
    }
    let left = gathered.found.values().filter(|found| found.is_left).count();
    let standing = Standing::of(&app.status, u32::try_from(left).unwrap_or(u32::MAX));
    let lines = branch::lines(&gathered, &standing);
    if lines.is_empty() {
        writeln!(out, "No objects of it are to be seen.")?;
    } else {
        write!(out, "{lines}")?;
    }
    for note in branch::notes(&gathered, &standing, &namespaces) {
        eprintln!("note: {}", printable(&note));
    }
    Ok(ExitCode::SUCCESS)
}

/// The app, and how it fares.
fn head(app: &Shown) -> String {
    let name = reference(&app.id);
    let line = match app.ready() {
        Some(ready) => format!("{name}: {}: {}", ready.reason, ready.message),
        None => format!("{name}: {}", app.unseen()),
    };
    printable(&line)
}
