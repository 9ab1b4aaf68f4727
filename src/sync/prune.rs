//! Deletes what left the source, if everything else is in sync and the guard lets it go; abandons what
//! must stay.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::time::Instant;

use super::consent::{self, Consent};
use super::record::record;
use super::resolve::discover;
use super::rivals::Rivals;
use super::{App, Memory, Stop, twins};
use crate::cluster::ApiError;
use crate::object::{Live, ObjectId};
use crate::plan::guard::{Approvals, Candidate, Ruling, Situation};
use crate::plan::inventory::{Abandoned, Entry};
use crate::plan::prune::{Context, Spared, Verdict, is_crd};
use crate::plan::{Hold, Kinds, Plan, Resource, Stage};
use crate::report::{Failure, Fate, Outcome};

/// Looks at an object that changes between judgement and deletion.
const TRIES: u32 = 5;

/// An object that the source no longer declares, and what is to become of it.
#[derive(Clone)]
struct Leftover {
    id: ObjectId,
    resource: Option<Resource>,
    live: Option<Arc<Live>>,
    verdict: Verdict,
    is_of_other_source: bool,
}

/// Lets go of the leftovers that other apps claim. Nothing is deleted by that, so that it waits neither for a
/// person nor for what is not in sync: two apps may wait for each other.
fn let_go(memory: &mut Memory, plan: &mut Plan, outcome: &mut Outcome) {
    let mut left: BTreeSet<_> = plan.leftovers.iter().cloned().collect();
    for (owner, ids) in &mut outcome.claimed {
        for id in ids.extract_if(.., |id| left.remove(id)) {
            let fate = Fate::Forgotten(Spared::HandedOver(owner.to_string()).to_string());
            memory.handed.insert(id.clone(), memory.clock.now());
            strike(memory, &id, &fate);
            outcome.leftovers.push((id, fate));
        }
    }
    outcome.claimed.retain(|(_, ids)| !ids.is_empty());
    plan.leftovers.retain(|id| left.contains(id));
}

/// Judges and deletes the leftovers, last stage first. Fills in what became of them, and takes from the
/// inventory what is no longer ours.
pub async fn prune(
    app: &App,
    memory: &mut Memory,
    plan: &mut Plan,
    stop: &Stop,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    if !memory.is_stale && outcome.diagnostics.is_empty() {
        let_go(memory, plan, outcome);
    }
    note_age(memory, &plan.leftovers);
    if plan.leftovers.is_empty() {
        return Ok(());
    }
    let in_sync = outcome.done.iter().all(|done| done.action.is_in_sync());
    if let Some(why) = plan.hold.or((!in_sync).then_some(Hold::NotInSync)) {
        hold(plan, why, outcome);
        return Ok(());
    }
    let mut context = context(app, memory, outcome);
    let mut leftovers = survey(app, memory, &context, &plan.leftovers).await?;
    let mut ruling = rule(app, memory, &leftovers, plan, outcome, &Consent::default());
    if !ruling.held.is_empty() {
        let consent = consent::of_commits(app, memory, outcome).await;
        ruling = rule(app, memory, &leftovers, plan, outcome, &consent);
    }
    // While everything waits for a person, nothing is sent.
    let is_due = leftovers.iter().any(|leftover| leftover.is_due(&ruling));
    let commit = outcome.revision.as_ref().map(|revision| revision.commit.as_str());
    if is_due && Rivals::may_come(app, memory, commit) {
        let due = leftovers.iter_mut().filter(|leftover| leftover.is_due(&ruling));
        due.for_each(|leftover| leftover.verdict = Verdict::Wait(Spared::Recent));
    } else if is_due {
        // Another process may have declared a leftover since the inventory was loaded.
        twins::check(app, memory, &plan.leftovers).await?;
        if app.is_suspended(&memory.controls) {
            hold(plan, Hold::Suspended, outcome);
            return Ok(());
        }
        hand_over(app, memory, &mut leftovers).await?;
    }
    announce(app, memory, &leftovers, &ruling).await?;
    for stage in leftovers.chunk_by(|a, b| Stage::of(&a.id.kind) == Stage::of(&b.id.kind)) {
        if stop.is_set() {
            break;
        }
        let fates = settle(app, memory, &context, stage, &ruling).await?;
        for (leftover, fate) in stage.iter().zip(fates) {
            if !matches!(fate, Fate::Pruned { .. } | Fate::Gone) {
                context.stays(&leftover.id, leftover.resource.as_ref());
            }
            strike(memory, &leftover.id, &fate);
            outcome.leftovers.push((leftover.id.clone(), fate));
        }
    }
    outcome.held = ruling.held;
    Ok(())
}

