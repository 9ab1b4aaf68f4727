//! Posts events one after the other, beside the syncing, and no more of them than an API server
//! should bear.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::cluster::events::Event;
use crate::cluster::{ApiError, Cluster};
use crate::object::ObjectId;

/// Events that may wait to be posted.
const QUEUE: usize = 1024;
/// Events on the objects of a namespace that may be posted at once after a quiet time, and per second beyond that:
/// one tenant's fights leave the events of others.
const OBJECTS: (f64, f64) = (25.0, 1.0);
/// The same of events on apps, which are few for each: what many of them share may happen to all at once.
const APPS: (f64, f64) = (1000.0, 10.0);
/// Time in which an event is not told a second time.
const REPEAT: Duration = Duration::from_mins(1);

/// Posts what the publisher hands over.
pub struct Poster {
    cluster: Cluster,
    /// Name of this instance of the daemon.
    instance: String,
    queue: Receiver<Event>,
    /// Whether it was said that we may not.
    said: bool,
}

impl Poster {
    /// A poster, and where to hand it events. Those that it cannot take at once are to be dropped,
    /// since log lines tell all.
    pub fn new(cluster: Cluster, instance: String) -> (Self, Sender<Event>) {
        let (sender, queue) = channel(QUEUE);
        (Self { cluster, instance, queue, said: false }, sender)
    }

    /// Posts until nobody can hand over any more and the queue is empty.
    pub async fn run(mut self) {
        let (start, app) = (Instant::now(), crate::cluster::apps::kind());
        let (mut objects, mut apps) = (Namespaces::default(), Limits::of(APPS));
        while let Some(event) = self.queue.recv().await {
            let is_of_app = event.regarding.id.kind == app;
            let limits = if is_of_app { &mut apps } else { objects.of(&event, start.elapsed()) };
            if !limits.admit(&event, start.elapsed()) {
                let Event { regarding, reason, .. } = &event;
                debug!(object = %regarding.id, reason, "Event not posted: told already, or one too many");
            } else if let Err(error) = self.cluster.post(&event, &self.instance).await {
                self.explain(&event, &error);
            }
        }
    }

    /// A refusal disturbs nothing. That rights are missing is for a person to know, once; anything
    /// else passes by itself.
    fn explain(&mut self, event: &Event, error: &ApiError) {
        if error.code() == 403 && !error.is_ending_namespace() && !self.said {
            self.said = true;
            warn!("Cannot post events, so that only log lines tell: {error}");
        } else {
            let Event { regarding, reason, .. } = event;
            debug!(object = %regarding.id, reason, "Event not posted: {error}");
        }
    }
}

/// The limits of each namespace of which there was news of late.
#[derive(Debug, Default)]
struct Namespaces(BTreeMap<String, Limits>);

impl Namespaces {
    fn of(&mut self, event: &Event, now: Duration) -> &mut Limits {
        self.0.retain(|_, limits| !limits.is_idle(now));
        let namespace = event.regarding.id.namespace.clone();
        self.0.entry(namespace).or_insert_with(|| Limits { at: now, ..Limits::of(OBJECTS) })
    }
}

/// Says which events are too many. Times are since any fixed moment.
#[derive(Debug)]
struct Limits {
    burst: f64,
    rate: f64,
    tokens: f64,
    at: Duration,
    /// What was posted of late.
    posted: Vec<(Duration, Event)>,
}

impl Limits {
    fn of((burst, rate): (f64, f64)) -> Self {
        Self { burst, rate, tokens: burst, at: Duration::ZERO, posted: Vec::new() }
    }

    /// Whether nothing of them matters any more: all may be posted at once again, and nothing is repeated.
    fn is_idle(&self, now: Duration) -> bool {
        let since = now.saturating_sub(self.at);
        since >= REPEAT && self.tokens + since.as_secs_f64() * self.rate >= self.burst
    }

    /// Whether an event may be posted now; it then counts as posted.
    fn admit(&mut self, event: &Event, now: Duration) -> bool {
        let since = now.saturating_sub(self.at).as_secs_f64();
        self.tokens = (self.tokens + since * self.rate).min(self.burst);
        self.at = now;
        self.posted.retain(|(at, _)| now.saturating_sub(*at) < REPEAT);
        if self.tokens < 1.0 || self.posted.iter().any(|(_, posted)| what(posted) == what(event)) {
            return false;
        }
        self.tokens -= 1.0;
        self.posted.push((now, event.clone()));
        true
    }
}

/// What makes two events the same.
fn what(event: &Event) -> (&ObjectId, &str, &str) {
    (&event.regarding.id, event.reason, &event.note)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::events::Regarding;
    use crate::object::GroupKind;
    use jiff::Timestamp;

    fn event(name: &str, note: &str) -> Event {
        let id = ObjectId::new(GroupKind::new("", "ConfigMap"), "demo", name);
        let regarding = Regarding { id, version: "v1".into(), uid: None };
        let (reason, action, note) = ("DriftReverted", "Revert", note.to_owned());
        Event { regarding, reason, action, is_warning: true, note, time: Timestamp::UNIX_EPOCH }
    }

    #[test]
    fn a_burst_passes_and_then_one_a_second() {
        let mut limits = Limits::of(OBJECTS);
        let mut admitted = |prefix: &str, seconds: u64| {
            let events = (0..100).map(|n| event(&format!("{prefix}{n}"), "x"));
            let now = Duration::from_secs(seconds);
            events.filter(|event| limits.admit(event, now)).count()
        };
        assert_eq!(admitted("a", 0), 25);
        assert_eq!(admitted("b", 3), 3);
        assert_eq!(admitted("c", 1000), 25);
    }

    #[test]
    fn each_namespace_has_its_own_limits_for_as_long_as_they_matter() {
        let mut all = Namespaces::default();
        let mut check = |namespace: &str, seconds: u64, expect: usize| {
            let now = Duration::from_secs(seconds);
            let events = (0..100).map(|n| {
                let mut event = event(&format!("{seconds}-{n}"), "x");
                event.regarding.id = event.regarding.id.within(namespace);
                event
            });
            let admitted = events.filter(|event| all.of(event, now).admit(event, now)).count();
            assert_eq!(admitted, expect, "{namespace} at {seconds}");
        };
        check("loud", 0, 25);
        check("quiet", 1, 25);
        check("loud", 1, 1);
        check("loud", 59, 25);
        check("loud", 118, 25);
        check("third", 300, 25);
        assert_eq!(all.0.keys().collect::<Vec<_>>(), ["third"]);
    }

    #[test]
    fn the_same_is_not_told_twice_within_a_minute() {
        let mut limits = Limits::of(OBJECTS);
        let mut check = |name, note, seconds, admitted| {
            let now = Duration::from_secs(seconds);
            assert_eq!(limits.admit(&event(name, note), now), admitted, "{name} {note} {seconds}");
        };
        check("a", "x", 0, true);
        check("a", "x", 59, false);
        check("a", "y", 59, true);
        check("b", "x", 59, true);
        check("a", "x", 60, true);
    }
}
