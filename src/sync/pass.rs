//! One pass over one app: the story of the data flow, from source to report.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use super::app::{App, Origin};
use super::memory::Memory;
use super::settled::{Resolved, Settled, add_unchanged};
use super::{Stop, apply, atomic, claims, prune, rivals, twins};
use crate::cluster::ApiError;
use crate::object::ObjectId;
use crate::object::marks::HashKey;
use crate::plan::cause::Telling;
use crate::plan::desired::Settings;
use crate::plan::observed::Foreign;
use crate::plan::steps::Circumstances;
use crate::plan::{Cause, Desired, Inventory, Kinds, Lookup, Plan, Reach, Scope, desired, steps};
use crate::render::{self, Diagnostic, Rendered};
use crate::report::{Action, Failure, Fate, Outcome, Trigger};
use crate::source::{Snapshot, SourceError, folder};

/// Brings an app's objects to what its source declares.
pub async fn pass(app: &App, memory: &mut Memory, trigger: Trigger, stop: &Stop) -> Outcome {
    let start = Instant::now();
    let mut outcome = Outcome::new(trigger);
    let result = tokio::select! {
        result = run(app, memory, &mut outcome, stop) => result,
        () = stop.overdue() => Err(Failure::Stopped),
    };
    outcome.failure = result.err();
    outcome.duration = start.elapsed();
    outcome
}

async fn run(
    app: &App,
    memory: &mut Memory,
    outcome: &mut Outcome,
    stop: &Stop,
) -> Result<(), Failure> {
    let mut clock = Clock(Instant::now());
    let key = recall(app, memory).await?;
    if memory.controls.suspended && !app.dry_run {
        return Err(Failure::Suspended);
    }
    claims::refresh(app, memory).await?;
    outcome.claimed = claims::received(app, memory).await?;
    clock.stage("recall", outcome);
    let read = tokio::select! {
        read = read(app, memory, outcome, &mut clock) => read,
        () = stop.wait() => return Err(Failure::Stopped),
    };
    let Source { rendered, trouble, is_stale } = or_last_good(read, memory)?;
    memory.is_stale = is_stale;
    end_fights(memory, outcome);
    outcome.found(&rendered);
    let resolved = resolve(app, memory, key, &rendered).await?;
    clock.stage("resolve", outcome);
    let wanted = &resolved.wanted;
    outcome.diagnostics.extend_from_slice(&resolved.diagnostics);
    let mut news = memory.settled.as_ref().and_then(|settled| settled.news(&resolved));
    tokio::select! {
        observed = observe(app, memory, wanted, news.as_deref(), outcome) => observed?,
        () = stop.wait() => return Err(Failure::Stopped),
    }
    clock.stage("observe", outcome);
    let settled = memory.settled.take();
    let holds = settled.is_some_and(|s| s.holds(&memory.inventory, &memory.observed));
    news = news.filter(|_| holds);
    let mut plan = plan(app, memory, wanted, news.as_deref(), is_stale, outcome);
    if is_stale {
        twins::give_way(memory, &resolved, &mut plan);
    }
    clock.stage("plan", outcome);
    if app.atomic && !app.dry_run {
        let admitted = atomic::admit(app, memory, &resolved, &plan, stop, outcome).await;
        if let Err(failure) = admitted {
            // The commit may long be mended where it cannot be read.
            return Err(trouble.map_or(failure, Failure::from));
        }
        clock.stage("check", outcome);
    }
    store(app, memory, std::mem::take(&mut plan.superset)).await?;
    clock.stage("record", outcome);
    let applied = apply::apply(app, &plan.steps, stop, outcome).await;
    remember(app, memory, outcome);
    if news.is_some() {
        add_unchanged(wanted, &plan.steps, outcome);
    }
    clock.stage("apply", outcome);
    applied?;
    claims::tell(app, memory).await?;
    if !is_stale && outcome.diagnostics.is_empty() {
        prune::let_go(memory, &mut plan, outcome);
    }
    let pruned = prune::prune(app, memory, &plan, stop, outcome).await;
    forget_new_kinds(memory, outcome);
    pruned?;
    outcome.abandoned.clone_from(&memory.inventory.abandoned);
    if news.is_none() {
        outcome.orphans = orphans(memory, wanted);
    }
    if !is_stale && !stop.is_set() {
        reach(memory, outcome);
    }
    record(app, memory).await?;
    clock.stage("prune", outcome);
    twins::note(memory, &resolved, is_stale, outcome);
    if trouble.is_none() {
        memory.settled = settle(app, memory, resolved.clone(), outcome);
    }
    match trouble {
        Some(error) => Err(error.into()),
        None if stop.is_set() => Err(Failure::Stopped),
        None => Ok(()),
    }
}

