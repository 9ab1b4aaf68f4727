//! `prune-approve`: deletions that the prune guard holds are approved.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::page::{self, reference};
use super::place::OtherArguments;
use super::shown::Shown;
use super::{AppName, Subject, request, say};
use crate::api::GitOpsAppStatus;
use crate::cluster::Cluster;
use crate::object::{AppId, ObjectId};
use crate::plan::controls::{APPROVE_ABANDON, APPROVE_PRUNE};
use crate::plan::guard::HASH_DIGITS;

/// Approvals of an app that are remembered.
const APPROVALS_MAX: usize = 20;
/// Field manager of approvals.
const MANAGER: &str = "gitops-sync-approve";

/// Arguments of `prune-approve`.
#[derive(Debug, Args)]
#[command(
    override_usage = "gitops-sync prune-approve [OPTIONS] <APP> <HASH>...\n       gitops-sync prune-approve [OPTIONS] --name <NAME> <HASH>..."
)]
pub struct Approve {
    /// The app's GitOpsApp, as NAME or NAMESPACE/NAME, and hashes of held sets, as gitops-sync status, the log
    /// and /api/v1/apps tell them
    #[arg(value_name = "APP HASH", value_delimiter = ',')]
    words: Vec<String>,
    /// Leave the objects in place without gitops-sync's marks, instead of deleting them
    #[arg(long)]
    abandon: bool,
    #[command(flatten)]
    app: OtherArguments,
}

/// Approves the deletion of held objects.
pub async fn approve(arguments: Approve) -> anyhow::Result<ExitCode> {
    let Approve { words, abandon, app } = arguments;
    let (name, given) = parted(&words, app.flags_name()?.as_ref(), app.name.is_some())?;
    let key = if abandon { APPROVE_ABANDON } else { APPROVE_PRUNE };
    let subject = app.subject(name.as_ref()).await?;
    let named = match &subject {
        Subject::Resource(cluster, id) => {
            approve_held(cluster, id, key, &given).await?;
            reference(id)
        }
        Subject::Flags(_, app) if given.is_empty() => {
            bail!("which held sets of {app}? Give their hashes, as in \"Prune held: …\" in the log")
        }
        Subject::Flags(store, app) => {
            store.annotate(app, key, |now| Some(with(now, &given))).await?;
            app.to_string()
        }
    };
    let what = if abandon { "abandoned" } else { "deleted" };
    let given: Vec<_> = given.into_iter().collect();
    say(&format!(
        "{named}: with the next sync exactly the objects of {} are {what}, if they are held as they were told",
        given.join(", ")
    ))
}

/// Tells the app from the hashes. Only an app without a resource is named otherwise than by the first word; in
/// its daemon's pod it need not be.
fn parted(
    words: &[String],
    flags: Option<&AppId>,
    is_flagged: bool,
) -> anyhow::Result<(Option<AppName>, BTreeSet<String>)> {
    let Some((first, rest)) = words.split_first() else {
        bail!("which app, and which held sets? gitops-sync prune-approve APP HASH")
    };
    let is_hash = hash(first).is_ok();
    if is_flagged || (is_hash && flags.is_some()) {
        return Ok((None, hashes(words)?));
    }
    if is_hash {
        bail!(
            "which app? gitops-sync prune-approve APP {first}, or --name for an app without a GitOpsApp"
        );
    }
    Ok((Some(first.parse()?), hashes(rest)?))
}

fn hashes(words: &[String]) -> anyhow::Result<BTreeSet<String>> {
    words.iter().map(|word| hash(word)).collect()
}

/// Reads the hash of a held set. Whatever else somebody approves would approve nothing, in silence.
fn hash(text: &str) -> anyhow::Result<String> {
    let hash = text.trim().to_ascii_lowercase();
    if hash.len() == HASH_DIGITS && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(hash);
    }
    bail!("{text:?}: the hash of a held set has {HASH_DIGITS} digits, as in \"Prune held: …\"")
}

