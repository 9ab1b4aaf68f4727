//! Files to manifests: every object a source declares, and every diagnostic. Pure; no output of a
//! diagnostic ever echoes file content.

pub mod built;
pub mod diagnostic;
pub mod encrypted;
pub mod helm;
pub mod kustomize;
pub mod manifest;
pub mod plain;
pub mod sanitize;
pub mod text;
pub mod yaml;

pub use diagnostic::{Diagnostic, Problem};
pub use manifest::{Manifest, Origin};
pub use plain::{Content, ContentId, Part, Rendered, SourceFile, plain};
