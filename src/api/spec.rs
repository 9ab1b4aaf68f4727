//! What is wanted of an app.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::names::{Annotations, Labels};
use super::reference::{AppReference, KubeConfig, Name, NamespaceName, SecretReference};
use super::resources::Resources;
use super::retry::Retry;
use super::{Decryption, Duration, GitOpsAppStatus, PostBuild, PruneGuard, Render, Verify};
use crate::object::handling::{OnAdditions, OnConflict, OnDrift};

/// Whether what git says is done without asking.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SyncPolicy {
    /// A new commit is applied at once, and foreign changes are put back.
    #[default]
    Auto,
    /// What would be done is reported, and done when asked for.
    Manual,
}

/// What becomes of the objects when their app is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They stay, without our marks.
    #[default]
    Abandon,
    /// They are deleted.
    Delete,
}

/// The namespace that is created for an app's objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CreateNamespace {
    /// Its labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Its annotations.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub annotations: Annotations,
}

/// What is wanted of the app.
#[expect(clippy::duplicated_attributes, reason = "columns have a type each")]
#[expect(clippy::struct_excessive_bools, reason = "switches of their own, as people write them")]
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "gitops-sync.dev",
    version = "v1alpha1",
    kind = "GitOpsApp",
    plural = "gitopsapps",
    shortname = "gapp",
    category = "gitops-sync",
    namespaced,
    status = "GitOpsAppStatus",
    derive = "PartialEq",
    doc = "A folder of a git repository that the cluster is kept like.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether the last commit is applied and all is in place.",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Sync",
        type_ = "string",
        description = "What the last sync came to.",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(
        name = "Health",
        type_ = "string",
        description = "How the objects fare.",
        json_path = r#".status.conditions[?(@.type=="Healthy")].reason"#
    ),
    printcolumn(
        name = "Revision",
        type_ = "string",
        description = "The commit that was applied last.",
        json_path = ".status.lastAppliedRevision.short"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        description = "What the last sync came to, as a sentence.",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    )
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {
        "rule": r"self.repoURL.matches('^(https?|ssh|oci)://[^/\\s]+/\\S+$') || self.repoURL.matches('^[\\w.-]+@[\\w.-]+:\\S+$')",
        "message": "must be a URL of https, http, ssh or oci, or user@host:path",
        "fieldPath": ".repoURL",
    },
    {
        "rule": r"!self.repoURL.matches('^(https?|oci)://[^/]*@|^ssh://[^/]*:[^/]*@|[?#]')",
        "message": "must not hold credentials or a query: put credentials into a Secret and name it in secretRef",
        "fieldPath": ".repoURL",
    },
    {
        "rule": "!has(self.verify) || !self.repoURL.startsWith('oci://')",
        "message": "is for repositories of git, and repoURL is one of OCI artifacts",
        "fieldPath": ".verify",
    },
    {
        "rule": "!has(self.submodules) || !self.submodules || !self.repoURL.startsWith('oci://')",
        "message": "is for repositories of git, and repoURL is one of OCI artifacts",
        "fieldPath": ".submodules",
    },
    {
        "rule": "!has(self.insecure) || !self.insecure || self.repoURL.startsWith('oci://')",
        "message": "is for a repoURL of oci: write http:// for a git server without TLS",
        "fieldPath": ".insecure",
    },
    {
        "rule": r"!has(self.proxySecretRef) || self.repoURL.matches('^(https?|oci)://')",
        "message": "needs a repoURL of https, http or oci: ssh does not go through a proxy",
        "fieldPath": ".proxySecretRef",
    },
    {
        "rule": "!has(self.createNamespace) || has(self.targetNamespace)",
        "message": "needs targetNamespace, the name of the namespace to create",
        "fieldPath": ".createNamespace",
    },
    {
        "rule": "!(has(self.serviceAccountName) && has(self.kubeConfig))",
        "message": "must not be set together with kubeConfig, which says who acts in the other cluster",
        "fieldPath": ".serviceAccountName",
    },
]))]
pub struct GitOpsAppSpec {
    /// URL of the git repository: https, http, ssh, or user@host:path. With oci it is one of artifacts in a
    /// registry. Credentials belong into the Secret that secretRef names.
    #[serde(rename = "repoURL")]
    #[schemars(length(min = 1, max = 2048))]
    pub repo_url: String,
    /// What of the repository is followed, the first that there is: a commit by its 40 characters, HEAD (the
    /// default branch), a ref such as refs/heads/main, a branch, a tag, or the newest tag of a range of versions such
    /// as ">=1.2 <2", 1.x, ~1.4 or ^2. A range has prereleases only if it names one, such as ">=2.0.0-0".
    #[serde(default = "GitOpsAppSpec::default_target_revision")]
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[^\s-][^\x00-\x1f\x7f]*$"))]
    pub target_revision: String,
    /// Folder of the repository that holds the manifests, such as apps/web. A dot is all of it.
    #[serde(default = "GitOpsAppSpec::default_path")]
    #[schemars(length(min = 1, max = 1024), extend("x-kubernetes-validations" = [
        {
            "rule": "!self.startsWith('/')",
            "message": "must not begin with /: it is a folder of the repository",
        },
        {
            "rule": r"!self.matches('(^|/)\\.\\.(/|$)')",
            "message": "must not contain ..: it may not leave the repository",
        },
    ]))]
    pub path: String,
    /// How its files become objects.
    #[serde(default, skip_serializing_if = "Render::is_empty")]
    pub render: Render,
    /// How its encrypted files are decrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decryption: Option<Decryption>,
    /// What is substituted in its objects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_build: Option<PostBuild>,
    /// Images of containers, wherever in its objects they are: name:tag@digest or name=newname:tag@digest, of which tag
    /// and digest may each be left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 64),
        inner(length(min = 1, max = 1024), regex(pattern = r"^[^\s=]+([:@=])[^\s=]+$")),
        extend("x-kubernetes-list-type" = "atomic")
    )]
    pub images: Vec<String>,
    /// Name of a Secret with the credentials for the repository: username and password, bearerToken,
    /// ca.crt, tls.crt and tls.key, githubAppID and its companions, or for ssh identity, password
    /// and `known_hosts`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretReference>,
    /// Whose commits are applied; without it, everybody's who may push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// Name of a Secret with a proxy to the repository: address, and maybe username and password. Not
    /// for ssh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<SecretReference>,
    /// Whether submodules are fetched, at the commits that the repository names, and read as folders. The
    /// credentials are for the repository's own host; what is on another one is fetched without, by https.
    #[serde(default)]
    pub submodules: bool,
    /// Whether the registry of artifacts, with a repoURL of oci, is spoken to without TLS: anybody in between may
    /// read and change everything.
    #[serde(default)]
    pub insecure: bool,
    /// Time between two looks at the repository, such as 60s, 5m or 1h30m.
    #[serde(default = "GitOpsAppSpec::default_interval")]
    pub interval: Duration,
    /// The longest time a sync may take, such as 10m. What is not done by then is tried again.
    #[serde(default = "GitOpsAppSpec::default_timeout")]
    pub timeout: Duration,
    /// What happens after a sync that failed.
    #[serde(default)]
    pub retry: Retry,
    /// auto applies each commit and puts back what others change; manual reports what it would do, and
    /// does it when it is asked to.
    #[serde(default)]
    pub sync_policy: SyncPolicy,
    /// Whether to leave everything alone until this is false again: nothing is applied, put back or
    /// deleted.
    #[serde(default)]
    pub suspend: bool,
    /// Whether objects that leave git are deleted. What looks like an accident waits for approval, see
    /// pruneGuard.
    #[serde(default = "GitOpsAppSpec::default_prune")]
    pub prune: bool,
    /// What is deleted without asking.
    #[serde(default)]
    pub prune_guard: PruneGuard,
    /// What becomes of the objects when this app is deleted: Abandon leaves them, Delete deletes them.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// What is done when others change or delete what git declares: revert, warn or ignore.
    #[serde(default)]
    pub drift: OnDrift,
    /// What is done when people add fields that git does not set: revert, report or ignore.
    #[serde(default)]
    pub additions: OnAdditions,
    /// What is done when others own fields that git declares otherwise: force, report or yield.
    #[serde(default)]
    pub conflicts: OnConflict,
    /// Whether what cannot be changed as git declares it is deleted and created again, once a dry-run has shown
    /// that it can be created.
    #[serde(default)]
    pub replace: bool,
    /// Whether nothing of a commit is written unless a dry-run of all of it is accepted.
    #[serde(default)]
    pub atomic: bool,
    /// Namespace of objects that name none; without it, that of this app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_namespace: Option<NamespaceName>,
    /// Creates targetNamespace where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub create_namespace: Option<CreateNamespace>,
    /// Labels that all objects of the app get.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub common_labels: Labels,
    /// Annotations that all objects of the app get.
    #[serde(default, skip_serializing_if = "Annotations::is_empty")]
    pub common_annotations: Annotations,
    /// Apps that have to be ready before this one is synced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub depends_on: Vec<AppReference>,
    /// Service account of this namespace with whose rights everything is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<Name>,
    /// Another cluster to keep in sync, instead of this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfig>,
    /// Which kinds of objects the app may have.
    #[serde(default)]
    pub resources: Resources,
}

