//! Files to manifests: every object a source declares, and every diagnostic. Pure; no output of a
//! diagnostic ever echoes file content.

pub mod built;
pub mod diagnostic;
pub mod edits;
pub mod encrypted;
pub mod flaws;
pub mod helm;
pub mod images;
pub mod kustomize;
pub mod manifest;
pub mod plain;
pub mod sanitize;
pub mod secrets;
pub mod substitute;
pub mod text;
pub mod yaml;

pub use diagnostic::{Diagnostic, Problem};
pub use edits::Edits;
pub use flaws::{Reads, flaws};
pub use images::Image;
pub use manifest::{Manifest, Origin};
pub use plain::{Content, ContentId, Part, Rendered, SourceFile, edited, plain};
pub use secrets::{Marks, Secrets};
pub use substitute::{Substitution, Variable};