/// Ends all fights with a new commit: it may have settled them.
fn end_fights(memory: &mut Memory, outcome: &Outcome) {
    let commit = outcome.revision.as_ref().map(|revision| revision.commit.clone());
    if commit.is_some() && commit != memory.commit {
        memory.fights.end();
        memory.commit = commit;
    }
}

/// What a source declares, and what is wrong with it as a whole.
struct Source {
    rendered: Arc<Rendered>,
    trouble: Option<SourceError>,
    /// Whether it is what was declared before: nothing is pruned by it.
    is_stale: bool,
}

/// While the source cannot be read, what it last declared is kept in place. A path that is gone from a
/// commit declares nothing, which the guard takes as an accident.
fn or_last_good(
    read: Result<Arc<Rendered>, SourceError>,
    memory: &Memory,
) -> Result<Source, Failure> {
    match (read, &memory.rendered) {
        (Ok(rendered), _) => Ok(Source { rendered, trouble: None, is_stale: false }),
        (Err(error @ SourceError::PathNotFound { .. }), _) => {
            let rendered = Arc::new(Rendered::default());
            Ok(Source { rendered, trouble: Some(error), is_stale: false })
        }
        (Err(error), Some((_, rendered))) => {
            let rendered = rendered.clone();
            Ok(Source { rendered, trouble: Some(error), is_stale: true })
        }
        (Err(error), None) => Err(error.into()),
    }
}

/// Objects that name themselves as the app's, though its inventory does not know them: it was lost, or
/// someone copied the marks with care. They are not ours to delete.
fn orphans(memory: &mut Memory, wanted: &[Arc<Desired>]) -> Vec<ObjectId> {
    // What was handed over a moment ago still names itself as ours.
    let (now, live) = (memory.clock.now(), &memory.observed.live);
    memory.handed.retain(|id, at| live.contains_key(id) && now < *at + rivals::LONGEST);
    let mut known = Lookup::new(&memory.inventory.entries);
    let is_wanted = |id: &ObjectId| wanted.binary_search_by(|object| object.id.cmp(id)).is_ok();
    let unknown = memory.observed.live.keys().filter(|id| known.get(id).is_none());
    unknown.filter(|id| !is_wanted(id) && !memory.handed.contains_key(id)).cloned().collect()
}

/// Notes the commit of which all is done that nobody has to approve. Alone that is not worth a write.
fn reach(memory: &mut Memory, outcome: &Outcome) {
    let is_stored =
        memory.loaded.as_ref().is_some_and(|loaded| loaded.inventory == memory.inventory);
    let is_left = |fate: &Fate| matches!(fate, Fate::Pending | Fate::Spared(_) | Fate::Failed(_));
    let is_known = outcome.unread.is_none();
    let is_done = is_known
        && outcome.failed() == 0
        && !outcome.leftovers.iter().any(|(_, fate)| is_left(fate));
    if is_done && !is_stored {
        let commit = outcome.revision.as_ref().map(|revision| revision.commit.clone());
        Arc::make_mut(&mut memory.inventory).commit = commit;
    }
}

/// Measures the stages of a pass.
struct Clock(Instant);

impl Clock {
    fn stage(&mut self, name: &'static str, outcome: &mut Outcome) {
        outcome.stages.push((name, self.0.elapsed()));
        self.0 = Instant::now();
    }
}

/// Fetches and renders the source; an unchanged commit is not read again.
async fn read(
    app: &App,
    memory: &mut Memory,
    outcome: &mut Outcome,
    clock: &mut Clock,
) -> Result<Arc<Rendered>, SourceError> {
    let (snapshot, revision) = match &app.origin {
        Origin::Folder(path) => {
            let path = path.clone();
            (blocking(move || folder::read(&path)).await??, None)
        }
        Origin::Git(fetcher) => {
            let fetched = fetcher.fetch(false).await;
            clock.stage("fetch", outcome);
            let revision = fetched?;
            outcome.revision = Some(revision.clone());
            if let Some((known, rendered)) = &memory.rendered
                && *known == revision
            {
                return Ok(rendered.clone());
            }
            let before = memory.rendered.as_ref().map(|(_, rendered)| rendered.clone());
            (fetcher.read(&revision, before).await?, Some(revision))
        }
    };
    clock.stage("read", outcome);
    let rendered = Arc::new(blocking(move || render(snapshot)).await?);
    memory.rendered = revision.map(|revision| (revision, rendered.clone()));
    clock.stage("render", outcome);
    Ok(rendered)
}

pub(super) fn render(snapshot: Snapshot) -> Rendered {
    let mut rendered = render::plain(snapshot.files);
    rendered.diagnostics.splice(0..0, snapshot.diagnostics);
    rendered
}

/// Runs what takes long without a pause beside the HTTP server and the signals.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, SourceError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| SourceError::Defect { why: error.to_string() })
}

