//! What the manifests of a source come to in this cluster.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::settled::Resolved;
use super::{App, Memory};
use crate::object::marks::HashKey;
use crate::plan::{Desired, Kinds, Settings, desired};
use crate::render::{Diagnostic, Rendered};
use crate::report::Failure;

/// Time in which the kinds that a cluster serves hardly change by themselves.
const RECENT: Duration = Duration::from_secs(30);

/// Resolves manifests against the kinds that the cluster serves; asks it again about unknown ones.
pub async fn resolve(
    app: &App,
    memory: &mut Memory,
    key: HashKey,
    rendered: &Arc<Rendered>,
) -> Result<Arc<Resolved>, Failure> {
    let (namespace, reach) = (app.target_namespace.clone(), app.reach.clone());
    let (common, resources) = (app.common.clone(), app.resources.clone());
    let settings = Settings { app: app.id.clone(), key, namespace, reach, common, resources };
    let known = memory.resolved.clone().filter(|known| known.settings == settings);
    if let (Some(kinds), Some(known)) = (&memory.kinds, &known) {
        if !known.lacks_kinds() && Arc::ptr_eq(&known.rendered, rendered) {
            return Ok(known.clone());
        }
        let updated = known
            .diagnostics
            .is_empty()
            .then(|| desired::update(&rendered.manifests, kinds, &settings, &known.wanted));
        let resolve = || desired::resolve(&rendered.manifests, kinds, &settings, &known.wanted);
        let (wanted, diagnostics) =
            updated.flatten().map_or_else(resolve, |wanted| (wanted, Vec::new()));
        let resolved = resolved(rendered, &settings, wanted, diagnostics);
        if !resolved.lacks_kinds() {
            memory.resolved = Some(resolved.clone());
            return Ok(resolved);
        }
    }
    let kinds = discover(app, since(memory)).await?;
    memory.new_kinds = None;
    let before = known.as_ref().map(|known| known.wanted.as_slice()).unwrap_or_default();
    let (wanted, diagnostics) = desired::resolve(&rendered.manifests, &kinds, &settings, before);
    let resolved = resolved(rendered, &settings, wanted, diagnostics);
    memory.kinds = Some(kinds);
    memory.resolved = Some(resolved.clone());
    Ok(resolved)
}

/// How old what is known of the kinds may be where it is asked for.
pub fn since(memory: &Memory) -> Instant {
    // What others asked for a moment ago will do at first.
    let is_first = memory.kinds.is_none() && memory.new_kinds.is_none();
    let since = if is_first { Instant::now().checked_sub(RECENT) } else { memory.new_kinds };
    since.unwrap_or_else(Instant::now)
}

fn resolved(
    rendered: &Arc<Rendered>,
    settings: &Settings,
    wanted: Vec<Arc<Desired>>,
    diagnostics: Vec<Diagnostic>,
) -> Arc<Resolved> {
    let (rendered, settings) = (rendered.clone(), settings.clone());
    Arc::new(Resolved { rendered, settings, wanted, diagnostics })
}

/// The kinds that the cluster serves, as it said not before `since`.
pub async fn discover(app: &App, since: Instant) -> Result<Arc<Kinds>, Failure> {
    let failed = |source| Failure::ClusterUnavailable { doing: "discovering kinds", source };
    app.discovery.kinds(Some(since)).await.map_err(failed)
}
