//! What helm complains about.

use super::super::built::{complaint, failure, is_out_of_memory};
use super::super::{Diagnostic, Origin, Problem};
use super::printed;

/// Name of the program.
const HELM: &str = "helm";
/// How it says which dependencies a chart lacks.
const MISSING: &str = "missing in charts/ directory: ";
/// How it says that it cannot read the index of a repository; why is on the next line.
const UNREAD: &str = "Unable to get an update from";
/// What it adds for those who run it by hand.
const ADVICE: &str = "Use --debug flag";

/// How it says which template is wrong: what comes before the place, and what comes after it.
const PLACES: [(&str, &str); 4] = [
    ("execution error at (", "): "),
    ("parse error at (", "): "),
    ("template: ", ": "),
    ("YAML parse error on ", ": "),
];
/// What it says where it lacks what another file defines.
const UNDEFINED: &str = "no template ";

/// What is wrong with a chart, in helm's words: in the template that it names, if the chart is in a folder of the
/// repository. With values from Secrets, only the places that it names are said: its words may be theirs, in any form.
pub fn diagnostic(complaints: &str, chart: Option<&str>, is_secret: bool) -> Diagnostic {
    let whole = problem(complaints, is_secret);
    let Some((folder, place, words)) = chart.and_then(|folder| {
        let (place, words) = placed(error(complaints))?;
        Some((folder, place, words))
    }) else {
        return Diagnostic::at(Origin::file(chart.unwrap_or_default()), whole);
    };
    let origin = origin(place, folder);
    let problem = if is_secret { whole } else { failed(said(words)) };
    Diagnostic::at(origin, problem)
}

/// Whether what helm says with values that nobody may see is also what it says with others in their places, and none of
/// their names: then nothing of them is in it.
pub fn is_open(complaints: &str, with_others: &str, names: &[String]) -> bool {
    let said = error(complaints);
    said == error(with_others) && !names.iter().any(|name| said.contains(name.as_str()))
}

/// Whether it is about something that another file defines.
pub fn is_consequence(complaints: &str) -> bool {
    error(complaints).contains(UNDEFINED)
}

fn error(complaints: &str) -> &str {
    complaints.split_once("Error: ").map_or(complaints, |(_, error)| error)
}

/// Without the advice.
fn said(error: &str) -> String {
    complaint(error.split(ADVICE).next().unwrap_or_default())
}

/// The place that an error begins with, and what is said of it.
fn placed(error: &str) -> Option<(&str, &str)> {
    let found = PLACES.iter().find_map(|(before, after)| {
        let (place, words) = error.strip_prefix(before)?.split_once(after)?;
        Some((place, words))
    });
    found.filter(|(place, _)| is_place(place))
}

/// Helm counts columns from 0.
fn origin(place: &str, chart: &str) -> Origin {
    let mut parts = place.split(':');
    let path = printed::place(parts.next().unwrap_or_default(), Some(chart));
    let mut number = || parts.next().and_then(|number| number.parse::<u32>().ok());
    let line = number().unwrap_or_default();
    let column = number().map_or(0, |column| column.saturating_add(1));
    Origin { line, column, ..Origin::file(path) }
}

/// What is wrong with a chart as a whole.
fn problem(complaints: &str, is_secret: bool) -> Problem {
    if is_out_of_memory(complaints) {
        return failed(failure(complaints));
    }
    let error = error(complaints);
    if let Some((_, names)) = error.split_once(MISSING) {
        let names = names.lines().next().unwrap_or_default();
        return Problem::DependenciesMissing(complaint(names));
    }
    failed(if is_secret { places(error) } else { said(error) })
}

/// Why helm could not fetch a chart, in its words: without what comes after a question mark in a URL, which may be a
/// token.
pub fn fetch_complaint(complaints: &str) -> String {
    // Of an index it says why before it says that it failed.
    let unread = complaints.split_once(UNREAD).and_then(|(_, rest)| rest.lines().nth(1));
    let error = unread.unwrap_or_else(|| error(complaints));
    let words = error.split_whitespace().map(|word| match word.split_once('?') {
        Some((url, _)) if url.contains("://") => url,
        _ => word,
    });
    complaint(&words.collect::<Vec<_>>().join(" "))
}

fn failed(why: String) -> Problem {
    Problem::BuildFailed { program: HELM, why }
}

