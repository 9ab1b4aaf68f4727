//! Replicas on a simulated clock and a simulated API server, with kills, pauses, joins, releases, lost and late
//! requests: never two writers of one app, and soon one of each.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::members::Members;
use super::share::owner;
use super::{Share, Terms};
use crate::cluster::lease::Lease;
use crate::object::AppId;

/// One step of simulated time, in milliseconds.
const TICK: usize = 50;
/// How long everything goes wrong, and how long nothing does afterwards.
const CHAOS: u64 = 90_000;
const CALM: u64 = 45_000;
/// From then on each app has to have a writer: a Lease's duration until the dead are given up, another one for
/// who waits to be seen, and some requests.
const SETTLED: u64 = 30_000;
/// The longest time that a write is on its way: a little less than the margin, for clocks differ.
const LONGEST_WRITE: u64 = 1_900;
/// When a request counts as failed.
const ATTEMPT: u64 = 2_500;

#[derive(Clone, Debug)]
enum Request {
    Get,
    Write(Lease),
    List,
}

#[derive(Debug)]
enum Answer {
    Got(Option<Lease>),
    Written(Option<Lease>),
    Listed(Vec<Lease>),
}

/// A request that a replica waits for.
struct Pending {
    id: u64,
    sent: u64,
    /// When the answer arrives, once the server has made it; never, if it is lost.
    answer: Option<(u64, Answer)>,
}

struct Replica {
    members: Members,
    name: String,
    /// Its clock: where it began, and how fast it runs.
    clock: (Instant, f64),
    version: Option<String>,
    pending: Option<Pending>,
    next: u64,
    paused_until: u64,
    cut_off_until: u64,
    /// Until when its lists fail, and its renewals do not.
    blind_until: u64,
    /// Until when a write is on its way, and for which apps one is.
    busy_until: u64,
    busy_with: Vec<usize>,
    is_released: bool,
}

impl Replica {
    fn new(number: u64, random: &mut StdRng, now: u64) -> Self {
        let name = format!("replica-{number}");
        let start = Instant::now() + Duration::from_secs(random.random_range(0..1_000));
        let clock = (start, random.random_range(0.999..1.001));
        Self {
            members: Members::new(name.clone(), Terms::default()),
            name,
            clock,
            version: Some(String::new()),
            pending: None,
            next: now,
            paused_until: 0,
            cut_off_until: 0,
            blind_until: 0,
            busy_until: 0,
            busy_with: Vec::new(),
            is_released: false,
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "some minutes")]
    fn local(&self, now: u64) -> Instant {
        self.clock.0 + Duration::from_secs_f64(now as f64 * self.clock.1 / 1000.0)
    }

    /// Takes in what has arrived, and says what it sends now.
    fn step(&mut self, now: u64, apps: &[AppId]) -> Option<Request> {
        if let Some(pending) = self.pending.take() {
            match pending.answer {
                Some((at, answer)) if at <= now => {
                    return self.take(answer, pending.sent, now, apps);
                }
                _ if now >= pending.sent + ATTEMPT => {
                    self.version = None;
                    self.next = now + 500;
                }
                answer => self.pending = Some(Pending { answer, ..pending }),
            }
            return None;
        }
        if now < self.next {
            return None;
        }
        self.next = now + 2_000;
        Some(self.renewal(now, apps))
    }

    /// Whether no write is on its way for what is another's by now.
    fn is_quiet(&self, now: u64, apps: &[AppId]) -> bool {
        let share = self.share(now).unwrap_or(Share::Nothing);
        now >= self.busy_until
            || self.busy_with.iter().all(|app| share.until(&apps[*app]).is_some())
    }

    fn renewal(&mut self, now: u64, apps: &[AppId]) -> Request {
        let is_quiet = self.is_quiet(now, apps);
        let Some(version) = self.version.clone() else { return Request::Get };
        let (transitions, sees) = self.members.renewing(self.local(now), is_quiet);
        let (name, duration) = (self.name.clone(), Terms::default().duration);
        let holder = if self.is_released { String::new() } else { name.clone() };
        Request::Write(Lease {
            name,
            version,
            holder,
            duration,
            transitions,
            sees,
            ..Lease::default()
        })
    }

    fn take(&mut self, answer: Answer, sent: u64, now: u64, apps: &[AppId]) -> Option<Request> {
        let (sent, here) = (self.local(sent), self.local(now));
        match answer {
            Answer::Got(lease) => {
                self.version = Some(lease.map(|lease| lease.version).unwrap_or_default());
                Some(self.renewal(now, apps))
            }
            Answer::Written(None) => {
                self.version = None;
                self.next = now;
                None
            }
            Answer::Written(Some(lease)) => {
                self.version = Some(lease.version);
                self.members.renewed(sent, here);
                Some(Request::List)
            }
            Answer::Listed(leases) => {
                self.members.listed(leases, sent, here);
                if self.members.is_behind() {
                    self.next = now + 100;
                }
                None
            }
        }
    }