/// Loads the hash key and the inventory, once.
async fn recall(app: &App, memory: &mut Memory) -> Result<HashKey, Failure> {
    let key = match (&memory.key, app.dry_run) {
        (Some(key), _) => key.clone(),
        (None, false) => app.store.key_or_new().await?,
        // Nothing was ever applied without a key, so any will do to compare with nothing.
        (None, true) => app.store.key().await?.unwrap_or(HashKey(Vec::new())),
    };
    if memory.key.is_none() && !app.dry_run {
        app.store.register(&app.id, app.interval).await?;
    }
    memory.key = Some(key.clone());
    if memory.loaded.is_none() {
        let loaded = app.store.load(&app.id).await?;
        memory.inventory = twins::rejoined(&loaded.inventory, memory);
        memory.controls = loaded.controls.clone();
        memory.loaded = Some(loaded);
    }
    let given = app.origin.identity();
    match &memory.inventory.source {
        Some(recorded) if app.refuse_other_source && *recorded != given => {
            Err(Failure::OtherSource { app: app.id.to_string(), recorded: recorded.clone(), given })
        }
        _ => Ok(key),
    }
}

/// Resolves manifests against the kinds that the cluster serves; asks it again about unknown ones.
async fn resolve(
    app: &App,
    memory: &mut Memory,
    key: HashKey,
    rendered: &Arc<Rendered>,
) -> Result<Arc<Resolved>, Failure> {
    let (namespace, reach) = (app.target_namespace.clone(), app.reach.clone());
    let settings = Settings { app: app.id.clone(), key, namespace, reach };
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
    let kinds = discover(app).await?;
    let before = known.as_ref().map(|known| known.wanted.as_slice()).unwrap_or_default();
    let (wanted, diagnostics) = desired::resolve(&rendered.manifests, &kinds, &settings, before);
    let resolved = resolved(rendered, &settings, wanted, diagnostics);
    memory.kinds = Some(kinds);
    memory.resolved = Some(resolved.clone());
    Ok(resolved)
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

async fn discover(app: &App) -> Result<Kinds, Failure> {
    let failed = |source| Failure::ClusterUnavailable { doing: "discovering kinds", source };
    app.cluster.discover().await.map_err(failed)
}

/// Brings the view of the cluster up to date for the scopes of what is wanted or was applied. While
/// their watches run, nothing is sent for that.
async fn observe(
    app: &App,
    memory: &mut Memory,
    wanted: &[Arc<Desired>],
    news: Option<&[Arc<Desired>]>,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let Memory { watches, observed, kinds, inventory, .. } = memory;
    let known = kinds.get_or_insert_default();
    let ids = news.unwrap_or(wanted).iter().map(|object| &object.id);
    let recorded = inventory.entries.keys().filter(|_| news.is_none());
    let mut scopes = scopes_of(ids.chain(recorded), &app.reach);
    scopes.retain(|scope| known.preferred(&scope.kind).is_some());
    match news {
        // The others are watched already.
        Some(_) => scopes.extend(watches.scopes()),
        None => observed.keep(&scopes, &app.reach),
    }
    watches.want(&app.cluster, &app.id, &scopes, known);
    let touched = watches.settle(&app.id, observed).await;
    memory.touched.extend(touched);
    let mut out = observed.blind.values().filter(|blind| blind.is_outage);
    if out.clone().count() == scopes.len()
        && let Some(blind) = out.next()
    {
        let source = ApiError::Unreachable(blind.why.clone());
        return Err(Failure::ClusterUnavailable { doing: "listing objects", source });
    }
    let blind = observed.blind.iter();
    outcome.unlisted = blind.map(|(scope, blind)| (scope.clone(), blind.why.clone())).collect();
    if !outcome.unlisted.is_empty() {
        // A kind may have come, gone or changed its version.
        let kinds = discover(app).await?;
        if memory.kinds.as_ref() != Some(&kinds) {
            memory.resolved = None;
        }
        memory.kinds = Some(kinds);
    }
    Ok(())
}

/// The scopes of objects, of which those of one scope mostly stand side by side.
fn scopes_of<'a>(ids: impl Iterator<Item = &'a ObjectId>, reach: &Reach) -> BTreeSet<Scope> {
    let mut scopes: BTreeSet<Scope> = BTreeSet::new();
    let mut last: Option<Scope> = None;
    for id in ids {
        if last.as_ref().is_some_and(|scope| scope.covers(id)) {
            continue;
        }
        last = reach.scope_of(id);
        scopes.extend(last.clone());
    }
    scopes
}

