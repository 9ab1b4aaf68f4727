//! Where log lines go and how they look.

use std::io::{IsTerminal as _, stderr};

use clap::ValueEnum;
use tracing::subscriber::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt as _;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends log lines to standard error. `RUST_LOG` overrides the level.
pub(super) fn init(format: LogFormat, default_level: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| {
        EnvFilter::new(format!("warn,kube_client=off,gitops_sync={default_level}"))
    });
    subscriber(format, filter, stderr().is_terminal(), stderr).init();
}

/// What writes log lines. Those of one app of many are within a span that names it: `sync{app=team/web}` in text,
/// `"span":{"app":"team/web"}` in JSON, where the list of all spans would only say it again.
fn subscriber<W>(
    format: LogFormat,
    filter: EnvFilter,
    is_terminal: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(writer);
    match format {
        LogFormat::Text => Box::new(builder.with_ansi(is_terminal).finish()),
        LogFormat::Json => {
            Box::new(builder.json().flatten_event(true).with_span_list(false).finish())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};
    use std::sync::Arc;

    use tracing::{info, info_span, subscriber::with_default};

    use super::*;

    /// The line that is written of one event, within the span of an app and without.
    fn lines(format: LogFormat) -> String {
        let mut file = tempfile::tempfile().unwrap();
        let writer = Arc::new(file.try_clone().unwrap());
        with_default(subscriber(format, EnvFilter::new("info"), false, writer), || {
            info_span!("sync", app = %"team/web").in_scope(|| info!(created = 1, "Synced"));
            info!("Stopped");
        });
        let mut text = String::new();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_line_says_which_app_it_is_about() {
        let text = lines(LogFormat::Text);
        let (first, second) = text.split_once('\n').unwrap();
        assert!(first.ends_with("  INFO sync{app=team/web}: Synced created=1"), "{text}");
        assert!(second.ends_with("  INFO Stopped\n"), "{text}");
        let json = lines(LogFormat::Json);
        let mut json = json.lines().map(|line| serde_json::from_str(line).unwrap());
        let (first, second): (serde_json::Value, serde_json::Value) =
            (json.next().unwrap(), json.next().unwrap());
        assert_eq!((&first["message"], &first["created"]), (&"Synced".into(), &1.into()));
        assert_eq!(first["span"], serde_json::json!({"app": "team/web", "name": "sync"}));
        assert_eq!((&first["spans"], &second["span"]), (&().into(), &().into()));
    }
}
