//! What is changed of each object as it is read, whatever it was rendered by.

use std::sync::Arc;

use serde_json::Value;

use super::images::{self, Image};
use super::secrets::Marks;
use super::{Problem, Secrets, Substitution};
use crate::object::handling;

/// What is changed of each object.
#[derive(Clone, Debug, Default)]
pub struct Edits {
    /// What is substituted in it.
    pub substitution: Option<Arc<Substitution>>,
    /// Images of its containers.
    pub images: Arc<[Image]>,
    /// Texts that must not be shown wherever they turn up in it.
    pub secrets: Arc<Secrets>,
}

impl Edits {
    /// The same, and these texts must not be shown either.
    #[must_use]
    pub fn hiding<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Self {
        Self { secrets: Arc::new(texts.into_iter().collect()), ..self.clone() }
    }

    /// Whether a file may come out otherwise with other inputs.
    pub fn vary(&self, file: &[u8]) -> bool {
        self.substitution.is_some() && holds(file)
    }

    /// The object with all changes, and where in it something secret stands; or all that keeps it from that.
    pub fn made(&self, mut body: Value) -> Result<(Value, Marks), Vec<Problem>> {
        let mut marks = Marks::default();
        let is_object = body.get("apiVersion").is_some() && body.get("kind").is_some();
        if !is_object || handling::is_local(&body) {
            return Ok((body, marks));
        }
        if let Some(substitution) = &self.substitution {
            let substituted = substitution.object(&body);
            let problems =
                |faults: Vec<_>| faults.into_iter().map(Problem::Unsubstituted).collect::<Vec<_>>();
            if let Some(substituted) = substituted.map_err(problems)? {
                body = substituted.body;
                marks = substituted.marks;
            }
        }
        images::replace(&mut body, &self.images);
        marks.extend(self.secrets.mark(&body));
        Ok((body, marks))
    }
}

/// Whether a file has anything that could be substituted, whatever its encoding.
fn holds(file: &[u8]) -> bool {
    let is_open = |rest: &[u8]| rest.iter().find(|byte| **byte != 0) == Some(&b'{');
    let mut rest = file;
    while let Some(at) = rest.iter().position(|byte| *byte == b'$') {
        rest = &rest[at + 1..];
        if is_open(rest) {
            return true;
        }
    }
    false
}
