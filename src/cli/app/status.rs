//! `status`: how apps fare.

use std::io::Write as _;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::age::age;
use super::page::page;
use super::shown::Shown;
use super::table::Table;
use super::{AppName, ClusterPlace, request};
use crate::api::bounded::text;

/// Characters of a message in the narrow table.
const MESSAGE: usize = 100;

/// How statuses are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// A table with more columns.
    Wide,
    /// The statuses as JSON.
    Json,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
pub struct Status {
    /// One app, as NAME or NAMESPACE/NAME [default: a table of all in the namespace]
    #[arg(value_name = "APP", conflicts_with = "all_namespaces")]
    app: Option<AppName>,
    /// The apps of all namespaces
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    all_namespaces: bool,
    /// wide: a table with more columns; json: an array of the statuses
    #[arg(short, long, value_name = "FORM", hide_possible_values = true)]
    output: Option<Form>,
    #[command(flatten)]
    place: ClusterPlace,
}

/// Prints how apps fare. As with kubectl, how they fare is not told by the exit code.
pub async fn status(arguments: Status) -> anyhow::Result<ExitCode> {
    let cluster = arguments.place.connect().await?;
    let place = &arguments.place;
    let namespace = if arguments.all_namespaces { "" } else { place.namespace(&cluster) };
    let apps = match &arguments.app {
        Some(app) => {
            let id = arguments.place.resource(&cluster, app)?;
            vec![request::get(&cluster, &id).await?]
        }
        None => request::list(&cluster, namespace).await?,
    };
    let apps: Vec<_> = apps.iter().map(Shown::of).collect();
    let now = Timestamp::now();
    let printed = match (arguments.output, &*apps) {
        (Some(Form::Json), apps) => format!("{:#}\n", json(apps)),
        (None, [app]) if arguments.app.is_some() => page(app, now),
        (_, []) => {
            let place = if namespace.is_empty() { "any namespace" } else { namespace };
            eprintln!("No GitOpsApps found in {place}.");
            return Ok(ExitCode::SUCCESS);
        }
        (Some(Form::Wide), apps) => wide(apps, now).to_string(),
        (None, apps) => narrow(apps, now).to_string(),
    };
    std::io::stdout().lock().write_all(printed.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// Whether it is ready, in one word, and why as a sentence.
fn summary(app: &Shown) -> [String; 3] {
    match app.ready() {
        Some(ready) => [format!("{:?}", ready.status), ready.reason.clone(), ready.message.clone()],
        None => ["Unknown".to_owned(), "Progressing".to_owned(), app.unseen()],
    }
}

fn narrow(apps: &[Shown], now: Timestamp) -> Table {
    let head = ["NAMESPACE", "NAME", "READY", "SYNC", "REVISION", "AGE", "MESSAGE"];
    let mut table = Table::new(&head);
    for app in apps {
        let [namespace, name, revision, age] = common(app, now);
        let [ready, sync, message] = summary(app);
        let message = text(&message, MESSAGE);
        table.add([namespace, name, ready, sync, revision, age, message]);
    }
    table
}

fn wide(apps: &[Shown], now: Timestamp) -> Table {
    let mut table = Table::new(&[
        "NAMESPACE",
        "NAME",
        "READY",
        "SYNC",
        "REVISION",
        "AGE",
        "REPO",
        "PATH",
        "LAST-NEWS",
        "OBJECTS",
        "HELD",
        "MESSAGE",
    ]);
    for app in apps {
        let [namespace, name, revision, age_of_app] = common(app, now);
        let [ready, sync, message] = summary(app);
        let last = app.status.history.as_slice().first();
        let last = last.map(|sync| age(sync.time, now)).unwrap_or_default();
        let count = |(state, number): (&String, &u32)| format!("{state}={number}");
        let counts: Vec<_> = app.status.objects.iter().map(count).collect();
        let held = app.status.objects.get("held").copied().unwrap_or_default().to_string();
        let (repo, path, counts) = (app.repo.clone(), app.path.clone(), counts.join(","));
        table.add([
            namespace, name, ready, sync, revision, age_of_app, repo, path, last, counts, held,
            message,
        ]);
    }
    table
}

fn common(app: &Shown, now: Timestamp) -> [String; 4] {
    let revision = app.status.last_applied_revision.as_ref();
    let revision = revision.map(|revision| revision.short.clone()).unwrap_or_default();
    let age = app.created.map(|created| age(created, now)).unwrap_or_default();
    [app.id.namespace.clone(), app.id.name.clone(), revision, age]
}

/// The statuses as they are stored, each with whose it is.
fn json(apps: &[Shown]) -> Value {
    let apps = apps.iter().map(|app| {
        json!({
            "namespace": app.id.namespace, "name": app.id.name, "generation": app.generation,
            "repoURL": app.repo, "targetRevision": app.revision, "path": app.path,
            "suspended": app.suspension.is_some(), "status": app.raw_status,
        })
    });
    apps.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str, status: Value) -> Shown {
        Shown::of(&json!({
            "metadata": {
                "name": name, "namespace": "team", "generation": 1, "creationTimestamp": "2026-01-02T00:00:00Z",
            },
            "spec": {"repoURL": "https://git.example/c.git", "path": "apps"},
            "status": status,
        }))
    }

    fn apps() -> [Shown; 2] {
        let status = json!({
            "observedGeneration": 1, "objects": {"failed": 1, "held": 2, "synced": 3},
            "lastAppliedRevision": {
                "sha": "0123456789", "short": "01234567", "author": "", "subject": "", "time": "2026-01-02T00:00:00Z",
            },
            "history": [{"trigger": "interval", "duration": "1s", "result": "Synced", "time": "2026-01-02T03:00:00Z"}],
            "conditions": [{
                "type": "Ready", "status": "False", "reason": "ApplyFailed", "message": "Cannot apply it\nat all",
                "lastTransitionTime": "2026-01-02T00:00:00Z",
            }],
        });
        [app("web", status), app("db", json!(null))]
    }

    #[test]
    fn tables_read_as_those_of_kubectl() {
        let (apps, now) = (apps(), "2026-01-02T03:01:00Z".parse().unwrap());
        let expect = "\
NAMESPACE   NAME   READY     SYNC          REVISION   AGE    MESSAGE
team        web    False     ApplyFailed   01234567   3h1m   Cannot apply it at all
team        db     Unknown   Progressing   -          3h1m   No daemon has looked at it yet: gitops-sync run --watch-apps does, if it runs
";
        assert_eq!(narrow(&apps, now).to_string(), expect);
        let wide = wide(&apps, now).to_string();
        let line: Vec<_> = wide.lines().nth(1).unwrap().split_whitespace().skip(6).collect();
        let expect = ["https://git.example/c.git", "apps", "60s", "failed=1,held=2,synced=3", "2"];
        assert_eq!(line[..5], expect);
    }

    #[test]
    fn json_says_whose_status_it_is() {
        let [web, _] = apps();
        let found = json(std::slice::from_ref(&web));
        assert_eq!((&found[0]["name"], &found[0]["suspended"]), (&json!("web"), &json!(false)));
        assert_eq!(found[0]["status"]["objects"]["synced"], 3);
    }
}