    /// What it would send writes for now.
    fn share(&self, now: u64) -> Option<Share> {
        let share = Some(self.members.share()).filter(|_| !self.is_released);
        let is_on =
            |share: &Share| matches!(share, Share::Part { until, .. } if self.local(now) < *until);
        share.filter(is_on)
    }
}

#[derive(Default)]
struct Server {
    leases: BTreeMap<String, Lease>,
    version: u64,
}

impl Server {
    fn answer(&mut self, name: &str, request: Request) -> Answer {
        match request {
            Request::Get => Answer::Got(self.leases.get(name).cloned()),
            Request::List => Answer::Listed(self.leases.values().cloned().collect()),
            Request::Write(lease) => {
                let stored = self.leases.get(name).map(|lease| lease.version.as_str());
                if stored.unwrap_or_default() != lease.version {
                    return Answer::Written(None);
                }
                self.version += 1;
                let lease = Lease { version: self.version.to_string(), ..lease };
                self.leases.insert(name.to_owned(), lease.clone());
                Answer::Written(Some(lease))
            }
        }
    }
}

struct World {
    random: StdRng,
    replicas: Vec<Replica>,
    server: Server,
    /// What is on its way to the server: when it arrives, from whom, which one, and how long the answer takes.
    requests: Vec<(u64, String, u64, Request, Option<u64>)>,
    number: u64,
    apps: Vec<AppId>,
    /// Writes of the dead: until when, and for which apps.
    ghosts: Vec<(u64, Vec<usize>)>,
    /// Whose they are among which replicas: hashing takes its time.
    owners: BTreeMap<BTreeSet<String>, Vec<Option<String>>>,
    /// How often something happens to some replica.
    trouble: f64,
}

impl World {
    fn new(seed: u64) -> Self {
        let app = |n| format!("app-{n}").parse::<AppId>().unwrap();
        let (mut random, server) = (StdRng::seed_from_u64(seed), Server::default());
        let (apps, trouble) = ((0..4).map(app).collect(), random.random_range(0.0..0.01));
        Self {
            random,
            replicas: Vec::new(),
            server,
            requests: Vec::new(),
            number: 0,
            apps,
            ghosts: Vec::new(),
            owners: BTreeMap::new(),
            trouble,
        }
    }

    fn join(&mut self, now: u64) {
        self.number += 1;
        self.replicas.push(Replica::new(self.number, &mut self.random, now));
    }

    /// Something happens to some replica.
    fn disturb(&mut self, now: u64) {
        if self.replicas.len() < 2 || self.replicas.len() < 5 && self.random.random_bool(0.004) {
            self.join(now);
        }
        if !self.random.random_bool(self.trouble) {
            return;
        }
        let at = self.random.random_range(0..self.replicas.len());
        let until = now + self.random.random_range(0..25_000);
        let replica = &mut self.replicas[at];
        match self.random.random_range(0..100) {
            0..10 => {
                let killed = self.replicas.swap_remove(at);
                self.ghosts.push((killed.busy_until, killed.busy_with));
            }
            // Not before its last write has ended.
            10..15 if now >= replica.busy_until => {
                (replica.is_released, replica.next) = (true, now);
            }
            15..20 => self.sweep(),
            20..45 => replica.paused_until = until,
            45..70 => replica.cut_off_until = until,
            _ => replica.blind_until = until,
        }
    }

    /// A replica sends writes for what is its own.
    fn write(&mut self, at: usize, now: u64) {
        if now >= self.replicas[at].busy_until && self.random.random_bool(0.05) {
            let apps = self.owned(at, now);
            let replica = &mut self.replicas[at];
            replica.busy_until = now + self.random.random_range(0..LONGEST_WRITE);
            replica.busy_with = apps;
        }
    }

    /// Removes the Leases of the dead.
    fn sweep(&mut self) {
        let is_alive = |name: &String| self.replicas.iter().any(|replica| replica.name == *name);
        self.server.leases.retain(|name, _| is_alive(name));
    }

    fn send(&mut self, at: usize, request: Request, now: u64, is_chaos: bool) {
        let replica = &mut self.replicas[at];
        let random = &mut self.random;
        let is_blind = now < replica.blind_until && matches!(request, Request::List);
        let mut delay = || -> Option<u64> {
            let long = is_chaos && random.random_bool(0.02);
            let lost =
                is_chaos && (random.random_bool(0.02) || now < replica.cut_off_until || is_blind);
            let delay = if long { 20_000 } else { 200 };
            (!lost).then(|| random.random_range(0..delay))
        };
        let (there, back) = (delay(), delay());
        self.number += 1;
        replica.pending = Some(Pending { id: self.number, sent: now, answer: None });
        if let Some(there) = there {
            self.requests.push((now + there, replica.name.clone(), self.number, request, back));
        }
    }

