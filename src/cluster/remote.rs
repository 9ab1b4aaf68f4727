//! Another cluster, by a kubeconfig that a tenant keeps in a Secret.

use std::time::Duration;

use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};

use super::client::{Cluster, Count};
use super::kubeconfig::{BadKubeconfig, checked};
use super::measure::OTHERS;

impl Cluster {
    /// Prepares a connection to the cluster that a kubeconfig names, by its content; nothing is sent yet, and
    /// nothing else is read or run for it.
    pub async fn remote(
        kubeconfig: &[u8],
        timeout: Duration,
        count: Count,
    ) -> Result<Self, BadKubeconfig> {
        let kubeconfig: Kubeconfig =
            serde_json::from_value(checked(kubeconfig)?).map_err(|_| BadKubeconfig::Unusable)?;
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
        let mut config = config.map_err(|_| BadKubeconfig::Unusable)?;
        // That of the environment is for others.
        config.proxy_url = None;
        Self::new(config, timeout, count, OTHERS).map_err(|_| BadKubeconfig::Unusable)
    }
}