/// Stores what is about to be deleted: to a process of the same name that cannot read git, and sees it go, nothing
/// else tells it from what others delete.
async fn announce(
    app: &App,
    memory: &mut Memory,
    leftovers: &[Leftover],
    ruling: &Ruling,
) -> Result<(), Failure> {
    let goes = |l: &&Leftover| l.verdict == Verdict::Delete && ruling.delete.contains(&l.id);
    let mut is_news = false;
    for leftover in leftovers.iter().filter(goes) {
        is_news |= set_leaving(memory, &leftover.id, true);
    }
    if is_news { record(app, memory).await } else { Ok(()) }
}

/// Notes whether an object is about to be deleted. Says whether that is news.
fn set_leaving(memory: &mut Memory, id: &ObjectId, leaving: bool) -> bool {
    let is_other = |entry: &Entry| entry.leaving != leaving;
    let is_news = memory.inventory.entries.get(id).is_some_and(is_other);
    if is_news && let Some(entry) = Arc::make_mut(&mut memory.inventory).entries.get_mut(id) {
        entry.leaving = leaving;
    }
    is_news
}

/// Leaves everything as it is.
fn hold(plan: &Plan, why: Hold, outcome: &mut Outcome) {
    let held = |id: &ObjectId| (id.clone(), Fate::Spared(format!("because {why}")));
    outcome.leftovers.extend(plan.leftovers.iter().map(held));
}

/// Notes since when objects are no longer declared.
fn note_age(memory: &mut Memory, ids: &[ObjectId]) {
    let now = memory.clock.now();
    let known = std::mem::take(&mut memory.left);
    let since = |id: &ObjectId| known.get(id).copied().unwrap_or(now);
    memory.left = ids.iter().map(|id| (id.clone(), since(id))).collect();
}

/// What another app of the namespace declares is its own from now on.
async fn hand_over(
    app: &App,
    memory: &mut Memory,
    leftovers: &mut [Leftover],
) -> Result<(), Failure> {
    let rivals = Rivals::of(app).await?;
    // Of a CRD's kind others may have objects, and this app never asked for it.
    let takes_kinds = leftovers.iter().any(|leftover| leftover.is_asked() && is_crd(&leftover.id));
    let kinds =
        if takes_kinds { discover(app, Instant::now()).await? } else { Arc::<Kinds>::default() };
    for leftover in leftovers.iter_mut().filter(|leftover| leftover.is_asked()) {
        if let Some(owner) = rivals.owner(&leftover.id) {
            memory.handed.insert(leftover.id.clone(), memory.clock.now());
            leftover.verdict = Verdict::Forget(Spared::HandedOver(owner.to_string()));
        } else if let Some(holder) = rivals.holder(&leftover.id, &kinds) {
            leftover.verdict = Verdict::Wait(Spared::HoldsOthers(holder.to_string()));
        } else if let Some(why) = rivals.unread() {
            leftover.verdict = Verdict::Wait(Spared::RivalUnreadable(why.clone()));
        } else if rivals.may_follow(&leftover.id, memory) {
            leftover.verdict = Verdict::Wait(Spared::Recent);
        }
    }
    Ok(())
}

fn context(app: &App, memory: &Memory, outcome: &Outcome) -> Context {
    let lives = outcome.done.iter().filter_map(|done| Some(done.live.as_ref()?.uid.clone()));
    let (uids, source) = (lives.collect(), app.origin.identity().fingerprint());
    let mut context = Context::new(app.id.clone(), app.store.namespace(), source, uids);
    for done in &outcome.done {
        context.stays(&done.desired.id, Some(&done.desired.resource));
    }
    // What had to stay is not to go with its namespace or CRD a pass later.
    for Abandoned { id, .. } in &memory.inventory.abandoned {
        context.stays(id, memory.kinds.as_ref().and_then(|kinds| kinds.preferred(&id.kind)));
    }
    context
}