impl GitOpsAppSpec {
    /// An app of this repository, with the defaults of everything else.
    pub fn of(repo_url: &str) -> Self {
        Self {
            repo_url: repo_url.to_owned(),
            target_revision: Self::default_target_revision(),
            path: Self::default_path(),
            render: Render::default(),
            decryption: None,
            post_build: None,
            images: Vec::new(),
            secret_ref: None,
            verify: None,
            proxy_secret_ref: None,
            submodules: false,
            insecure: false,
            interval: Self::default_interval(),
            timeout: Self::default_timeout(),
            retry: Retry::default(),
            sync_policy: SyncPolicy::default(),
            suspend: false,
            prune: Self::default_prune(),
            prune_guard: PruneGuard::default(),
            deletion_policy: DeletionPolicy::default(),
            drift: OnDrift::default(),
            additions: OnAdditions::default(),
            conflicts: OnConflict::default(),
            replace: false,
            atomic: false,
            target_namespace: None,
            create_namespace: None,
            common_labels: Labels::default(),
            common_annotations: Annotations::default(),
            depends_on: Vec::new(),
            service_account_name: None,
            kube_config: None,
            resources: Resources::default(),
        }
    }

    fn default_target_revision() -> String {
        "HEAD".to_owned()
    }

    fn default_path() -> String {
        ".".to_owned()
    }

    fn default_interval() -> Duration {
        Duration::from_secs(60)
    }

    fn default_timeout() -> Duration {
        Duration::from_secs(600)
    }

    fn default_prune() -> bool {
        true
    }
}
