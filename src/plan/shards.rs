//! How an inventory is divided among Secrets: none holds more than 1 MiB, and a small change is to cost a
//! small write.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, BufWriter, Read};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, Crc};
use serde::{Deserialize, Serialize};

use super::inventory::{Abandoned, Accepted, Entry, SourceIdentity};
use super::{Inventory, Lookup};
use crate::object::{AppId, ObjectId};

/// Objects of one shard, on average, beyond which there are more shards.
const FULL: usize = 2000;
/// Shards that are read at most: one that says more is damaged.
const SHARDS_MAX: usize = 1 << 12;
/// Bytes of a shard that are read at most; a Secret holds 1 MiB compressed.
const DECODED_LIMIT: u64 = 64 << 20;

/// Type of the Secrets that hold what is remembered.
pub const SECRET_TYPE: &str = "gitops-sync.dev/state";
/// Name of the Secret with the hash key.
pub const KEY: &str = "gitops-sync-key";
/// Before the app's name in the name of its inventory's Secret, which holds the first shard.
pub const INVENTORY: &str = "gitops-sync-inventory-";
/// Before number and app's name in those of the others.
const OTHER: &str = "gitops-sync-shard-";

/// The name of a shard's Secret.
pub fn name(app: &AppId, number: usize) -> String {
    match number {
        0 => format!("{INVENTORY}{app}"),
        number => format!("{OTHER}{number}-{app}"),
    }
}

/// Whether an object is one of the Secrets that the daemon of a namespace keeps for itself.
pub fn is_state(id: &ObjectId, own_namespace: &str) -> bool {
    let is_its = |name: &str| name == KEY || name.starts_with(INVENTORY) || name.starts_with(OTHER);
    id.kind.is("", "Secret") && id.namespace == own_namespace && is_its(&id.name)
}

/// A shard as it is stored. The first one also holds what concerns the whole app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<SourceIdentity>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    accepted: Option<Accepted>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    cluster: String,
    /// Number of shards, 0 in those that are not the first. Inventories of old have one and do not say it.
    #[serde(default)]
    shards: usize,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    abandoned: Vec<Abandoned>,
    entries: Vec<(ObjectId, Entry)>,
}

impl Shard {
    /// Number of shards of the app, told by its first one.
    pub fn shards(&self) -> usize {
        self.shards.clamp(1, SHARDS_MAX)
    }

    /// The cluster that the app's objects are in, told by its first one.
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// Whether it has an object, or may have it once another app gives it up.
    pub fn has(&self, id: &ObjectId) -> bool {
        self.entries.iter().any(|(known, entry)| known == id && !entry.refused)
    }

    /// Compressed for storage.
    pub fn encode(&self) -> std::io::Result<Vec<u8>> {
        let encoder = GzEncoder::new(Vec::new(), Compression::default());
        let mut text = BufWriter::new(encoder);
        serde_json::to_writer(&mut text, self)?;
        text.into_inner()?.finish()
    }

    /// Reads what [`Shard::encode`] wrote.
    pub fn decode(bytes: &[u8]) -> std::io::Result<Self> {
        let text = BufReader::new(GzDecoder::new(bytes).take(DECODED_LIMIT));
        Ok(serde_json::from_reader(text)?)
    }
}

/// The shards that are written, in rounds: each round is stored before the next one begins, so that
/// wherever it is cut off, what is stored lacks nothing.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Writes {
    /// Number of shards afterwards; they never become fewer.
    pub shards: usize,
    /// Numbers of the shards to write.
    pub rounds: Vec<Vec<usize>>,
}

