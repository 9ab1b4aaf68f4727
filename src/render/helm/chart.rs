//! What a chart depends on.

use serde_json::Value;

use super::super::diagnostic::Problem;
use super::super::yaml;

/// What is read of a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chart {
    /// Other charts that it is made of.
    pub dependencies: Vec<Dependency>,
}

/// Another chart that one is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// Its name.
    pub name: String,
    /// Its folder as seen from the chart's, if it is not to be had elsewhere.
    pub path: Option<String>,
}

impl Chart {
    /// Reads a `Chart.yaml`, or the `requirements.yaml` of older charts. What makes no sense there is helm's to say.
    pub fn parse(content: &[u8]) -> Result<Self, (u32, u32, Problem)> {
        let text = String::from_utf8_lossy(content);
        let documents = yaml::documents(&text)
            .map_err(|bad| (bad.line, bad.column, Problem::Malformed(bad.why)))?;
        let listed = documents.first().map(|document| &document.value["dependencies"]);
        let listed = listed.and_then(Value::as_array).into_iter().flatten();
        Ok(Self { dependencies: listed.filter_map(dependency).collect() })
    }
}

fn dependency(item: &Value) -> Option<Dependency> {
    let path = item["repository"].as_str().and_then(|url| url.strip_prefix("file://"));
    Some(Dependency { name: item["name"].as_str()?.to_owned(), path: path.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_chart_depends_on_is_read() {
        let check = |text: &str, expect: &[(&str, Option<&str>)]| {
            let chart = Chart::parse(text.as_bytes()).unwrap();
            let found: Vec<_> =
                chart.dependencies.iter().map(|d| (&*d.name, d.path.as_deref())).collect();
            assert_eq!(found, expect, "{text}");
        };
        check("name: web", &[]);
        check("", &[]);
        check(
            "dependencies:\n- {name: a, repository: file://../a}\n- {name: b, repository: 'https://c.example'}\n- {name: c}\n- 3",
            &[("a", Some("../a")), ("b", None), ("c", None)],
        );
        let (line, ..) = Chart::parse(b"a: b\nc: [").unwrap_err();
        assert!(line > 0);
    }
}
