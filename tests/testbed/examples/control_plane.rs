//! Runs a control plane and a git server to try things on, until ctrl-c.

use std::{thread, time::Instant};
use testbed::{ControlPlane, Error, GitServer};

fn main() -> Result<(), Error> {
    let start = Instant::now();
    let plane = ControlPlane::start()?;
    let server = GitServer::start()?;
    let repo = server.create_repo("config")?;
    println!("# ready after {:.1?}; ends with ctrl-c", start.elapsed());
    println!("export KUBECONFIG={}", plane.kubeconfig().display());
    println!("export PATH={}", plane.programs().search_path().display());
    println!("export REPO={} # push to {}", repo.url(), repo.file_url());
    loop {
        thread::park();
    }
}
