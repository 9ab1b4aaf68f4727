//! What holds back an app that depends on others.

use std::collections::BTreeMap;
use std::fmt;

use crate::api::repository::RepoAddress;
use crate::object::AppId;

/// What the apps say of themselves.
pub type States = BTreeMap<AppId, State>;

/// What an app says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The repository and what of it is followed: apps of one revision see a commit together.
    pub source: (RepoAddress, String),
    /// The commit that was applied last.
    pub applied: Option<String>,
    /// Whether it tries none.
    pub is_idle: bool,
    /// Whether the app is ready, as it is wanted now.
    pub is_ready: bool,
    /// The apps that it depends on.
    pub depends_on: Vec<AppId>,
}

/// Why an app has to wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blocked {
    /// There is no such app.
    Missing(AppId),
    /// The app is not ready.
    NotReady(AppId),
    /// The app is ready, but has yet to apply the commit.
    Behind(AppId),
    /// The apps wait for each other.
    Cycle(Vec<AppId>),
}

impl fmt::Display for Blocked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(app) => write!(f, "there is no app {app}"),
            Self::NotReady(app) => write!(f, "{app} is not ready"),
            Self::Behind(app) => write!(f, "{app} has yet to apply this commit"),
            Self::Cycle(apps) => {
                let names: Vec<_> = apps.iter().map(AppId::as_str).collect();
                write!(f, "apps depend on each other: {}", names.join(" -> "))
            }
        }
    }
}

/// Why an app may not apply a commit yet.
pub fn blocked(states: &States, app: &AppId, commit: Option<&str>) -> Option<Blocked> {
    let own = states.get(app)?;
    if let Some(cycle) = cycle(states, app) {
        return Some(Blocked::Cycle(cycle));
    }
    own.depends_on.iter().find_map(|other| {
        let Some(state) = states.get(other) else { return Some(Blocked::Missing(other.clone())) };
        let is_behind = state.source == own.source && state.applied.as_deref() != commit;
        match state.is_ready {
            false => Some(Blocked::NotReady(other.clone())),
            true if is_behind && commit.is_some() => Some(Blocked::Behind(other.clone())),
            true => None,
        }
    })
}

/// Whether another app of the same revision has yet to apply a commit: it may declare what left this one by it. One
/// that cannot apply it may not even have read what it declares.
pub fn are_behind(states: &States, app: &AppId, commit: &str) -> bool {
    let Some(own) = states.get(app) else { return false };
    let others = states.iter().filter(|(other, _)| *other != app);
    let mut others = others.filter(|(_, state)| state.source == own.source && !state.is_idle);
    others.any(|(_, state)| state.applied.as_deref() != Some(commit))
}

/// The way from an app along what it depends on back to itself, if there is one.
fn cycle(states: &States, start: &AppId) -> Option<Vec<AppId>> {
    let mut came_from: BTreeMap<&AppId, &AppId> = BTreeMap::new();
    let mut open = vec![start];
    while let Some(app) = open.pop() {
        for next in states.get(app).into_iter().flat_map(|state| &state.depends_on) {
            if next == start {
                return Some(way(&came_from, start, app));
            }
            if !came_from.contains_key(next) {
                came_from.insert(next, app);
                open.push(next);
            }
        }
    }
    None
}

fn way(came_from: &BTreeMap<&AppId, &AppId>, start: &AppId, end: &AppId) -> Vec<AppId> {
    let mut way = vec![start.clone()];
    let mut app = end;
    while app != start {
        way.push(app.clone());
        match came_from.get(app) {
            Some(before) => app = before,
            None => break,
        }
    }
    way.push(start.clone());
    way.reverse();
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: char) -> AppId {
        name.to_string().parse().unwrap()
    }

    /// `a:bc` depends on b and c; `A` is ready.
    fn states(apps: &str) -> States {
        let mut states = States::new();
        for text in apps.split_whitespace() {
            let (name, depends_on) = text.split_once(':').unwrap();
            let name = name.chars().next().unwrap();
            let state = State {
                source: (RepoAddress::of("https://git.example/repo"), "main".into()),
                applied: Some("old".into()),
                is_ready: name.is_ascii_uppercase(),
                is_idle: false,
                depends_on: depends_on.chars().map(app).collect(),
            };
            states.insert(app(name.to_ascii_lowercase()), state);
        }
        states
    }

    #[test]
    fn others_are_behind_until_they_have_applied_the_commit() {
        let check = |change: &dyn Fn(&mut State), commit: &str, expect: bool| {
            let mut states = states("a: b:");
            change(states.get_mut(&app('b')).unwrap());
            assert_eq!(are_behind(&states, &app('a'), commit), expect);
        };
        check(&|_| {}, "old", false);
        check(&|_| {}, "new", true);
        check(&|b| b.applied = None, "old", true);
        check(&|b| b.applied = Some("new".into()), "new", false);
        check(&|b| b.is_idle = true, "new", false);
        check(&|b| b.source.1 = "other".into(), "new", false);
        check(&|b| b.source.0 = RepoAddress::of("https://git.example/other"), "new", false);
        check(&|b| b.source.0 = RepoAddress::of("git@git.example:repo.git"), "new", true);
        assert!(!are_behind(&states("a:"), &app('a'), "new"));
        assert!(!are_behind(&states("b:"), &app('a'), "new"));
    }

    #[test]
    fn an_app_waits_for_what_it_depends_on() {
        let check = |apps: &str, commit: Option<&str>, expect: Option<&str>| {
            let found = blocked(&states(apps), &app('a'), commit);
            assert_eq!(found.map(|blocked| blocked.to_string()).as_deref(), expect, "{apps}");
        };
        check("a:", None, None);
        check("a: B:", Some("new"), None);
        check("a:b", None, Some("there is no app b"));
        check("a:b b:", None, Some("b is not ready"));
        check("a:b B:", None, None);
        check("a:b B:", Some("old"), None);
        check("a:b B:", Some("new"), Some("b has yet to apply this commit"));
        check("a:bc B: c:", Some("old"), Some("c is not ready"));
        check("a:a", None, Some("apps depend on each other: a -> a"));
        check("a:b B:a", None, Some("apps depend on each other: a -> b -> a"));
        check("a:b B:cd C: D:a", None, Some("apps depend on each other: a -> b -> d -> a"));
        // What waits for a cycle is in none.
        check("a:b b:c c:b", None, Some("b is not ready"));
    }
}
