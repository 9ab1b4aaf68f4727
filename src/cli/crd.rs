//! `crd`: prints the definition of the resource.

use std::io::Write as _;
use std::process::ExitCode;

use serde_saphyr::ser_options;

use crate::api;

/// Prints it.
pub(super) fn print() -> anyhow::Result<ExitCode> {
    std::io::stdout().lock().write_all(yaml()?.as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The definition as YAML, one line for each text.
fn yaml() -> anyhow::Result<String> {
    let options = ser_options! { prefer_block_scalars: false };
    Ok(serde_saphyr::to_string_with_options(&api::crd(), options)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_what_is_printed() {
        for path in ["deploy/crd.yaml", "charts/gitops-sync/files/crd.yaml"] {
            let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
            let file = std::fs::read_to_string(file).unwrap_or_default();
            assert!(file == yaml().unwrap(), "run gitops-sync crd > {path}");
        }
    }
}
