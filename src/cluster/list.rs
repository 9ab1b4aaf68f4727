//! Lists the objects of a kind, page by page.

use kube::api::ListParams;
use serde_json::Value;

use super::{ApiError, Cluster, client};
use crate::plan::Resource;

/// Objects per page of metadata, and of whole objects.
const PAGES: (u32, u32) = (500, 100);

/// What is read of each object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// Its metadata.
    Metadata,
    /// All of it.
    Whole,
}

/// Which objects are listed or followed.
#[derive(Clone, Debug)]
pub struct Target {
    /// Their kind.
    pub resource: Resource,
    /// Their namespace, empty for all.
    pub namespace: String,
    /// Selector of their labels, empty for any.
    pub labels: String,
    /// Selector of their fields, empty for any.
    pub fields: String,
    /// What is read of each.
    pub content: Content,
}

impl Target {
    /// The objects of a kind in a namespace, or (empty) in all.
    pub fn of(resource: &Resource, namespace: &str, content: Content) -> Self {
        let (labels, fields) = (String::new(), String::new());
        Self {
            resource: resource.clone(),
            namespace: namespace.to_owned(),
            labels,
            fields,
            content,
        }
    }
}

impl Cluster {
    /// Shows `see` each object that is selected. Returns the version of the list. Metadata is listed in the
    /// daemon's own name.
    pub async fn list(
        &self,
        target: &Target,
        mut see: impl FnMut(&mut Value),
    ) -> Result<String, ApiError> {
        let Target { resource, namespace, labels, fields, content } = target;
        // What shows no values is the daemon's own to see.
        let cluster = match content {
            Content::Metadata => self.in_own_name(),
            Content::Whole => self.clone(),
        };
        let requests = kube::core::Request::new(client::path(resource, namespace));
        let limit = if *content == Content::Whole { PAGES.1 } else { PAGES.0 };
        let mut params = ListParams::default().labels(labels).fields(fields).limit(limit);
        loop {
            let request = match content {
                Content::Metadata => requests.list_metadata(&params),
                Content::Whole => requests.list(&params),
            };
            let request = request.map_err(ApiError::BadRequest)?;
            let (_, mut page) = cluster.send("list", request).await?;
            page["items"].as_array_mut().into_iter().flatten().for_each(&mut see);
            match page["metadata"]["continue"].as_str() {
                Some(token) if !token.is_empty() => params = params.continue_token(token),
                _ => return Ok(version_of(&page)),
            }
        }
    }
}

/// `metadata.resourceVersion` of an object or a list.
pub(super) fn version_of(object: &Value) -> String {
    object["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned()
}
