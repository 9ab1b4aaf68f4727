//! What of a tree an app is made of: its manifests, or what kustomize or helm make them of.

use super::select::Selection;
use super::tree::{Place, Tree, folder, has_file, resolve};
use super::{Snapshot, chart, kustomization, walk};
use crate::api::{Render, RenderType};
use crate::render::Rendered;
use crate::render::helm;
use crate::render::kustomize::NAMES;

/// Reads what the app at `path` of a tree is made of; of manifests, not what was rendered before. `None` if there
/// is no such folder.
pub fn read<T: Tree>(
    tree: &T,
    path: &str,
    render: &Render,
    before: Option<&Rendered>,
) -> Result<Option<Snapshot>, String> {
    let Place::At(root) = resolve(tree, &[], path)?.place else { return Ok(None) };
    let Some(at) = folder(tree, &root) else { return Ok(None) };
    let found = match &render.helm.chart {
        Some(_) => Some(RenderType::Helm),
        None => detect(tree, &at)?,
    };
    // Who wants something of kustomize wants kustomize.
    let wanted = (!render.kustomize.is_empty()).then_some(RenderType::Kustomize);
    match render.kind.or(found).or(wanted).unwrap_or(RenderType::Plain) {
        RenderType::Plain => {
            let found = walk::read(tree, path, &Selection::of(render), before)?;
            let may_be_more = render.kind.is_none();
            if may_be_more && found.as_ref().is_some_and(has_kustomization) {
                return kustomization::read(tree, root, &render.kustomize).map(Some);
            }
            Ok(found)
        }
        RenderType::Kustomize => kustomization::read(tree, root, &render.kustomize).map(Some),
        RenderType::Helm => chart::read(tree, root, &render.helm).map(Some),
    }
}

/// Whether folders below have kustomizations of their own. Then what lies about there are no manifests, but patches
/// and the like. (Flux makes one kustomization of such a folder, too.)
fn has_kustomization(snapshot: &Snapshot) -> bool {
    let name = |path: &str| path.rsplit('/').next().is_some_and(|name| NAMES.contains(&name));
    snapshot.files.iter().any(|file| name(&file.path))
}

/// What is in a folder says what makes objects of it.
fn detect<T: Tree>(tree: &T, at: &T::Id) -> Result<Option<RenderType>, String> {
    if kustomization::is_in(tree, at)? {
        return Ok(Some(RenderType::Kustomize));
    }
    Ok(has_file(tree, at, helm::NAME)?.then_some(RenderType::Helm))
}
