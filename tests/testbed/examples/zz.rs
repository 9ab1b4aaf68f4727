//! Scratch.
fn main() -> Result<(), testbed::Error> {
    println!("{}", testbed::build_bin("gitops-sync")?.display());
    Ok(())
}