/// Judges the leftovers by what the watches show of them. What they do not show is read, to tell what is
/// gone from what lost our marks.
async fn survey(
    app: &App,
    memory: &Memory,
    context: &Context,
    ids: &[ObjectId],
) -> Result<Vec<Leftover>, Failure> {
    let look = async |id: &ObjectId| {
        let resource = memory.kinds.as_ref().and_then(|kinds| kinds.preferred(&id.kind)).cloned();
        let entry = memory.inventory.entries.get(id).cloned().unwrap_or_default();
        let is_of_other_source = context.is_of_other_source(&entry);
        let (live, verdict) = match &resource {
            _ if app.reach.scope_of(id).is_none() => (None, Verdict::Wait(Spared::OutOfReach)),
            None => (None, Verdict::Wait(Spared::KindNotServed)),
            Some(resource) => match find(app, memory, resource, id).await {
                Ok(live) => (live.clone(), context.verdict(id, &entry, live.as_deref())),
                Err(error) => {
                    let why = Failure::unless_refused("pruning", error)?.shown(&id.kind);
                    (None, Verdict::Wait(Spared::Unreadable(why)))
                }
            },
        };
        Ok(Leftover { id: id.clone(), resource, live, verdict, is_of_other_source })
    };
    stream::iter(ids).map(look).buffered(app.parallel).try_collect().await
}

/// What the watches show of an object; without that, what the API server says.
async fn find(
    app: &App,
    memory: &Memory,
    resource: &Resource,
    id: &ObjectId,
) -> Result<Option<Arc<Live>>, ApiError> {
    if let Some(live) = memory.observed.live.get(id) {
        return Ok(Some(live.clone()));
    }
    let object = app.cluster.get(resource, id).await?;
    Ok(object.as_ref().map(|object| Arc::new(Live::from(object))))
}

/// Asks the guard about what is to be deleted.
fn rule(
    app: &App,
    memory: &Memory,
    leftovers: &[Leftover],
    plan: &Plan,
    outcome: &Outcome,
    consent: &Consent,
) -> Ruling {
    let candidate = |leftover: &Leftover| {
        let (id, live) = (leftover.id.clone(), leftover.live.as_ref()?);
        let (uid, is_allowed) = (live.uid.clone(), live.may_go);
        let is_of_other_source = leftover.is_of_other_source;
        leftover.is_asked().then_some(Candidate { id, uid, is_allowed, is_of_other_source })
    };
    let candidates: Vec<_> = leftovers.iter().filter_map(candidate).collect();
    let desired: BTreeSet<_> = outcome.done.iter().map(|done| &done.desired.id).collect();
    // What is gone, or never was, does not make a loss smaller.
    let is_gone = |l: &&Leftover| l.verdict == Verdict::Forget(Spared::AlreadyGone);
    let had = plan.had - leftovers.iter().filter(is_gone).count();
    let situation = Situation { had, desired: &desired };
    let asked = memory.controls.with(&app.asked.borrow());
    let mut approvals = Approvals::new(&asked, &app.approved);
    approvals.prune.extend(consent.hashes.iter().cloned());
    approvals.removed.clone_from(&consent.removed);
    app.guard.rule(&candidates, situation, &approvals)
}

/// Takes from the inventory what is no longer ours.
fn strike(memory: &mut Memory, id: &ObjectId, fate: &Fate) {
    if matches!(fate, Fate::Pruned { .. } | Fate::Abandoned(_)) {
        // It is seen with our marks a little longer, and is no orphan.
        memory.handed.insert(id.clone(), memory.clock.now());
    }
    match fate {
        Fate::Pruned { .. } | Fate::Gone | Fate::Forgotten(_) => {
            Arc::make_mut(&mut memory.inventory).entries.remove(id);
        }
        Fate::Abandoned(why) => Arc::make_mut(&mut memory.inventory).abandon(id, why.clone()),
        Fate::Held | Fate::Pending | Fate::Spared(_) | Fate::Failed(_) => {
            set_leaving(memory, id, false);
        }
    }
}

/// Carries out what was ruled on the leftovers of one stage, side by side.
async fn settle(
    app: &App,
    memory: &Memory,
    context: &Context,
    stage: &[Leftover],
    ruling: &Ruling,
) -> Result<Vec<Fate>, Failure> {
    let settle = async |leftover: &Leftover| {
        let mut leftover = leftover.clone();
        if ruling.abandon.contains(&leftover.id) {
            leftover.verdict = Verdict::Abandon(Spared::Approved);
        } else if leftover.is_asked() && !ruling.delete.contains(&leftover.id) {
            return Ok(Fate::Held);
        }
        carry_out(app, memory, context, leftover).await
    };
    stream::iter(stage).map(settle).buffered(app.parallel).try_collect().await
}

