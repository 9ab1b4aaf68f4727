//! A text that is shown to nobody.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A password, token or key. It goes to the fetching child's standard input, and nowhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hidden(pub String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}
