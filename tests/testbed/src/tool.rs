//! The programs of the test bed and their pinned versions.

/// Says which module has which version.
pub(crate) const GO_MOD: &str = include_str!("../../controlplane/go.mod");
/// Says what exactly these versions are.
pub(crate) const GO_SUM: &str = include_str!("../../controlplane/go.sum");

/// A program that `tests/controlplane/go.mod` pins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Tool {
    Age,
    AgeKeygen,
    Etcd,
    Helm,
    KubeApiserver,
    KubeControllerManager,
    KubeScheduler,
    Kubectl,
    Kustomize,
    Kwok,
    Sops,
}

impl Tool {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Age,
        Self::AgeKeygen,
        Self::Etcd,
        Self::Helm,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::KubeScheduler,
        Self::Kubectl,
        Self::Kustomize,
        Self::Kwok,
        Self::Sops,
    ];

    /// The name of the program's file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::AgeKeygen => "age-keygen",
            Self::Etcd => "etcd",
            Self::Helm => "helm",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubectl => "kubectl",
            Self::Kustomize => "kustomize",
            Self::Kwok => "kwok",
            Self::Sops => "sops",
        }
    }

    /// The pinned version, such as `1.36.3`.
    pub fn version(self) -> &'static str {
        pinned_version(self.module())
    }

    /// Whether `text`, printed by the program for [`version_args`](Self::version_args), names the
    /// pinned version.
    pub(crate) fn is_pinned_version(self, text: &str) -> bool {
        text.split(|c: char| !c.is_ascii_digit() && c != '.').any(|word| word == self.version())
    }

    /// Arguments that make the program print its version, and do nothing else.
    pub(crate) fn version_args(self) -> &'static [&'static str] {
        match self {
            Self::Helm | Self::Kustomize => &["version"],
            Self::Kubectl => &["version", "--client"],
            Self::Sops => &["--version", "--disable-version-check"],
            _ => &["--version"],
        }
    }

    /// The Go package of the program.
    pub(crate) fn package(self) -> String {
        match self {
            Self::Etcd | Self::Kustomize => self.module().to_owned(),
            _ => format!("{}/cmd/{}", self.module(), self.name()),
        }
    }

    /// What `go build` calls the program: the last word of its package that is no version.
    pub(crate) fn built_as(self) -> &'static str {
        if self == Self::Etcd { "server" } else { self.name() }
    }

    fn module(self) -> &'static str {
        match self {
            Self::Age | Self::AgeKeygen => "filippo.io/age",
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::Helm => "helm.sh/helm/v3",
            Self::Kustomize => "sigs.k8s.io/kustomize/kustomize/v5",
            Self::Kwok => "sigs.k8s.io/kwok",
            Self::Sops => "github.com/getsops/sops/v3",
            _ => "k8s.io/kubernetes",
        }
    }
}

/// The version that go.mod requires of `module`, without the `v`.
fn pinned_version(module: &str) -> &'static str {
    let requires = |line: &'static str| line.trim().strip_prefix(module)?.strip_prefix(" v");
    GO_MOD.lines().find_map(requires).and_then(|rest| rest.split(' ').next()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_has_a_pinned_version_and_is_a_tool_of_go_mod() {
        for tool in Tool::ALL {
            assert!(tool.version().contains('.'), "{tool:?}");
            assert!(GO_MOD.lines().any(|line| line.trim() == tool.package()), "{tool:?}");
        }
    }

    #[test]
    fn only_the_exact_version_counts() {
        let version = Tool::Kubectl.version();
        assert!(
            Tool::Kubectl.is_pinned_version(&format!("Client Version: v{version}\nother: v0.0.1"))
        );
        assert!(!Tool::Kubectl.is_pinned_version(&format!("Client Version: v{version}1")));
        assert!(!Tool::Kubectl.is_pinned_version(&format!("Client Version: v1{version}")));
    }
}