/// Carries out one verdict, on exactly the object that was judged.
async fn carry_out(
    app: &App,
    memory: &Memory,
    context: &Context,
    mut leftover: Leftover,
) -> Result<Fate, Failure> {
    let Some(resource) = leftover.resource.clone() else { return Ok(fate(&leftover.verdict)) };
    let mut refusal = String::new();
    for _ in 0..TRIES {
        // What is in it or of its kind may stay after all.
        let needed = context.needed(&leftover.id).filter(|_| leftover.verdict == Verdict::Delete);
        if let Some(why) = needed {
            return Ok(Fate::Spared(why.to_string()));
        }
        let tried = match attempt(app, &resource, &leftover).await {
            // It changed since it was seen: it is judged again, if it is still the same.
            Err(error) if matches!(error.code(), 404 | 409 | 422) => {
                refusal = error.shown(&leftover.id.kind);
                let object = app.cluster.get(&resource, &leftover.id).await;
                object.map(|object| (object.as_ref().map(Live::from), None))
            }
            tried => tried.map(|fate| (None, Some(fate))),
        };
        match tried {
            Ok((_, Some(fate))) => return Ok(fate),
            Ok((live, None)) if live.as_ref().is_none_or(|live| leftover.is(live)) => {
                leftover.judge_again(memory, context, live);
            }
            Ok(_) => return Ok(Fate::Failed("it was replaced meanwhile".to_owned())),
            Err(error) => {
                let error = Failure::unless_refused("pruning", error)?;
                return Ok(Fate::Failed(error.shown(&leftover.id.kind)));
            }
        }
    }
    Ok(Fate::Failed(refusal))
}

impl Leftover {
    /// Whether a person may have a say in what becomes of it. What another source declared is not even
    /// abandoned without.
    fn is_asked(&self) -> bool {
        match self.verdict {
            Verdict::Delete => true,
            Verdict::Abandon(_) => self.is_of_other_source,
            _ => false,
        }
    }

    /// Whether something is to be sent because of it.
    fn is_due(&self, ruling: &Ruling) -> bool {
        let is_held = !ruling.delete.contains(&self.id) && !ruling.abandon.contains(&self.id);
        match self.verdict {
            Verdict::Delete => !is_held,
            Verdict::Abandon(_) => !self.is_asked() || !is_held,
            _ => false,
        }
    }

    fn is(&self, live: &Live) -> bool {
        self.live.as_ref().is_some_and(|seen| seen.uid == live.uid)
    }

    /// Takes over what it is now. What was to be abandoned is never deleted.
    fn judge_again(&mut self, memory: &Memory, context: &Context, live: Option<Live>) {
        let entry = memory.inventory.entries.get(&self.id).cloned().unwrap_or_default();
        let verdict = context.verdict(&self.id, &entry, live.as_ref());
        if verdict != Verdict::Delete || !matches!(self.verdict, Verdict::Abandon(_)) {
            self.verdict = verdict;
        }
        self.live = live.map(Arc::new);
    }
}

/// Deletes or abandons an object, if it is still the one that was seen.
async fn attempt(app: &App, resource: &Resource, leftover: &Leftover) -> Result<Fate, ApiError> {
    let Leftover { id, live, verdict, .. } = leftover;
    match (verdict, live) {
        (Verdict::Delete, Some(live)) => {
            app.cluster.delete(resource, id, live, app.dry_run).await?;
            Ok(Fate::Pruned { version: resource.version.clone(), uid: live.uid.clone() })
        }
        (Verdict::Abandon(_), Some(live)) if !app.dry_run => {
            let object = app.cluster.get(resource, id).await?;
            let same = object.filter(|object| Live::from(object).identity == live.identity);
            if let Some(object) = same.filter(|object| leftover.is(&Live::from(object))) {
                app.cluster.abandon(resource, id, &object).await?;
            }
            Ok(fate(verdict))
        }
        _ => Ok(fate(verdict)),
    }
}

/// What a verdict comes to when nothing is to be sent.
fn fate(verdict: &Verdict) -> Fate {
    match verdict {
        Verdict::Delete | Verdict::Forget(Spared::AlreadyGone) => Fate::Gone,
        Verdict::Abandon(why) => Fate::Abandoned(why.to_string()),
        Verdict::Forget(why) => Fate::Forgotten(why.to_string()),
        Verdict::Wait(Spared::Recent) => Fate::Pending,
        Verdict::Wait(why) => Fate::Spared(why.to_string()),
    }
}
