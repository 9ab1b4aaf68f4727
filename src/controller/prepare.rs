//! From a resource to the app that is run: whose rights it has, which cluster it goes to, what fetches it.

use std::sync::Arc;

use super::{Common, Seen};
use crate::api::{Fault, GitOpsApp};
use crate::report::Notice;
use crate::sync::{App, Origin};

/// The app that a resource describes, or why there is none.
pub async fn app(common: &Common, seen: &Seen) -> Result<(Arc<GitOpsApp>, App), Notice> {
    let resource = seen.resource.clone().map_err(Notice::InvalidSpec)?;
    let account = common.tenancy.identity(&resource).map_err(Notice::InvalidSpec)?;
    let ground = &common.ground;
    let origin = Origin::Git(ground.checkout.fetcher_of(&resource));
    let app = App::new(seen.app.clone(), &resource.spec, origin, ground).map_err(|error| {
        let fault = Fault::new("spec.pruneGuard.protectKinds", &error.to_string());
        Notice::InvalidSpec(fault.into())
    })?;
    let namespace = &seen.id.namespace;
    let target = resource.spec.target_namespace.as_ref().map_or(namespace, |name| &name.0);
    let cluster = account.map_or_else(|| app.cluster.clone(), |own| app.cluster.acting_as(&own));
    let app = App { target_namespace: target.clone(), cluster, ..app };
    Ok((resource, app))
}
