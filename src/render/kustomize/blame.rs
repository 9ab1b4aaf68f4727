//! What kustomize complains about: where it stands, and in fewer words.

use super::{NAMES, Part};
use crate::render::plain::split;
use crate::render::yaml;
use crate::render::{Origin, SourceFile, plain};

/// What it writes for a part of an id that there is not.
const NO_PARTS: [&str; 3] = [".[noNs]", ".[noGrp]", ".[noVer]"];
/// What it says of a file that it read, and that was wrong, because it tried it as a folder then.
const AS_FOLDER: &str = ": must build at directory";
/// What it says before what it says.
const ACCUMULATING: &str = "accumulating resources: accumulation err='";

/// The place of what kustomize complains about when it builds the kustomization of a folder, as far as it is known,
/// and what it says.
pub fn blame(
    complaints: &str,
    folder: &str,
    part: Option<&Part>,
    files: &[SourceFile],
) -> (Origin, String) {
    let words = plainly(complaints);
    let unknown = quoted(&words, "unknown field \"", "\"");
    let twice = quoted(&words, "merging resources from '", "'");
    let patch = quoted(&words, "no resource matches strategic merge patch \"", "\"");
    let found = match (unknown, twice, patch) {
        (Some(field), ..) => part.and_then(|part| in_field(part, field, None)),
        (None, Some(path), _) => part.and_then(|part| in_field(part, "resources", Some(path))),
        (None, None, Some(id)) => declared(id, folder, files),
        _ => None,
    };
    (found.unwrap_or_else(|| Origin::file(folder)), words)
}

/// Without what only its makers read.
fn plainly(complaints: &str) -> String {
    let mut words = complaints.trim().trim_start_matches("Error: ").to_owned();
    for part in NO_PARTS {
        words = words.replace(part, "");
    }
    if let Some((said, _)) = words.split_once(AS_FOLDER) {
        let said = said.strip_prefix(ACCUMULATING).unwrap_or(said);
        words = said.trim_end_matches('\'').to_owned();
    }
    if let Some(generated) = generated(&words) {
        words = generated;
    }
    words
}

/// Of a generator that is to change what there is not.
fn generated(words: &str) -> Option<String> {
    let rest = words.strip_prefix("merging from generator ")?;
    let (kind, name) = (quoted(rest, "Kind:\"", "\"")?, quoted(rest, "Name:\"", "\"")?);
    Some(format!(
        "a generator with behavior merge or replace needs a {kind} {name} from a base, and there is none"
    ))
}

fn quoted<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    Some(text.split_once(before)?.1.split_once(after)?.0)
}

/// Where a field of a kustomization stands, or a text in it.
fn in_field(part: &Part, field: &str, wanted: Option<&str>) -> Option<Origin> {
    let is_wanted = |text: &str| wanted == Some(text);
    let (field, text) = yaml::in_field(&part.text, |name| name == field, is_wanted)?;
    let (line, column) = text.unwrap_or(field);
    Some(Origin { line, column, ..Origin::file(part.file.clone()) })
}

/// The one file of a folder that holds an object of this id, such as `Deployment.v1.apps/web`.
fn declared(id: &str, folder: &str, files: &[SourceFile]) -> Option<Origin> {
    let (kind, name) = id.split_once('/')?;
    let kind = kind.split('.').next()?;
    let of_folder = files.iter().filter(|file| {
        let (of, name) = split(&file.path);
        of == folder
            && !NAMES.contains(&name)
            && [".yaml", ".yml"].iter().any(|end| name.ends_with(end))
    });
    let read = of_folder.flat_map(|file| plain(vec![file.clone()]).manifests);
    let mut found =
        read.filter(|manifest| manifest.id.kind.kind == kind && manifest.id.name == name);
    let origin = found.next()?.origin.clone();
    found.next().is_none().then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Content;

    fn file(path: &str, text: &str) -> SourceFile {
        let content = Content::Read(text.as_bytes().to_vec(), None);
        SourceFile { path: path.to_owned(), content }
    }

    #[test]
    fn what_kustomize_complains_about_is_found_and_said_plainly() {
        let files = [
            file(
                "dev/scale.yaml",
                "# c\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: apo}\n",
            ),
            file("other/a.yaml", "kind: Deployment\n"),
        ];
        let part = Part {
            file: "dev/kustomization.yaml".to_owned(),
            text: "namePrefix: a-\nresources:\n- a.yaml\n- b.yaml\nresource: [x]\n".to_owned(),
            ..Part::default()
        };
        let check = |complaint: &str, place: &str, words: &str| {
            let (origin, said) =
                blame(&format!("Error: {complaint}\n"), "dev", Some(&part), &files);
            assert_eq!((origin.to_string().as_str(), said.as_str()), (place, words));
        };
        check(
            "invalid Kustomization: json: unknown field \"resource\"",
            "dev/kustomization.yaml:5:1",
            "invalid Kustomization: json: unknown field \"resource\"",
        );
        check(
            "accumulating resources: accumulation err='merging resources from 'b.yaml': may not add resource with an already registered id: Service.v1.[noGrp]/api.[noNs]': must build at directory: '/x/b.yaml': file is not directory",
            "dev/kustomization.yaml:4:3",
            "merging resources from 'b.yaml': may not add resource with an already registered id: Service.v1/api",
        );
        check(
            "no resource matches strategic merge patch \"Deployment.v1.apps/apo.[noNs]\": no matches for Id Deployment.v1.apps/apo.[noNs]; failed",
            "dev/scale.yaml:2",
            "no resource matches strategic merge patch \"Deployment.v1.apps/apo\": no matches for Id Deployment.v1.apps/apo; failed",
        );
        check(
            "nothing selected by Service.[noVer].[noGrp]/apx.[noNs]:metadata.name",
            "dev",
            "nothing selected by Service/apx:metadata.name",
        );
        check(
            "merging from generator &{0x1 <nil>}: id resid.ResId{Gvk:resid.Gvk{Group:\"\", Version:\"v1\", Kind:\"ConfigMap\", isClusterScoped:false}, Name:\"s\", Namespace:\"\"} does not exist; cannot merge or replace",
            "dev",
            "a generator with behavior merge or replace needs a ConfigMap s from a base, and there is none",
        );
        check("x", "dev", "x");
    }
}