/// What is to be written to turn the inventory of so many shards (0 for none) into another. `surplus` are
/// shards that hold what is no longer theirs.
pub fn writes(
    before: &Inventory,
    number: usize,
    after: &Inventory,
    surplus: &BTreeSet<usize>,
) -> Writes {
    let shards = after.entries.len().div_ceil(FULL).next_power_of_two().max(number);
    if shards > number {
        // New ones first; then the first one tells of them; then the others let go what moved.
        let rounds = [(number.max(1)..shards).collect(), vec![0], (1..number.max(1)).collect()];
        return Writes { shards, rounds: rounds.into_iter().filter(|r| !r.is_empty()).collect() };
    }
    let mut changed: BTreeSet<usize> = surplus.clone();
    changed.extend(differing(before, after).map(|id| place(id, shards)));
    if (&before.source, &before.commit, &before.accepted, &before.cluster, &before.abandoned)
        != (&after.source, &after.commit, &after.accepted, &after.cluster, &after.abandoned)
    {
        changed.insert(0);
    }
    let rounds = (!changed.is_empty()).then(|| changed.into_iter().collect());
    Writes { shards, rounds: rounds.into_iter().collect() }
}

/// The shard of this number.
pub fn shard(inventory: &Inventory, number: usize, shards: usize) -> Shard {
    let own = inventory.entries.iter().filter(|(id, _)| place(id, shards) == number);
    let entries = own.map(|(id, entry)| (id.clone(), entry.clone())).collect();
    let Inventory { source, commit, accepted, cluster, abandoned, .. } = inventory;
    match number {
        0 => Shard {
            source: source.clone(),
            commit: commit.clone(),
            accepted: accepted.clone(),
            cluster: cluster.clone(),
            shards,
            abandoned: abandoned.clone(),
            entries,
        },
        _ => Shard { entries, ..Shard::default() },
    }
}

/// The inventory that shards make, and those of them that hold what is no longer theirs. A shard that is
/// missing is empty.
pub fn join(shards: Vec<Shard>) -> (Inventory, BTreeSet<usize>) {
    let number = shards.len();
    let (mut inventory, mut surplus) = (Inventory::default(), BTreeSet::new());
    let mut misplaced = BTreeMap::new();
    for (at, shard) in shards.into_iter().enumerate() {
        if at == 0 {
            inventory.source = shard.source;
            inventory.commit = shard.commit;
            inventory.accepted = shard.accepted;
            inventory.cluster = shard.cluster;
            inventory.abandoned = shard.abandoned;
        }
        for (id, entry) in shard.entries {
            if place(&id, number) == at {
                inventory.entries.insert(id, entry);
            } else {
                surplus.insert(at);
                misplaced.insert(id, entry);
            }
        }
    }
    for (id, entry) in misplaced {
        inventory.entries.entry(id).or_insert(entry);
    }
    (inventory, surplus)
}

/// The number of an object's shard. With twice as many shards, objects stay or move to a new one.
pub fn place(id: &ObjectId, shards: usize) -> usize {
    let mut crc = Crc::new();
    for part in [&id.kind.group, &id.kind.kind, &id.namespace, &id.name] {
        crc.update(part.as_bytes());
        crc.update(b"/");
    }
    crc.sum() as usize % shards.max(1)
}

