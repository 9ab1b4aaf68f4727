//! Applies one object, reads one object, waits for CRDs.

use std::borrow::Cow;
use std::time::Duration;

use http::StatusCode;
use kube::api::{GetParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{ApiError, Cluster, client};
use crate::object::ObjectId;
use crate::object::marks::MANAGER;
use crate::plan::yields::HEIR;
use crate::plan::{Desired, Resource};

/// Longest wait for a CRD to be established.
const ESTABLISH: Duration = Duration::from_secs(30);
/// Time between two looks at a CRD.
const LOOK: Duration = Duration::from_millis(50);

/// What an apply is meant for. Anything else is a refusal, see [`ApiError::is_stale`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<'a> {
    /// Whatever there is.
    Any,
    /// No object of this name.
    Nothing,
    /// The object at this version.
    Version(&'a str),
}

impl Expected<'_> {
    /// The `resourceVersion` that says so.
    fn version(&self) -> Option<&str> {
        match self {
            Self::Any => None,
            // No stored object ever has it: the first write to etcd is 2.
            Self::Nothing => Some("1"),
            Self::Version(version) => Some(version),
        }
    }
}

/// How an apply is sent.
#[derive(Clone, Copy, Debug)]
pub struct Sending<'a> {
    /// What it is meant for.
    pub expected: Expected<'a>,
    /// Whether the server only checks.
    pub dry_run: bool,
    /// Whether fields of others are taken over; without, a field that is to change and is another's is a
    /// refusal (409).
    pub force: bool,
}

/// The answer to an apply.
#[derive(Debug)]
pub struct Response {
    /// Whether the object was not there before.
    pub created: bool,
    /// The object as it is now.
    pub object: Value,
}

impl Cluster {
    /// Server-side-applies an object under our name (KEP-555).
    pub async fn apply(
        &self,
        resource: &Resource,
        id: &ObjectId,
        body: &Value,
        Sending { expected, dry_run, force }: Sending<'_>,
    ) -> Result<Response, ApiError> {
        let params = PatchParams { dry_run, force, ..PatchParams::apply(MANAGER) };
        let mut body = Cow::Borrowed(body);
        if let Some(version) = expected.version() {
            body.to_mut()["metadata"]["resourceVersion"] = json!(version);
        }
        let request = client::requests(resource, id)
            .patch(&id.name, &params, &Patch::Apply(&*body))
            .map_err(ApiError::BadRequest)?;
        let (code, object) = self.send("apply", request).await?;
        Ok(Response { created: code == StatusCode::CREATED, object })
    }

    /// Asks whether an object like this could be created were it not there already: `Ok` only if it got
    /// past validation and admission.
    pub async fn could_create(
        &self,
        resource: &Resource,
        id: &ObjectId,
        body: &Value,
    ) -> Result<(), ApiError> {
        let params = PostParams { dry_run: true, field_manager: Some(MANAGER.to_owned()) };
        let body = serde_json::to_vec(body).map_err(|e| ApiError::Unreadable(e.to_string()))?;
        let request =
            client::requests(resource, id).create(&params, body).map_err(ApiError::BadRequest)?;
        match self.send("create", request).await {
            Err(error) if error.says_exists() => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Server-side-applies fields that we give up under the name of their heir, not by force: others may
    /// have them by now. Returns the object after that.
    pub async fn bequeath(
        &self,
        resource: &Resource,
        id: &ObjectId,
        bequest: &Value,
    ) -> Result<Value, ApiError> {
        let request = client::requests(resource, id)
            .patch(&id.name, &PatchParams::apply(HEIR), &Patch::Apply(bequest))
            .map_err(ApiError::BadRequest)?;
        self.send("apply", request).await.map(|(_, object)| object)
    }

    /// Sends a JSON patch (RFC 6902), and returns the object it made.
    pub async fn patch(
        &self,
        resource: &Resource,
        id: &ObjectId,
        patch: Value,
        dry_run: bool,
    ) -> Result<Value, ApiError> {
        let patch: json_patch::Patch = serde_json::from_value(patch)
            .map_err(|error| ApiError::Unreadable(error.to_string()))?;
        let params = PatchParams { dry_run, ..PatchParams::default() };
        let request = client::requests(resource, id)
            .patch(&id.name, &params, &Patch::Json::<()>(patch))
            .map_err(ApiError::BadRequest)?;
        self.send("patch", request).await.map(|(_, object)| object)
    }

    /// Reads an object; `None` if there is none.
    pub async fn get(&self, resource: &Resource, id: &ObjectId) -> Result<Option<Value>, ApiError> {
        let request = client::requests(resource, id)
            .get(&id.name, &GetParams::default())
            .map_err(ApiError::BadRequest)?;
        match self.send("get", request).await {
            Ok((_, object)) => Ok(Some(object)),
            Err(error) if error.says_gone(&id.name) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Waits until a CRD serves its kind. `false` when it does not in time.
    pub async fn wait_established(&self, crd: &Desired) -> Result<bool, ApiError> {
        let wait = async {
            loop {
                let object = self.get(&crd.resource, &crd.id).await?;
                if object.as_ref().is_some_and(is_established) {
                    return Ok(true);
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(ESTABLISH, wait).await.unwrap_or(Ok(false))
    }
}

fn is_established(crd: &Value) -> bool {
    let conditions = crd["status"]["conditions"].as_array().into_iter().flatten();
    let mut established =
        conditions.filter(|c| c["type"] == "Established" && c["status"] == "True");
    established.next().is_some()
}
