//! What a pass leaves when everything is in sync: of the same, nothing need be judged again.

use std::sync::{Arc, Weak};

use crate::plan::{Desired, Inventory, Observed, Settings, Step};
use crate::render::{Diagnostic, Rendered};
use crate::report::{Done, Outcome};

/// The desired objects of a source, and what is wrong with them.
pub struct Resolved {
    /// What they were resolved from.
    pub rendered: Arc<Rendered>,
    /// Whose they are.
    pub settings: Settings,
    /// The objects.
    pub wanted: Vec<Arc<Desired>>,
    /// Manifests of kinds that the cluster does not serve or the app may not have, objects out of reach, and
    /// second declarations.
    pub diagnostics: Vec<Diagnostic>,
}

impl Resolved {
    /// Whether there are manifests of kinds that the cluster does not serve, or not yet.
    pub fn lacks_kinds(&self) -> bool {
        self.diagnostics.iter().any(|diagnostic| diagnostic.problem.is_unknown_kind())
    }
}

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

/// Adds the objects that were not planned because they are known to be in sync. What was planned and not reached
/// is none of them.
pub fn add_unchanged(wanted: &[Arc<Desired>], planned: &[Step], outcome: &mut Outcome) {
    let mut planned: Vec<_> = planned.iter().map(|step| &step.desired).collect();
    planned.sort_by(|a, b| a.id.cmp(&b.id));
    let mut planned = planned.into_iter().peekable();
    outcome.done.reserve(wanted.len());
    let others = wanted
        .iter()
        .filter(|object| planned.next_if(|planned| Arc::ptr_eq(planned, object)).is_none());
    outcome.done.extend(others.map(Done::unchanged));
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::object::GroupKind;
    use crate::object::handling::Policy;
    use crate::object::marks::HashKey;
    use crate::object::{AppId, ObjectId};
    use crate::plan::Resource;
    use crate::plan::desired::resolve;
    use crate::plan::steps::steps;
    use crate::plan::{Fights, Kinds, Known, Reach};
    use crate::render::{Content, SourceFile, plain};
    use crate::report::Trigger;

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
        let (common, resources) = (Arc::default(), Arc::default());
        let (namespace, reach) = ("demo".into(), Reach::default());
        let settings = Settings { app, key, namespace, reach, common, resources };
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
    fn what_was_planned_and_not_reached_is_not_unchanged() {
        let wanted = resolved("abc", &[]).wanted;
        let (inventory, observed) = (Arc::default(), Observed::default());
        let (fights, told, claims) = (Fights::default(), BTreeMap::new(), BTreeMap::new());
        let (policy, now) = (Policy::default(), Duration::ZERO);
        let known = Known {
            inventory: &inventory,
            observed: &observed,
            fights: &fights,
            told: &told,
            claims: &claims,
            policy,
            now,
        };
        let planned = steps(&wanted[1..2], &known);
        let mut outcome = Outcome::new(Trigger::Command);
        add_unchanged(&wanted, &planned, &mut outcome);
        let names: String = outcome.done.iter().map(|done| done.desired.id.name.as_str()).collect();
        assert_eq!(names, "ac");
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
