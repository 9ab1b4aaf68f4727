//! Watches the objects of one scope: metadata only, but for kinds that say how they fare. Each is reduced to what
//! it is judged by.

use std::ops::ControlFlow;
use std::sync::Arc;

use serde_json::Value;

use super::follow::Sight;
use super::list::{Content, Target};
use super::{ApiError, Cluster};
use crate::health;
use crate::object::{Live, ObjectId};
use crate::plan::Resource;
use crate::plan::observed::{Blind, Sighting};

impl Cluster {
    /// Watches a kind's objects in one namespace or (empty) in all that match a label selector until
    /// `listen` breaks.
    pub async fn watch(
        self,
        resource: Resource,
        namespace: String,
        selector: String,
        mut listen: impl FnMut(Sighting) -> ControlFlow<()> + Send,
    ) {
        let kind = resource.kind.clone();
        let is_whole = health::is_watched(&kind);
        let reduce = move |item: &Value| {
            let text = |key: &str| item["metadata"][key].as_str().unwrap_or_default();
            let id = ObjectId::new(kind.clone(), text("namespace"), text("name"));
            let health = is_whole.then(|| health::health(&kind, item));
            (id, Arc::new(Live { health, ..Live::from(item) }))
        };
        let content = if is_whole { Content::Whole } else { Content::Metadata };
        let (labels, fields) = (selector, String::new());
        let target = Target { resource, namespace, labels, fields, content };
        self.follow(target, reduce, |sight| listen(sighting(sight))).await;
    }
}

fn sighting(sight: Sight<(ObjectId, Arc<Live>)>) -> Sighting {
    match sight {
        Sight::Listed(objects) => Sighting::Listed(objects),
        Sight::Seen((id, live)) => Sighting::Seen(id, live),
        Sight::Gone((id, live)) => Sighting::Gone(id, live.resource_version.clone()),
        Sight::Lost(error) => Sighting::Lost(blind(&error)),
    }
}

fn blind(error: &ApiError) -> Blind {
    let (why, is_outage, is_passing) = (error.to_string(), error.is_outage(), error.is_passing());
    Blind { why, is_outage, is_passing }
}
