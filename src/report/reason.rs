//! What is told of an app in one word. Of its objects [`super::Reason`] tells, of what stopped a pass
//! [`super::Failure::reason`], of manifests [`crate::render::diagnostic::Problem`].

/// How an app fares, or what happened to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::IntoStaticStr)]
pub enum AppReason {
    /// The commit is applied, and all is in place.
    Synced,
    /// It is not.
    SyncFailed,
    /// Something differs from git, and a person has to ask for it to be applied.
    OutOfSync,
    /// Something is done later, or has just begun.
    Progressing,
    /// It is tried again.
    ProgressingWithRetry,
    /// Deletions wait for a person's word.
    PruneHeld,
    /// The app is being deleted, and its objects cannot be, though that is wanted.
    DeletionFailed,
    /// Objects of an app that was deleted are left to others.
    Abandoned,
    /// The commit that was followed before is not in the branch's history any more.
    BranchRewritten,
    /// Objects cannot be seen.
    CannotList,
    /// All objects work.
    Healthy,
    /// Some have failed.
    Degraded,
    /// Nothing differs from git.
    NoDrift,
    /// It is synced again.
    Resumed,
    /// The resource breaks rules.
    InvalidSpec,
    /// A Secret that it names cannot be used.
    SecretUnavailable,
    /// Apps that it depends on are not ready.
    DependencyNotReady,
    /// It depends on itself.
    DependencyCycle,
}