/// The places in templates that a text names, such as `web/templates/a.yaml:3:4`.
fn places(text: &str) -> String {
    let is_path = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    let words = text.split(|c: char| !is_path(c)).map(|word| word.trim_end_matches(':'));
    let mut found: Vec<_> = words.filter(|word| is_place(word)).collect();
    found.dedup();
    let shown = found.into_iter().take(3).collect::<Vec<_>>().join(", ");
    let withheld = "its words may hold values of Secrets and are withheld";
    if shown.is_empty() { withheld.to_owned() } else { format!("an error at {shown}; {withheld}") }
}

/// Whether a word is the place of a template, and nothing that a value could be taken for.
fn is_place(word: &str) -> bool {
    let mut parts = word.split(':');
    let path = parts.next().unwrap_or_default();
    let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let is_file = [".yaml", ".yml", ".tpl", ".txt"].iter().any(|end| path.ends_with(end));
    path.contains("/templates/") && is_file && parts.all(is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_in_urls_are_not_said() {
        let said =
            fetch_complaint("Error: GET https://cdn.example/a.tgz?token=hunter2: 500 why?\n");
        assert_eq!(said, "GET https://cdn.example/a.tgz 500 why?");
        let text = "...Unable to get an update from the \"source\" chart repository (http://c.example):\n\tlooks like it\nError: Failed [http://c.example]";
        assert_eq!(fetch_complaint(text), "looks like it");
    }

    #[test]
    fn what_is_said_of_a_template_is_said_where_it_stands() {
        let check = |text: &str, expect: &str| {
            let text = format!("level=warn\nError: {text}\n\nUse --debug flag to render out\n");
            assert_eq!(diagnostic(&text, Some("apps/web"), false).to_string(), expect);
        };
        check(
            "execution error at (web/templates/a.yaml:1:3): x",
            "apps/web/templates/a.yaml:1:4: helm says: x",
        );
        check(
            "parse error at (web/charts/db/templates/a.yaml:2): missing value for if",
            "apps/web/charts/db/templates/a.yaml:2: helm says: missing value for if",
        );
        check(
            "template: web/templates/a.yaml:1:10: executing \"web/templates/a.yaml\" at <.Values.a.b>: nil pointer",
            "apps/web/templates/a.yaml:1:11: helm says: executing \"web/templates/a.yaml\" at <.Values.a.b>: nil pointer",
        );
        check(
            "YAML parse error on web/templates/a.yaml: yaml: line 3",
            "apps/web/templates/a.yaml: helm says: yaml: line 3",
        );
        check("template: x: y", "apps/web: helm says: template: x: y");
        let text = "Error: execution error at (web/templates/a.yaml:1:3): hunter2";
        let said = |chart, is_secret| diagnostic(text, chart, is_secret).to_string();
        assert!(said(Some(""), true).starts_with("templates/a.yaml:1:4: helm says: an error at"));
        assert!(!said(Some(""), true).contains("hunter2"));
        assert!(said(None, false).starts_with(".: helm says: execution error at"));
    }

    #[test]
    fn what_helm_says_is_said_shorter() {
        let check = |text: &str, is_secret: bool, expect: &str| {
            assert_eq!(problem(text, is_secret).to_string(), expect);
        };
        check(
            "walk.go:75: found symbolic link\nError: a\nb\n\nUse --debug flag to render out invalid YAML\n",
            false,
            "helm says: a b",
        );
        let text =
            "Error: execution error at (web/templates/a.yaml:3:4): hunter2 /templates/hunter2\n";
        let expect = "helm says: an error at web/templates/a.yaml:3:4; its words may hold values of Secrets and are withheld";
        check(text, true, expect);
        check(
            "Error: hunter2",
            true,
            "helm says: its words may hold values of Secrets and are withheld",
        );
        for fatal in [
            "runtime: out of memory",
            "out of memory allocating heap arena metadata",
            "runtime: cannot allocate memory",
        ] {
            let text = format!("runtime: x\nfatal error: {fatal}\n\ngoroutine 1 [running]:");
            check(&text, false, "helm says: it takes more memory than it may (--build-memory-mib)");
        }
        check("Error: fatal error: memory", false, "helm says: fatal error: memory");
        check(
            "Error: An error occurred: found in Chart.yaml, but missing in charts/ directory: a, b\n",
            false,
            "lacks charts that it depends on, which are not fetched: a, b: have them in its folder charts (helm dependency update) and commit that",
        );
    }
}
