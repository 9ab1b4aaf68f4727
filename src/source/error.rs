//! Why a source could not be read, with what to do about it. URLs appear without credentials.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::verify::Refused;

/// Why a source could not be read.
#[derive(Debug, Clone, thiserror::Error, strum::IntoStaticStr, Serialize, Deserialize)]
pub enum SourceError {
    /// The server has no such repository, or hides it.
    #[error("no repository at {url}: check the URL, and that the credentials may read it")]
    RepositoryNotFound {
        /// URL without credentials.
        url: String,
    },
    /// The repository has no such branch or tag.
    #[error("no branch or tag {branch:?} at {url}: push it, or follow another one")]
    BranchNotFound {
        /// URL without credentials.
        url: String,
        /// Branch asked for.
        branch: String,
    },
    /// No tag is in the range of versions.
    #[error(
        "no tag at {url} is in the range {range:?}, {newest}: push one, or have another range in targetRevision"
    )]
    VersionNotFound {
        /// URL without credentials.
        url: String,
        /// Range asked for.
        range: String,
        /// What there is.
        newest: String,
    },
    /// The repository has no such commit, or does not give it.
    #[error(
        "no commit {commit} at {url} that a branch or tag leads to, and the server gives no other: push a tag for it, or follow another one"
    )]
    CommitNotFound {
        /// URL without credentials.
        url: String,
        /// Commit asked for.
        commit: String,
    },
    /// Only the beginning of a commit's name is given.
    #[error(
        "no branch or tag {commit:?} at {url}; if it is a commit, give all 40 characters of its name, for a shorter one may come to mean another"
    )]
    CommitShortened {
        /// URL without credentials.
        url: String,
        /// What was asked for.
        commit: String,
    },
    /// A tag, or a name, of something else.
    #[error("{name:?} at {url} is no commit but a file or folder: follow another one")]
    NotACommit {
        /// URL without credentials.
        url: String,
        /// What was asked for.
        name: String,
    },
    /// It takes more bytes or memory to fetch than any repository of manifests.
    #[error(
        "what is to be fetched from {url} is more than 1 GiB, or its refs, a commit or a file take too much memory: keep manifests in a repository of their own"
    )]
    RepositoryTooLarge {
        /// URL without credentials.
        url: String,
    },
    /// The server refused the credentials, or wants some.
    #[error(
        "{url} refused the credentials ({why}): set or renew the flags that begin with --git-, or the Secret that secretRef names"
    )]
    CredentialsRefused {
        /// URL without credentials.
        url: String,
        /// The refusal.
        why: String,
    },
    /// The server leads to another.
    #[error(
        "{url} redirects to another host or away from TLS, which is not followed: give the URL that it leads to"
    )]
    RedirectRefused {
        /// URL without credentials.
        url: String,
    },
    /// The server did not answer, or not as a git server does.
    #[error("cannot fetch from {url}: {why}; retrying")]
    RepositoryUnreachable {
        /// URL without credentials.
        url: String,
        /// The transport's words.
        why: String,
    },
    /// The server speaks another language than git's.
    #[error("{url} answers with {what}, not as a git server does: check the URL")]
    NotAGitServer {
        /// URL without credentials.
        url: String,
        /// What it answers with.
        what: String,
    },
    /// The proxy let nothing through.
    #[error(
        "cannot get to {url} through the proxy ({why}): check the proxy, its user and its password (proxySecretRef, or --git-proxy)"
    )]
    ProxyFailed {
        /// URL without credentials.
        url: String,
        /// The proxy's words.
        why: String,
    },
    /// What objects are made of beside the source cannot be read.
    #[error("{field}: {why}; retrying")]
    ReferenceUnavailable {
        /// The field of the spec that refers to it.
        field: String,
        /// Why, without anything of its content.
        why: String,
    },
    /// A program that makes objects of files is not installed.
    #[error(
        "{program} is not installed: have it in a folder of PATH, as it is in the image of gitops-sync"
    )]
    ProgramMissing {
        /// The program.
        program: String,
    },
    /// A chart could not be fetched.
    #[error("cannot fetch the chart {chart} from {url}: {why}; retrying")]
    ChartUnreachable {
        /// Its name.
        chart: String,
        /// URL without credentials.
        url: String,
        /// helm's words.
        why: String,
    },
    /// There is no such chart, or none of this version.
    #[error(
        "no chart {chart} of version {version} at {url}: push it, or correct spec.render.helm.chart"
    )]
    ChartNotFound {
        /// Its name.
        chart: String,
        /// Version or range asked for.
        version: String,
        /// URL without credentials.
        url: String,
    },
    /// The server of charts refused the credentials, or wants some.
    #[error(
        "{url} refused the credentials for the chart ({why}): set or renew the Secret that spec.render.helm.chart.secretRef names"
    )]
    ChartRefused {
        /// URL without credentials.
        url: String,
        /// helm's words.
        why: String,
    },
    /// What the cluster can do is not known, which charts ask for.
    #[error(
        "cannot ask the cluster for its version and its kinds, which charts are rendered by: {why}; retrying"
    )]
    ClusterUnknown {
        /// Why.
        why: String,
    },
    /// A program took too long.
    #[error("{program} was not done within {} s; retrying", .limit.as_secs())]
    BuildTimedOut {
        /// The program.
        program: String,
        /// Longest time it may take.
        limit: Duration,
    },
    /// A program could not be run.
    #[error("cannot run {program}: {why}; retrying")]
    ProgramFailed {
        /// The program.
        program: String,
        /// Why.
        why: String,
    },
    /// The files for a program could not be written.
    #[error("cannot write the files for kustomize or helm below --data-dir: {why}; retrying")]
    StageFailed {
        /// Why.
        why: String,
    },
    /// Nothing is known of the server's key.
    #[error(
        "the server of {url} shows the key {fingerprint}, and known_hosts has none of that server: compare it with what its operator publishes, and add it (ssh-keyscan)"
    )]
    HostKeyUnknown {
        /// URL without credentials.
        url: String,
        /// The key, as OpenSSH shows it.
        fingerprint: String,
    },
    /// The server has another key than it had.
    #[error(
        "the server of {url} shows the key {fingerprint}, and known_hosts has others of that server: someone may be in between; ask its operator, and change known_hosts if the key is theirs"
    )]
    HostKeyChanged {
        /// URL without credentials.
        url: String,
        /// The key, as OpenSSH shows it.
        fingerprint: String,
    },
    /// The server's key is to be used no more.
    #[error(
        "the server of {url} shows the key {fingerprint}, which known_hosts revokes: ask its operator for another one"
    )]
    HostKeyRevoked {
        /// URL without credentials.
        url: String,
        /// The key, as OpenSSH shows it.
        fingerprint: String,
    },
    /// Of the server only an authority is known.
    #[error(
        "the server of {url} shows the key {fingerprint}, and known_hosts has only a @cert-authority of it, which is not supported: add the key itself"
    )]
    HostKeyCertified {
        /// URL without credentials.
        url: String,
        /// The key, as OpenSSH shows it.
        fingerprint: String,
    },
    /// The server's certificate is signed by nobody that is trusted, or is another's.
    #[error(
        "the certificate of {url} is not trusted ({why}): give its CA as ca.crt in the Secret that secretRef names, by --git-ca-file or by SSL_CERT_FILE, or renew it"
    )]
    CertificateUntrusted {
        /// URL without credentials.
        url: String,
        /// The transport's words.
        why: String,
    },
    /// The server was too slow.
    #[error(
        "fetching from {url} took longer than {limit:?} and was stopped; retrying (--fetch-timeout)"
    )]
    FetchTimedOut {
        /// URL without credentials.
        url: String,
        /// The deadline.
        limit: Duration,
    },
    /// The path is not in the commit.
    #[error(
        "no folder {path:?} in {place}: check the path; nothing is pruned unless that was approved"
    )]
    PathNotFound {
        /// Path asked for.
        path: String,
        /// Commit or folder that was searched.
        place: String,
    },
    /// The clone on disk cannot be used, even after a fresh start.
    #[error(
        "the clone in {dir:?} cannot be used: {why}; check that the folder is writable and has space"
    )]
    CloneUnusable {
        /// The clone.
        dir: PathBuf,
        /// libgit2's words.
        why: String,
    },
    /// A submodule that is not fetched.
    #[error("submodule {path} is not fetched: {why}")]
    SubmoduleRefused {
        /// Where it stands.
        path: String,
        /// What is the matter, and what to do.
        why: String,
    },
    /// A submodule that could not be fetched.
    #[error("submodule {path} cannot be fetched: {why}")]
    SubmoduleUnavailable {
        /// Where it stands.
        path: String,
        /// What is the matter, and what to do.
        why: String,
    },
    /// A file with credentials could not be read.
    #[error("cannot read the file {file:?} with credentials: {why}")]
    CredentialsUnreadable {
        /// The file.
        file: PathBuf,
        /// The system's words.
        why: String,
    },
    /// An artifact of a registry is none of manifests, or too much of one.
    #[error(
        "the artifact at {url} cannot be used: {why}; push it anew (flux push artifact, oras push)"
    )]
    ArtifactUnusable {
        /// URL without credentials.
        url: String,
        /// What is the matter.
        why: String,
    },
    /// The keys of those who may sign could not be used.
    #[error("cannot verify commits: {why}")]
    KeysUnusable {
        /// What is the matter.
        why: String,
    },
    /// The keys that decrypt files could not be used.
    #[error("cannot decrypt files: {why}")]
    DecryptionKeysUnusable {
        /// What is the matter.
        why: String,
    },
    /// A commit or a tag is not signed as it has to be.
    #[error("{what} is refused, and what was applied before stays: {why}")]
    VerificationFailed {
        /// The commit or the tag.
        what: String,
        /// Why it is refused.
        why: Refused,
    },
    /// A commit does not build on what was applied.
    #[error(
        "commit {head} is refused, for it does not descend from {last}, which was applied last (noRollback): go back by git revert, or set noRollback to false until it is applied"
    )]
    RollbackRefused {
        /// The commit.
        head: String,
        /// The one that was applied last.
        last: String,
    },
    /// The credentials that flags name make no sense.
    #[error("the credentials that flags name cannot be used: {why}")]
    CredentialsUnusable {
        /// What is wrong, by the keys of a Secret.
        why: String,
    },
    /// A folder could not be read.
    #[error("cannot read the folder {folder:?}: {why}")]
    FolderUnreadable {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        why: String,
    },
    /// A defect of ours.
    #[error("a defect in gitops-sync: {why}; please report it")]
    Defect {
        /// What happened.
        why: String,
    },
    /// The fetching child could not be run.
    #[error("cannot run the fetching child process: {why}")]
    ChildFailed {
        /// The system's words.
        why: String,
    },
}