/// What a pass left in sync, if that is everything there is.
fn settle(
    app: &App,
    memory: &Memory,
    resolved: Arc<Resolved>,
    outcome: &Outcome,
) -> Option<Settled> {
    // Whom an orphan belongs to is looked at with all others.
    let has_orphans = !outcome.orphans.is_empty() || !memory.handed.is_empty();
    if app.dry_run || has_orphans || !outcome.leaves_all_in_sync() {
        return None;
    }
    let touched = outcome.done.iter().filter(|done| done.cause != Cause::InSync);
    let touched: Vec<_> = touched.map(|done| done.desired.clone()).collect();
    let steps = steps::steps(&touched, &memory.known(app));
    let settled = || Settled::new(resolved, &memory.inventory, &memory.observed);
    steps.iter().all(|step| step.cause == Cause::InSync).then(settled)
}

/// Takes over what was done: into the inventory, and into the view before the watches tell.
/// Says whether the inventory changed by it.
pub(super) fn remember(app: &App, memory: &mut Memory, outcome: &Outcome) -> bool {
    let is_changed = apply::record(&mut memory.inventory, &outcome.done);
    if !memory.told.is_empty() {
        // What is over is news when it comes again.
        let over = outcome.done.iter().filter(|done| done.cause == Cause::InSync);
        over.for_each(|done| drop(memory.told.remove(&done.desired.id)));
    }
    let now = memory.clock.now();
    for done in outcome.done.iter().filter(|done| done.cause != Cause::InSync) {
        let id = &done.desired.id;
        // What was refused or put off showed nothing new: a suspect stays one.
        let is_seen = !done.action.is_failure() && done.action != Action::Fought;
        if is_seen && (done.cause == Cause::Suspect || done.telling.is_some()) {
            memory.fights.verified(id, now);
        }
        if let Some(live) = done.live.clone().filter(|_| is_seen && !app.dry_run) {
            let is_cleared = done.cause != Cause::Extended;
            memory.observed.applied(&app.id, id.clone(), live, is_cleared);
        }
        if let Some(before) = &done.deleted {
            memory.observed.predecessors.insert(id.clone(), before.clone());
        } else if done.action.is_in_sync() {
            memory.observed.predecessors.remove(id);
        }
        if let Action::Claimed(owner) = &done.action {
            memory.claims.insert(id.clone(), owner.clone());
        } else {
            memory.claims.remove(id);
        }
        match (&done.action, &done.telling) {
            (_, Some(telling)) => drop(memory.told.insert(id.clone(), telling.clone())),
            (Action::Drifted(_) | Action::Extended(..) | Action::Conflicted(_), None) => {}
            // A look for something else: what was told of additions still holds.
            (Action::Unchanged, None) if done.cause == Cause::Suspect => {
                if memory.told.get(id).is_some_and(Telling::is_forged) {
                    memory.told.remove(id);
                }
            }
            _ => drop(memory.told.remove(id)),
        }
        if let (Action::Left(why), Cause::New | Cause::Missing | Cause::Unknown) =
            (&done.action, done.cause)
        {
            let foreign = Foreign { hash: done.desired.hash.clone(), why };
            memory.observed.foreign.insert(id.clone(), foreign);
        }
    }
    is_changed
}

/// Plans all, or only what is new while all else is known to be in sync.
fn plan(
    app: &App,
    memory: &Memory,
    wanted: &[Arc<Desired>],
    news: Option<&[Arc<Desired>]>,
    is_stale: bool,
    outcome: &Outcome,
) -> Plan {
    if let Some(news) = news {
        return steps::plan_news(news, &memory.known(app), &app.origin.identity());
    }
    let circumstances = Circumstances {
        source: app.origin.identity(),
        prune: app.prune,
        has_diagnostics: is_stale || !outcome.diagnostics.is_empty(),
    };
    steps::plan(wanted, &memory.known(app), &circumstances)
}

/// Stores the inventory before the first write. What is not stored is not known either: between passes
/// only objects of the inventory are put back.
async fn store(app: &App, memory: &mut Memory, superset: Arc<Inventory>) -> Result<(), Failure> {
    let before = std::mem::replace(&mut memory.inventory, superset);
    let stored = record(app, memory).await;
    if stored.is_err() {
        memory.inventory = before;
    }
    stored
}

/// Stores the inventory, before the first write and after the last.
pub(super) async fn record(app: &App, memory: &mut Memory) -> Result<(), Failure> {
    if app.dry_run {
        return Ok(());
    }
    let loaded = memory.loaded.get_or_insert_default();
    let saved = app.store.save(&app.id, loaded, &memory.inventory).await;
    if saved.is_err() {
        // What is stored is another's by now, or unknown: read it again.
        memory.loaded = None;
    }
    Ok(saved?)
}

/// After a CRD was applied, its kind is known only to a new discovery.
fn forget_new_kinds(memory: &mut Memory, outcome: &Outcome) {
    if outcome.has_new_kinds() {
        memory.kinds = None;
    }
}
