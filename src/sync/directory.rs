//! The apps of this process, for those who look at them from outside: states to show, and how to wake them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use super::relay::Address;
use crate::cluster::Fence;
use crate::object::AppId;
use crate::report::AppStatus;

/// The apps of this process.
#[derive(Clone, Default)]
pub struct Directory(Arc<Mutex<BTreeMap<AppId, Listing>>>);

/// An app, as it is seen from outside.
#[derive(Clone)]
pub struct Listing {
    /// Its state.
    pub status: watch::Receiver<AppStatus>,
    /// URL of its repository.
    pub url: String,
    /// What of the repository it follows.
    pub revision: String,
    /// Wakes it.
    pub wake: Arc<Notify>,
    /// Open while this replica writes it.
    pub fence: Arc<Fence>,
    /// Where another one hears of pushes.
    pub address: Address,
}

impl Directory {
    /// Adds an app, or changes what is known of it.
    pub fn insert(&self, app: AppId, listing: Listing) {
        self.apps().insert(app, listing);
    }

    /// Takes out an app that is gone.
    pub fn remove(&self, app: &AppId) {
        self.apps().remove(app);
    }

    /// All apps, in the order of their names.
    pub fn all(&self) -> Vec<Listing> {
        self.apps().values().cloned().collect()
    }

    fn apps(&self) -> MutexGuard<'_, BTreeMap<AppId, Listing>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
