//! `gitops-sync suspend`, `resume` and `prune-approve`: what people ask of a running app.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;

use super::common::ConnectionArguments;
use crate::cluster::store::Store;
use crate::object::AppId;
use crate::plan::controls::{APPROVE_ABANDON, APPROVE_PRUNE, SUSPEND};
use crate::plan::guard::HASH_DIGITS;
use crate::report::Metrics;

/// Approvals of an app that are remembered.
const APPROVALS_MAX: usize = 20;

/// Which app.
#[derive(Debug, Args)]
pub(super) struct AppArguments {
    /// Name of the app
    #[arg(long, env = "GITOPS_SYNC_NAME", value_name = "NAME")]
    name: AppId,
    #[command(flatten)]
    connection: ConnectionArguments,
}

impl AppArguments {
    async fn store(&self) -> anyhow::Result<Store> {
        let cluster = self.connection.connect(&Arc::new(Metrics::new()?)).await?;
        Ok(self.connection.store(&cluster))
    }
}

/// Arguments of `prune-approve`.
#[derive(Debug, Args)]
pub(super) struct ApproveArguments {
    /// Hashes of the held sets, as the log and /api/v1/apps tell them
    #[arg(required = true, value_name = "HASH", value_delimiter = ',', value_parser = hash)]
    hashes: Vec<String>,
    /// Leave the objects in place without gitops-sync's marks, instead of deleting them
    #[arg(long)]
    abandon: bool,
    #[command(flatten)]
    app: AppArguments,
}

/// Stops the syncing of an app.
pub(super) async fn suspend(arguments: AppArguments) -> anyhow::Result<ExitCode> {
    let store = arguments.store().await?;
    store.annotate(&arguments.name, SUSPEND, |_| Some("true".to_owned())).await?;
    say(&format!("{} suspended: nothing is synced until gitops-sync resume", arguments.name))
}

/// Has an app synced again.
pub(super) async fn resume(arguments: AppArguments) -> anyhow::Result<ExitCode> {
    arguments.store().await?.annotate(&arguments.name, SUSPEND, |_| None).await?;
    say(&format!("{} resumed", arguments.name))
}

/// Approves the deletion of held objects.
pub(super) async fn approve(arguments: ApproveArguments) -> anyhow::Result<ExitCode> {
    let ApproveArguments { hashes: given, abandon, app } = arguments;
    let given: BTreeSet<_> = given.into_iter().collect();
    let key = if abandon { APPROVE_ABANDON } else { APPROVE_PRUNE };
    app.store().await?.annotate(&app.name, key, |now| Some(with(now, &given))).await?;
    let what = if abandon { "abandoned" } else { "deleted" };
    let given: Vec<_> = given.into_iter().collect();
    say(&format!(
        "{}: with the next sync exactly the objects of {} are {what}, if they are held as they were told",
        app.name,
        given.join(", ")
    ))
}

/// Reads the hash of a held set. Whatever else somebody approves would approve nothing, in silence.
fn hash(text: &str) -> Result<String, String> {
    let hash = text.trim().to_ascii_lowercase();
    if hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(hash)
    } else {
        Err(format!("the hash of a held set has {HASH_DIGITS} digits, as in \"Prune held: …\""))
    }
}

/// The latest approvals: each is for one set of objects, and of no use after it.
fn with(now: Option<&str>, given: &BTreeSet<String>) -> String {
    let known = now.unwrap_or_default().split(',').map(|hash| hash.trim().to_owned());
    let known = known.filter(|hash| !hash.is_empty() && !given.contains(hash));
    let all: Vec<_> = known.chain(given.iter().cloned()).collect();
    all[all.len().saturating_sub(APPROVALS_MAX)..].join(",")
}

fn say(line: &str) -> anyhow::Result<ExitCode> {
    writeln!(std::io::stdout().lock(), "{line}")?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::controls::hashes;

    #[test]
    fn only_a_hash_can_be_approved() {
        let check = |text: &str, expect: Option<&str>| {
            assert_eq!(hash(text).ok().as_deref(), expect, "{text}");
        };
        check("0fbb1b8c2d1c", Some("0fbb1b8c2d1c"));
        check(" 0FBB1B8C2D1C ", Some("0fbb1b8c2d1c"));
        for typo in ["", "all", "0fbb1b8c2d1", "0fbb1b8c2d1cc", "0fbb1b8c2d1g"] {
            check(typo, None);
        }
    }

    #[test]
    fn the_latest_approvals_are_remembered() {
        let check = |now: Option<&str>, given: &str, expect: &str| {
            assert_eq!(with(now, &hashes(given)), expect);
        };
        check(None, "a", "a");
        check(Some("a, b"), "c", "a,b,c");
        check(Some("a,b"), "a", "b,a");
        let many: Vec<_> = (0..30).map(|n| n.to_string()).collect();
        assert!(with(Some(&many.join(",")), &hashes("x")).ends_with(",29,x"));
        assert_eq!(with(Some(&many.join(",")), &hashes("x")).split(',').count(), APPROVALS_MAX);
    }
}
