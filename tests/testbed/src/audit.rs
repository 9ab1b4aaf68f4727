//! The API server's own record of the requests it answered.

use crate::Error;
use serde_json::Value;
use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    path::PathBuf,
};

/// The audit log. The API server writes the line of a request before it ends the response, so a
/// client that has its answer finds its line. A watch has its line when it ends.
pub struct Audit {
    path: PathBuf,
}

/// A place in the audit log.
#[derive(Clone, Copy, Debug)]
pub struct Mark(u64);

/// One request. What does not apply is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The plural, such as `deployments`.
    pub resource: String,
    /// Such as `status` or `scale`.
    pub subresource: String,
    /// The namespace.
    pub namespace: String,
    /// The name of the object.
    pub name: String,
    /// The status of the response.
    pub code: u64,
    /// Who asked.
    pub user: String,
    /// As whom, if as someone else.
    pub impersonated: String,
    /// The groups of that one, separated by commas.
    pub impersonated_groups: String,
    /// With what.
    pub user_agent: String,
    /// Path and query.
    pub uri: String,
    /// When the API server received it, as text that sorts by time.
    pub received: String,
}

impl Audit {
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path }
    }

    /// The end of the log as it is now.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn mark(&self) -> Result<Mark, Error> {
        fs::metadata(&self.path)
            .map(|file| Mark(file.len()))
            .map_err(Error::io("read the audit log"))
    }

    /// The requests that ended since `mark`, of all user agents that begin with `user_agent`; ""
    /// means all.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn requests_since(&self, mark: Mark, user_agent: &str) -> Result<Vec<ApiRequest>, Error> {
        let text = self.read_from(mark).map_err(Error::io("read the audit log"))?;
        let requests = whole_lines(&text).filter_map(|line| serde_json::from_str(line).ok());
        Ok(requests
            .map(|event| ApiRequest::of(&event))
            .filter(|r| r.user_agent.starts_with(user_agent))
            .collect())
    }

    fn read_from(&self, mark: Mark) -> std::io::Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(mark.0))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl ApiRequest {
    fn of(event: &Value) -> Self {
        let text =
            |pointer| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let list = |pointer| {
            let items = event.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
            items.filter_map(Value::as_str).collect::<Vec<_>>().join(",")
        };
        Self {
            verb: text("/verb"),
            group: text("/objectRef/apiGroup"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: event.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default(),
            user: text("/user/username"),
            impersonated: text("/impersonatedUser/username"),
            impersonated_groups: list("/impersonatedUser/groups"),
            user_agent: text("/userAgent"),
            uri: text("/requestURI"),
            received: text("/requestReceivedTimestamp"),
        }
    }
}

/// All lines but a last one that is still being written.
fn whole_lines(text: &str) -> impl Iterator<Item = &str> {
    text.split_inclusive('\n').filter(|line| line.ends_with('\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LINE: &str = concat!(
        r#"{"verb":"patch","userAgent":"kubectl/v1","requestURI":"/x","user":{"username":"bob"},"#,
        r#""objectRef":{"apiGroup":"apps","resource":"deployments","subresource":"scale"},"#,
        r#""responseStatus":{"code":200}}"#
    );

    #[test]
    fn reads_whole_lines_after_the_mark() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let audit = Audit::of(file.path().to_owned());
        writeln!(file, "{LINE}").unwrap();
        let mark = audit.mark().unwrap();
        write!(file, "{LINE}\n{LINE}").unwrap();
        let requests = audit.requests_since(mark, "kubectl/").unwrap();
        assert_eq!(requests.len(), 1);
        assert_eq!((requests[0].subresource.as_str(), requests[0].code), ("scale", 200));
        assert!(audit.requests_since(mark, "gitops-sync").unwrap().is_empty());
    }
}