/// The objects that two inventories do not say the same of.
fn differing<'a>(
    before: &'a Inventory,
    after: &'a Inventory,
) -> impl Iterator<Item = &'a ObjectId> {
    let (mut then, mut now) = (Lookup::new(&before.entries), Lookup::new(&after.entries));
    let new = after.entries.iter().filter(move |(id, entry)| then.get(id) != Some(*entry));
    let gone = before.entries.keys().filter(move |id| now.get(id).is_none());
    new.map(|(id, _)| id).chain(gone)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::GroupKind;
    use proptest::prelude::*;

    fn id(n: usize) -> ObjectId {
        ObjectId::new(GroupKind::new("g", "K"), "n", &format!("x{n}"))
    }

    fn inventory(objects: impl IntoIterator<Item = usize>, version: &str) -> Inventory {
        let entry = Entry { version: version.into(), ..Entry::default() };
        let entries = objects.into_iter().map(|n| (id(n), entry.clone())).collect();
        let source = Some(SourceIdentity { url: "https://x/y".into(), path: "p".into() });
        let (commit, cluster) = (Some(version.into()), "https://a.example".to_owned());
        let accepted = commit.clone().map(|commit| Accepted { url: cluster.clone(), commit });
        Inventory { source, commit, accepted, cluster, entries, abandoned: Vec::new() }
    }

    /// Carries out so many of the writes that turn `before` into `after`.
    fn store(secrets: &mut Vec<Shard>, before: &Inventory, after: &Inventory, mut steps: usize) {
        let writes = writes(before, secrets.len(), after, &BTreeSet::new());
        for number in writes.rounds.into_iter().flatten() {
            if steps == 0 {
                return;
            }
            secrets.resize(secrets.len().max(number + 1), Shard::default());
            secrets[number] = shard(after, number, writes.shards);
            steps -= 1;
        }
    }

    /// What is loaded: as many shards as the first one says.
    fn load(secrets: &[Shard]) -> (Inventory, BTreeSet<usize>) {
        let number = secrets.first().map_or(0, Shard::shards);
        join(secrets.iter().take(number).cloned().collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn an_inventory_survives_storage_in_shards_wherever_it_is_cut_off(
            first in 0_usize..9000, second in 0_usize..9000, steps in 0_usize..12,
        ) {
            let (before, after) = (inventory(0..first, "1"), inventory(0..first.max(second), "2"));
            let mut secrets = Vec::new();
            store(&mut secrets, &Inventory::default(), &before, usize::MAX);
            prop_assert_eq!(&load(&secrets).0, &before);
            store(&mut secrets, &before, &after, steps);
            let cut = load(&secrets).0;
            prop_assert!(before.entries.keys().all(|id| cut.entries.contains_key(id)));
        }
    }

    #[test]
    fn a_shard_survives_storage_and_a_damaged_one_is_an_error() {
        let shard = shard(&inventory(0..50, "v1"), 0, 1);
        assert_eq!(Shard::decode(&shard.encode().unwrap()).unwrap(), shard);
        assert!(Shard::decode(b"").is_err());
        assert!(Shard::decode(b"nonsense").is_err());
    }

    #[test]
    fn a_small_change_is_a_small_write_and_growth_loses_nothing() {
        let check = |before: &Inventory, number, after: &Inventory, shards, rounds: &[&[usize]]| {
            let writes = writes(before, number, after, &BTreeSet::new());
            assert_eq!(writes.shards, shards);
            assert_eq!(writes.rounds, rounds);
        };
        let (none, few, many) = (inventory([], "v"), inventory(0..5, "v"), inventory(0..3000, "v"));
        check(&none, 0, &none, 1, &[&[0]]);
        check(&none, 0, &few, 1, &[&[0]]);
        check(&few, 1, &few, 1, &[]);
        check(&none, 0, &many, 2, &[&[1], &[0]]);
        check(&many, 2, &inventory(0..5000, "v"), 4, &[&[2, 3], &[0], &[1]]);
        check(&many, 2, &few, 2, &[&[0, 1]]);
        let mut one = many.clone();
        one.entries.remove(&id(7));
        check(&many, 2, &one, 2, &[&[place(&id(7), 2)]]);
        let moved = Inventory { commit: Some("w".into()), ..many.clone() };
        check(&many, 2, &moved, 2, &[&[0]]);
    }

    #[test]
    fn what_is_no_longer_theirs_is_found_in_shards() {
        let all = inventory(0..10, "v");
        let own = |number| shard(&all, number, 2);
        let whole = Shard { shards: 2, ..shard(&all, 0, 1) };
        assert_eq!(join(vec![own(0), own(1)]), (all.clone(), BTreeSet::new()));
        assert_eq!(join(vec![whole, own(1)]), (all.clone(), BTreeSet::from([0])));
    }
}