/// Approves sets that the status of an app lists as held.
async fn approve_held(
    cluster: &Cluster,
    id: &ObjectId,
    key: &str,
    given: &BTreeSet<String>,
) -> anyhow::Result<()> {
    request::annotate(cluster, id, MANAGER, key, |app, now| {
        let shown = Shown::of(app);
        let unknown = unknown(&shown.status, given);
        if given.is_empty() || !unknown.is_empty() {
            bail!(refusal(&shown, &unknown));
        }
        Ok(with(now, given))
    })
    .await
}

/// The hashes that are not held. Beyond those that a status has room for, any may be.
fn unknown(status: &GitOpsAppStatus, given: &BTreeSet<String>) -> Vec<String> {
    let held = status.held.as_slice();
    let listed: u32 = held.iter().map(|set| set.count).sum();
    if listed < status.objects.get("held").copied().unwrap_or_default() {
        return Vec::new();
    }
    let is_held = |hash: &&String| held.iter().any(|set| set.hash == **hash);
    given.iter().filter(|hash| !is_held(hash)).cloned().collect()
}

fn refusal(app: &Shown, unknown: &[String]) -> String {
    let name = reference(&app.id);
    let what = match unknown {
        [] => format!("which held sets of {name}?"),
        hashes => format!("{name} holds no {}: nothing is approved", hashes.join(", ")),
    };
    match app.status.held.as_slice() {
        [] => format!("{what}\nNothing is held there."),
        held => format!("{what}\nHeld are:\n{}", page::held_lines(held).trim_end()),
    }
}

/// The latest approvals: each is for one set of objects, and of no use after it.
fn with(now: Option<&str>, given: &BTreeSet<String>) -> String {
    let known = now.unwrap_or_default().split(',').map(|hash| hash.trim().to_owned());
    let known = known.filter(|hash| !hash.is_empty() && !given.contains(hash));
    let all: Vec<_> = known.chain(given.iter().cloned()).collect();
    all[all.len().saturating_sub(APPROVALS_MAX)..].join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::status::HeldSet;
    use crate::object::GroupKind;
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
    fn the_first_word_is_the_app_unless_it_is_named_otherwise() {
        let (a, b) = ("0fbb1b8c2d1c", "aaaaaaaaaaaa");
        let check =
            |words: &str, flags: Option<&str>, is_flagged, expect: Option<(&str, usize)>| {
                let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
                let flags = flags.map(|name| name.parse().unwrap());
                let found = parted(&words, flags.as_ref(), is_flagged).ok();
                let found = found.map(|(app, hashes)| {
                    (app.map(|app| app.to_string()).unwrap_or_default(), hashes.len())
                });
                let expect = expect.map(|(app, number)| (app.to_owned(), number));
                assert_eq!(found, expect, "{words:?}");
            };
        check(&format!("web {a} {b}"), None, false, Some(("web", 2)));
        check(&format!("team/web {a}"), Some("x"), false, Some(("team/web", 1)));
        check("web", None, false, Some(("web", 0)));
        check(&format!("{a} {b}"), Some("x"), true, Some(("", 2)));
        check(&format!("{a} {b}"), Some("x"), false, Some(("", 2)));
        check(&format!("{a} {b}"), None, false, None);
        check("", None, false, None);
        check(&format!("web {a}"), Some("x"), true, None);
        check(&format!("web {a} typo"), None, false, None);
    }

    #[test]
    fn what_is_not_held_cannot_be_approved_unless_there_is_more_than_is_listed() {
        let object = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "a");
        let check = |number: u32, given: &str, expect: &[&str]| {
            let status = GitOpsAppStatus {
                held: [HeldSet::new("why", "a1", std::slice::from_ref(&object))]
                    .into_iter()
                    .collect(),
                objects: [("held".to_owned(), number)].into(),
                ..GitOpsAppStatus::default()
            };
            assert_eq!(unknown(&status, &hashes(given)), expect, "{number} {given}");
        };
        check(1, "a1", &[]);
        check(1, "a1,b2", &["b2"]);
        check(2, "b2", &[]);
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