    fn tick(&mut self, now: u64, is_chaos: bool) {
        if is_chaos {
            self.disturb(now);
        }
        let (due, later) = std::mem::take(&mut self.requests)
            .into_iter()
            .partition::<Vec<_>, _>(|(at, ..)| *at <= now);
        self.requests = later;
        for (_, name, id, request, back) in due {
            let answer = self.server.answer(&name, request);
            let waits = |replica: &&mut Replica| {
                replica.name == name && replica.pending.as_ref().is_some_and(|p| p.id == id)
            };
            if let (Some(replica), Some(back)) = (self.replicas.iter_mut().find(waits), back) {
                replica.pending.iter_mut().for_each(|p| p.answer = None);
                let pending = replica.pending.take();
                replica.pending =
                    pending.map(|p| Pending { answer: Some((now + back, answer)), ..p });
            }
        }
        for at in 0..self.replicas.len() {
            if is_chaos && now < self.replicas[at].paused_until {
                continue;
            }
            self.write(at, now);
            if let Some(request) = self.replicas[at].step(now, &self.apps) {
                self.send(at, request, now, is_chaos);
            }
        }
        let released =
            |name: &String| self.server.leases.get(name).is_some_and(|l| l.holder.is_empty());
        self.replicas.retain(|replica| !replica.is_released || !released(&replica.name));
    }

    /// The apps that a replica would write now.
    fn owned(&mut self, at: usize, now: u64) -> Vec<usize> {
        let Some(Share::Part { me, replicas, .. }) = self.replicas[at].share(now) else {
            return Vec::new();
        };
        let owner = |app| owner(app, &replicas).map(str::to_owned);
        let owners = self.owners.entry(replicas.clone());
        let owners = owners.or_insert_with(|| self.apps.iter().map(owner).collect());
        let owned = owners.iter().enumerate().filter(|(_, owner)| owner.as_ref() == Some(&me));
        owned.map(|(app, _)| app).collect()
    }

    /// How many write each app, or have a write for it on its way.
    fn writers(&mut self, now: u64) -> Vec<usize> {
        let mut writers = vec![0; self.apps.len()];
        for at in 0..self.replicas.len() {
            let mut apps: BTreeSet<_> = self.owned(at, now).into_iter().collect();
            let replica = &self.replicas[at];
            if now < replica.busy_until {
                apps.extend(&replica.busy_with);
            }
            for app in apps {
                writers[app] += 1;
            }
        }
        for (_, apps) in self.ghosts.iter().filter(|(until, _)| now < *until) {
            for app in apps {
                writers[*app] += 1;
            }
        }
        writers
    }
}

/// Runs a world, and says for which part of its time an app had a writer while everything went wrong.
fn run(seed: u64) -> Result<f64, TestCaseError> {
    let mut world = World::new(seed);
    let (mut written, mut all) = (0_u32, 0_u32);
    for now in (0..CHAOS + CALM).step_by(TICK) {
        let is_chaos = now < CHAOS;
        world.tick(now, is_chaos);
        for writers in world.writers(now) {
            prop_assert!(writers <= 1, "two writers at {now} ms");
            if is_chaos {
                (written, all) = (written + u32::from(writers == 1), all + 1);
            }
            prop_assert!(writers == 1 || now < CHAOS + SETTLED, "no writer at {now} ms");
        }
    }
    Ok(f64::from(written) / f64::from(all))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_app_ever_has_two_writers_and_each_soon_has_one(seed: u64) {
        run(seed)?;
    }
}

/// The property holds of replicas that never write as well.
#[test]
fn even_while_everything_goes_wrong_apps_are_mostly_written() {
    let parts: Vec<f64> = (0..20).map(|seed| run(seed).unwrap()).collect();
    let mean = parts.iter().sum::<f64>() / 20.0;
    assert!(mean > 0.5, "{mean} {parts:?}");
}

/// How long a lone replica, and one that joins, have to wait where nothing goes wrong.
#[test]
fn who_is_seen_by_all_waits_for_nothing_else() {
    let mut world = World::new(1);
    world.join(0);
    let is_member = |world: &World, at: usize| world.replicas[at].members.share() != Share::Nothing;
    for now in (0..1_000).step_by(50) {
        world.tick(now, false);
    }
    assert!(is_member(&world, 0), "alone");
    world.join(1_000);
    for now in (1_000..6_000).step_by(50) {
        world.tick(now, false);
    }
    assert!(is_member(&world, 1), "seen by the other");
}
