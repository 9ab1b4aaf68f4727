//! Lists an app's objects, metadata only: one paged LIST per kind.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use kube::api::ListParams;
use serde_json::Value;

use super::{ApiError, Cluster, client};
use crate::object::{GroupKind, Live, ObjectId};
use crate::plan::{Kinds, Observed, Resource};

/// Objects per page.
const PAGE: u32 = 500;
/// Kinds listed side by side.
const PARALLEL: usize = 8;

impl Cluster {
    /// Lists the objects of these kinds that match a label selector. A kind that cannot be listed
    /// is reported as unlisted; only an outage fails the whole.
    pub async fn observe(
        &self,
        kinds: &Kinds,
        wanted: BTreeSet<GroupKind>,
        selector: &str,
    ) -> Result<(Observed, Vec<(GroupKind, String)>), ApiError> {
        let list = |kind: GroupKind| async move {
            let listed = match kinds.preferred(&kind) {
                Some(resource) if resource.listable => {
                    self.list(resource, selector).await.map(Some)
                }
                _ => Ok(None),
            };
            (kind, listed)
        };
        let mut listed = stream::iter(wanted).map(list).buffer_unordered(PARALLEL);
        let (mut observed, mut problems) = (Observed::default(), Vec::new());
        while let Some((kind, objects)) = listed.next().await {
            match objects {
                Ok(Some(objects)) => observed.live.extend(objects),
                Ok(None) => {
                    problems.push((kind.clone(), "the cluster cannot list it".to_owned()));
                    observed.unlisted.insert(kind);
                }
                Err(error) if error.is_outage() => return Err(error),
                Err(error) => {
                    problems.push((kind.clone(), error.to_string()));
                    observed.unlisted.insert(kind);
                }
            }
        }
        Ok((observed, problems))
    }

    async fn list(
        &self,
        resource: &Resource,
        selector: &str,
    ) -> Result<Vec<(ObjectId, Live)>, ApiError> {
        let requests = kube::core::Request::new(client::path(resource, ""));
        let mut params = ListParams::default().labels(selector).limit(PAGE);
        let mut objects = Vec::new();
        loop {
            let request = requests.list_metadata(&params).map_err(ApiError::BadRequest)?;
            let (_, page) = self.send("list", request).await?;
            let items = page["items"].as_array().into_iter().flatten();
            objects.extend(items.map(|item| (identify(resource, item), Live::from(item))));
            match page["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => params = params.continue_token(token),
                _ => return Ok(objects),
            }
        }
    }
}

fn identify(resource: &Resource, item: &Value) -> ObjectId {
    let text = |key: &str| item["metadata"][key].as_str().unwrap_or_default();
    ObjectId::new(resource.kind.clone(), text("namespace"), text("name"))
}