impl SourceError {
    /// The word for this failure, the same in logs, metrics and conditions.
    pub fn reason(&self) -> &'static str {
        self.into()
    }

    /// Whether it is the commit that is refused: only another one, or another word on it, can help.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::VerificationFailed { .. } | Self::RollbackRefused { .. })
    }
}

/// A URL as it may be shown: without userinfo, query and fragment.
pub fn display_url(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // A password may hold a slash, and then looks like a port.
    let authority = rest.split('/').next().unwrap_or_default();
    let has_port = |host: &str| host.bytes().all(|byte| byte.is_ascii_digit());
    let is_plain = authority.rsplit_once(':').is_none_or(|(_, port)| has_port(port));
    let rest = match rest.split_once('/') {
        Some((authority, path)) if is_plain || authority.contains('@') => {
            return format!("{scheme}://{}/{path}", without_user(authority));
        }
        _ => without_user(rest),
    };
    format!("{scheme}://{rest}")
}

fn without_user(authority: &str) -> &str {
    authority.rsplit('@').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_credentials() {
        let check = |url: &str, shown: &str| assert_eq!(display_url(url), shown);
        check("https://bob:hunter2@git.example/a.git?token=hunter2", "https://git.example/a.git");
        check("https://git.example/a@b.git", "https://git.example/a@b.git");
        check("ssh://git@git.example/a.git", "ssh://git.example/a.git");
        check("https://a:p/w@git.example/x", "https://git.example/x");
        check("https://a:p@git.example:8443/x@y", "https://git.example:8443/x@y");
        check("https://git.example", "https://git.example");
        check("/srv/git/a.git", "/srv/git/a.git");
    }
}
