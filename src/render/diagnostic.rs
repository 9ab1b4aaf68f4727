//! What is wrong with a source: one clear sentence, where, and what to do. Never file content.

use std::cmp::Ordering;
use std::fmt;

use crate::object::handling::BadAnnotation;
use crate::object::{GroupKind, ObjectId};

use super::Origin;
use super::substitute::Unsubstituted;
use super::text::write_plain;

/// One thing wrong with what a source declares. Any of them forbids pruning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where it is.
    pub origin: Origin,
    /// The object concerned, once it is known.
    pub object: Option<ObjectId>,
    /// What is wrong.
    pub problem: Problem,
}

/// The ways in which a source can be wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, strum::IntoStaticStr)]
pub enum Problem {
    /// The text is no YAML or JSON.
    #[error("{0}")]
    Malformed(String),
    /// The file is larger than any manifest.
    #[error(
        "is {size} bytes long, over the limit of {limit}: split it, or move it out of the path"
    )]
    TooLarge {
        /// Bytes of the file.
        size: u64,
        /// Bytes that are read at most.
        limit: u64,
    },
    /// A link that leads nowhere, in circles, or out of the tree.
    #[error("is a link that {0}: links may only lead to files of the same tree")]
    BadLink(&'static str),
    /// Something that is no file of a name that people can read.
    #[error("{0}, so it is not read: move it out of the path, or ignore it in .sourceignore")]
    NotRead(&'static str),
    /// A file that says what is ignored says nothing.
    #[error("{0}: write it as a .gitignore")]
    BadIgnore(&'static str),
    /// A pointer in place of a file that git LFS keeps elsewhere.
    #[error("is a git LFS pointer: keep manifests in git itself")]
    LfsPointer,
    /// `apiVersion` without `kind`, or the other way round.
    #[error("has no {0}: add it, or move a file that is no manifest out of the path")]
    HalfAnObject(&'static str),
    /// A field that identifies the object is missing or of the wrong type.
    #[error("{0} must be a non-empty string")]
    NotAString(&'static str),
    /// Labels or annotations are no map.
    #[error("{0} must be a map of names to strings")]
    NotAMap(&'static str),
    /// Objects in a bare list.
    #[error("is a list of objects: write `kind: List` with items, or separate them by ---")]
    BareList,
    /// `metadata.generateName` makes a new object at each apply.
    #[error("has metadata.generateName: an object kept in git needs a metadata.name")]
    GenerateName,
    /// A name that cannot be part of a request.
    #[error(
        "{0} is not a valid name: see https://kubernetes.io/docs/concepts/overview/working-with-objects/names"
    )]
    InvalidName(&'static str),
    /// A Secret whose data is not what a Secret holds.
    #[error("{0} must be {1}")]
    SecretData(String, &'static str),
    /// Two places declare one object.
    #[error("is declared a second time, first at {0}: remove one of the two")]
    Duplicate(Origin),
    /// The API server serves no such kind, and no CRD in the source defines it.
    #[error(
        "the cluster serves no kind {kind} in {api_version}: install its CRD, or correct apiVersion and kind"
    )]
    UnknownKind {
        /// `apiVersion` as written.
        api_version: String,
        /// `kind` as written.
        kind: String,
    },
    /// Its app may not have objects of this kind.
    #[error(
        "is of a kind that the resources of its app do not allow: have {{group: {:?}, kind: {}}} allowed there, or move it out of the path",
        .0.group, .0.kind
    )]
    KindNotAllowed(GroupKind),
    /// It is in a namespace where the daemon does not work.
    #[error(
        "would be in namespace {namespace}, which is none of --namespaces {given}: add it there and grant a Role in it, or correct metadata.namespace"
    )]
    OutsideNamespaces {
        /// The object's namespace.
        namespace: String,
        /// The namespaces of the daemon.
        given: String,
    },
    /// It is in no namespace, and the daemon works in some only.
    #[error(
        "belongs to the whole cluster, to none of --namespaces {0}: move it out of the path and have a cluster administrator apply it"
    )]
    ClusterScoped(String),
    /// It is state of ours, such as an inventory, or a copy of it.
    #[error("is what gitops-sync keeps for itself, or a copy of that: move it out of the path")]
    OwnState,
    /// An annotation of ours whose value means nothing.
    #[error("has the annotation {} with a value that means nothing: it has to be {}", .0.key, .0.expected)]
    BadAnnotation(BadAnnotation),
    /// A kustomization refers to what is not there.
    #[error("refers to {path} in {field}, which {why}")]
    BadReference {
        /// The field.
        field: &'static str,
        /// The path, made fit for a log line.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// What kustomize has only as a plugin that runs helm.
    #[error(
        "has {0}, which kustomize leaves to a plugin: render the chart by an app of its own, with render.type helm"
    )]
    HelmInKustomize(&'static str),
    /// A file or object is encrypted, and its app does not decrypt.
    #[error(
        "is encrypted with SOPS, and its app decrypts nothing: set decryption (or --decryption-keys), or move it out of the path"
    )]
    Encrypted,
    /// None of the app's keys decrypts a file.
    #[error(
        "is encrypted for {0}, and its app has a key of none of them: add one to the Secret that decryption names (or to --decryption-keys), or encrypt it for a key that is there"
    )]
    DecryptionKeyMissing(String),
    /// A file was changed after it was encrypted.
    #[error(
        "was changed after it was encrypted, for its MAC is another, so nothing of it is applied: edit it with sops"
    )]
    MacMismatch,
    /// Its key is in a Vault that nobody named.
    #[error(
        "is encrypted by a Vault whose address only the file itself gives, and no token is sent there: name it in the entry sops.vault-address beside sops.vault-token, or in VAULT_ADDR of the daemon"
    )]
    VaultNotAllowed,
    /// Ciphertext stands where a value should.
    #[error(
        "has ciphertext of SOPS in {0}: encrypt whole files, so that they are decrypted before anything is made of them"
    )]
    Ciphertext(String),
    /// There is not what the app is to be rendered by.
    #[error("has no {0}, which render.type wants: add it, or correct path or render.type")]
    NothingToRender(&'static str),
    /// Charts that another is made of are not there.
    #[error(
        "lacks charts that it depends on, which are not fetched: {0}: have them in its folder charts (helm dependency update) and commit that"
    )]
    DependenciesMissing(String),
    /// The program that makes objects of the files refused them.
    #[error("{program} says: {why}")]
    BuildFailed {
        /// The program.
        program: &'static str,
        /// Its words, of which everything that may be secret is taken out.
        why: String,
    },
    /// What stands for values cannot be replaced by them.
    #[error("{0}")]
    Unsubstituted(Unsubstituted),
    /// More files or bytes than are read from one source.
    #[error("the source holds more than {0}: point the path at a smaller folder")]
    TooMuch(String),
    /// More diagnostics than anybody reads.
    #[error("is where telling ends, for {0} places before it are wrong: mend these first")]
    MoreWrong(usize),
}

