//! What a pass leaves when everything is in sync: of the same, nothing need be judged again.

use std::sync::{Arc, Weak};

use super::app::{App, Memory, Resolved};
use crate::plan::{Cause, Desired, Inventory, Observed, steps};
use crate::report::{Done, Outcome};

/// What left everything in sync. As long as the inventory and the view are the very same, only what is
/// desired anew need be judged.
pub struct Settled {
    resolved: Arc<Resolved>,
    /// To recognize it, not to keep it.
    inventory: Weak<Inventory>,
    age: u64,
}

impl Settled {
    /// What was resolved, in this state.
    pub fn new(resolved: Arc<Resolved>, inventory: &Arc<Inventory>, observed: &Observed) -> Self {
        Self { resolved, inventory: Arc::downgrade(inventory), age: observed.age }
    }

    /// Whether the state is the very same, so far as an object is judged by it.
    pub fn holds(&self, inventory: &Arc<Inventory>, observed: &Observed) -> bool {
        std::ptr::eq(self.inventory.as_ptr(), Arc::as_ptr(inventory))
            && self.age == observed.age
            && observed.blind.is_empty()
            && observed.suspects.is_empty()
    }

    /// What is desired anew. `None` if an object is no longer desired.
    pub fn news(&self, resolved: &Resolved) -> Option<Vec<Arc<Desired>>> {
        let mut before = self.resolved.wanted.iter().peekable();
        let mut news = Vec::new();
        for object in &resolved.wanted {
            match before.next_if(|known| Arc::ptr_eq(known, object) || known.id <= object.id) {
                Some(known) if Arc::ptr_eq(known, object) => {}
                Some(known) if known.id != object.id => return None,
                _ => news.push(object.clone()),
            }
        }
        before.peek().is_none().then_some(news)
    }
}

/// What a pass left in sync, if that is everything there is.
pub fn settle(
    app: &App,
    memory: &Memory,
    resolved: Arc<Resolved>,
    outcome: &Outcome,
) -> Option<Settled> {
    if app.dry_run || !outcome.leaves_all_in_sync() {
        return None;
    }
    let touched = outcome.done.iter().filter(|done| done.cause != Cause::InSync);
    let touched: Vec<_> = touched.map(|done| done.desired.clone()).collect();
    let steps = steps::steps(&touched, &memory.known(app));
    let settled = || Settled::new(resolved, &memory.inventory, &memory.observed);
    steps.iter().all(|step| step.cause == Cause::InSync).then(settled)
}

/// Adds the objects that were not planned because they are known to be in sync.
pub fn add_unchanged(wanted: &[Arc<Desired>], outcome: &mut Outcome) {
    let mut planned: Vec<_> = outcome.done.iter().map(|done| done.desired.clone()).collect();
    planned.sort_by(|a, b| a.id.cmp(&b.id));
    let mut planned = planned.iter().peekable();
    let others = wanted
        .iter()
        .filter(|object| planned.next_if(|planned| Arc::ptr_eq(planned, object)).is_none());
    outcome.done.extend(others.map(Done::unchanged));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use crate::object::marks::HashKey;
    use crate::object::{AppId, ObjectId};
    use crate::plan::Resource;
    use crate::plan::desired::Settings;
    use crate::plan::desired::resolve;
    use crate::plan::{Kinds, Reach};
    use crate::render::{Content, SourceFile, plain};

    /// Objects of these names; of those in capitals another version.
    fn resolved(names: &str, before: &[Arc<Desired>]) -> Resolved {
        let files = names.chars().map(|name| {
            let text = format!(
                "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: {}}}, data: {{k: {name}}}}}",
                name.to_lowercase()
            );
            SourceFile { path: name.to_string(), content: Content::Read(text.into(), None) }
        });
        let rendered = Arc::new(plain(files.collect()));
        let mut served = Kinds::default();
        let kind = GroupKind::new("", "ConfigMap");
        let (version, plural) = ("v1".to_owned(), "configmaps".to_owned());
        served.insert(Resource { kind, version, plural, namespaced: true, listable: true });
        let (app, key) = (AppId::derived_from("web"), HashKey(vec![1]));
        let settings = Settings { app, key, namespace: "demo".into(), reach: Reach::default() };
        let (wanted, diagnostics) = resolve(&rendered.manifests, &served, &settings, &[]);
        let same = |new: Arc<Desired>| {
            before
                .iter()
                .find(|known| known.id == new.id && known.hash == new.hash)
                .cloned()
                .unwrap_or(new)
        };
        let wanted = wanted.into_iter().map(same).collect();
        Resolved { rendered, settings, wanted, diagnostics }
    }

    #[test]
    fn only_what_is_desired_anew_is_news_unless_something_is_gone() {
        let check = |before: &str, now: &str, news: Option<&str>| {
            let before = Arc::new(resolved(before, &[]));
            let now = resolved(now, &before.wanted);
            let settled = Settled::new(before, &Arc::default(), &Observed::default());
            let found = settled.news(&now);
            let names = |news: Vec<Arc<Desired>>| -> String {
                news.iter().map(|object| object.id.name.as_str()).collect()
            };
            assert_eq!(found.map(names).as_deref(), news);
        };
        check("", "", Some(""));
        check("abc", "abc", Some(""));
        check("abc", "aBc", Some("b"));
        check("bd", "abcde", Some("ace"));
        check("bd", "aBcD", Some("abcd"));
        check("abc", "ab", None);
        check("abc", "ac", None);
        check("abc", "bc", None);
        check("b", "ac", None);
        check("a", "", None);
    }

    #[test]
    fn a_state_holds_until_an_object_would_be_judged_otherwise() {
        let inventory = Arc::new(Inventory::default());
        let mut observed = Observed::default();
        let settled = Settled::new(Arc::new(resolved("a", &[])), &inventory, &observed);
        assert!(settled.holds(&inventory, &observed));
        assert!(!settled.holds(&Arc::new(Inventory::default()), &observed));
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", "a");
        observed.suspects.insert(id);
        assert!(!settled.holds(&inventory, &observed));
        observed.suspects.clear();
        observed.age += 1;
        assert!(!settled.holds(&inventory, &observed));
    }
}