impl Problem {
    /// The keys of the field that it is about, from the root of the object; none if it is about no object's text.
    pub fn field(&self) -> Option<Vec<&str>> {
        match self {
            Self::NotAString(field) | Self::NotAMap(field) | Self::InvalidName(field) => {
                Some(field.split('.').collect())
            }
            Self::GenerateName => Some(vec!["metadata", "generateName"]),
            // A key of a Secret may have dots.
            Self::SecretData(field, _) => Some(field.splitn(2, '.').collect()),
            Self::HalfAnObject(_) | Self::BareList => Some(Vec::new()),
            _ => None,
        }
    }

    /// Whether the cluster does not serve a kind, which may change any time.
    pub fn is_unknown_kind(&self) -> bool {
        matches!(self, Self::UnknownKind { .. })
    }
}

/// Characters of a problem that are shown.
const LONGEST: usize = 4000;
/// Diagnostics of a source that are kept: each takes memory in many places.
const KEPT: usize = 1000;

impl Diagnostic {
    /// Adds it to others, as long as they are not so many that they are no longer kept. That is said once.
    pub fn add_to(self, others: &mut Vec<Self>) {
        match others.len().cmp(&KEPT) {
            Ordering::Less => others.push(self),
            Ordering::Equal => others.push(Self::at(self.origin, Problem::MoreWrong(KEPT))),
            Ordering::Greater => {}
        }
    }

    /// A diagnostic about a place, before any object is known.
    pub fn at(origin: Origin, problem: Problem) -> Self {
        Self { origin, object: None, problem }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.origin)?;
        // So may the names of fields and kinds, and of those for whom a file is encrypted.
        if let Some(object) = &self.object {
            write_plain(f, &format!("{object} "))?;
        }
        let said = self.problem.to_string();
        match said.char_indices().nth(LONGEST) {
            Some((end, _)) => write_plain(f, &said[..end]),
            None => write_plain(f, &said),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_is_one_line_whatever_it_names() {
        let said = |problem| Diagnostic::at(Origin::file("a.yaml"), problem).to_string();
        let forged = said(Problem::Ciphertext("data.x\nINFO Synced \u{1b}[31m".to_owned()));
        assert!(forged.starts_with("a.yaml: has ciphertext of SOPS in data.x\\nINFO"), "{forged}");
        assert!(!forged.contains('\u{1b}'));
        let long = said(Problem::DecryptionKeyMissing("\u{e9}".repeat(LONGEST)));
        assert_eq!(long.chars().count(), "a.yaml: ".len() + LONGEST);
    }
}
