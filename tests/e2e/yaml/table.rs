//! What is read, and who reads it otherwise than we do.

/// How another program reads a text, beside how we read it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Meaning {
    /// As we do: the same objects, or none by either.
    Same,
    /// As other objects.
    Other,
    /// It refuses what we read.
    Refused,
    /// It reads what we refuse.
    Taken,
}

use super::texts::*;
use Meaning::{Other, Refused, Same, Taken};

/// Where the texts of a group stand.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    /// As a value, after `v: `.
    Value,
    /// As lines of a mapping.
    Spec,
    /// As lines of a mapping, in a file with line ends of Windows.
    Crlf,
    /// As lines of a mapping, in a file of UTF-16 with its byte order mark first.
    Utf16Le,
    /// The same, with the greater byte of each unit first.
    Utf16Be,
    /// As a whole file, as in `File`, in UTF-16.
    Utf16File,
    /// As a whole file, in which `HEAD` and `NEXT` are the lines that begin an object, and
    /// `{JSON` and `{JSON2` begin one in JSON.
    File,
    /// As a whole `.json` file, in the same way.
    Json,
}

/// Texts that everybody reads in the same way, or differs over for the same reason.
pub struct Group {
    pub place: Place,
    pub kubectl: Meaning,
    pub kustomize: Meaning,
    /// The reason for the difference.
    pub why: &'static str,
    pub texts: &'static [&'static str],
}

const fn same(place: Place, texts: &'static [&'static str]) -> Group {
    Group { place, kubectl: Same, kustomize: Same, why: "", texts }
}

/// Read as kubectl does; kustomize alone differs.
const fn kustomize(
    place: Place,
    kustomize: Meaning,
    why: &'static str,
    texts: &'static [&'static str],
) -> Group {
    Group { place, kubectl: Same, kustomize, why, texts }
}

/// Read otherwise than kubectl does, on purpose.
const fn differs(
    place: Place,
    kubectl: Meaning,
    kustomize: Meaning,
    why: &'static str,
    texts: &'static [&'static str],
) -> Group {
    Group { place, kubectl, kustomize, why, texts }
}

pub const GROUPS: &[Group] = &[
    same(Place::Value, WORDS),
    same(Place::Value, NUMBERS),
    same(Place::Value, QUOTED_AND_TAGGED),
    same(Place::Value, FLOW),
    same(Place::Value, PLAIN),
    same(Place::Spec, KEYS),
    same(Place::Spec, BLOCKS),
    same(Place::Spec, ALIASES),
    same(Place::Value, DATES),
    same(Place::Spec, LAYOUT),
    same(Place::Spec, CHARACTERS),
    same(Place::Crlf, CRLF),
    same(Place::Utf16Le, ENCODED),
    same(Place::Utf16Be, ENCODED),
    same(Place::File, FILES),
    same(
        Place::Json,
        &["{JSON, \"v\": [1e3, 1.0, -0, 1.5, 1e17, 18446744073709551615, 0.1e-5]}}", "{JSON}"],
    ),
    kustomize(
        Place::Json,
        Refused,
        "kustomize reads JSON as YAML",
        &[r#"{JSON, "v": ["\ud83d\ude00", "\/"]}}"#],
    ),
    kustomize(Place::Json, Other, "kustomize reads the first", &["{JSON}}\n{JSON2}}"]),
    differs(
        Place::Json,
        Taken,
        Same,
        "a key that stands twice is a mistake; kubectl takes the last",
        &["{JSON, \"v\": 1, \"v\": 2}}"],
    ),
    kustomize(Place::Value, Other, "to kustomize they are text, as in YAML 1.2", YES_AND_NO),
    kustomize(
        Place::Spec,
        Other,
        "to kustomize they are text, as in YAML 1.2",
        &[
            "yes: a",
            "y: a",
            "n: a",
            "on: a",
            "No: a",
            "no: a",
            "off: a",
            "b: &b {x: 1}\nv:\n  <<:\n  - *b\n  - y: 2",
            "b: &b {<<: {x: 1}, y: 2}\nv: {<<: [*b, {z: 1}]}",
        ],
    ),
    kustomize(
        Place::Value,
        Refused,
        "to kustomize they are text, as in YAML 1.2",
        &["!!bool yes", "!!bool \"no\"", "!!bool on"],
    ),
    kustomize(
        Place::Value,
        Other,
        "kustomize writes every date in one way",
        &[
            "2001-01-01",
            "2001-1-1",
            "2001-12-14 21:59:43",
            "2001-12-14t21:59:43.10-05:00",
            "!!timestamp 2001-01-01",
        ],
    ),
    kustomize(
        Place::Value,
        Other,
        "kustomize makes empty text of a value that is left out between braces",
        &["{a:1}", "{a: }", "{a}", "{a, b: 1}", "!!set {a, b}"],
    ),
    kustomize(Place::Value, Other, "kustomize ignores this tag", &["! 12", "!"]),
    kustomize(Place::Value, Other, "kustomize breaks lines at U+0085", &[r#""\N\_\L\P""#]),
    kustomize(Place::Spec, Refused, "kustomize takes only text for a key", ODD_KEYS),
    kustomize(
        Place::Spec,
        Other,
        "to kustomize a merge key overrides no key that stands before it",
        &["b: &b {x: 1, z: 2}\nv:\n  z: 3\n  <<: *b", "b: &b {a: ~}\nv: {a: 1, <<: *b}"],
    ),
    kustomize(
        Place::Spec,
        Refused,
        "kustomize takes one merge key in a mapping",
        &[
            "b: &b {x: 1, z: 2}\nc: &c {x: 5, q: 6}\nv:\n  <<: *b\n  <<: *c",
            "b: &b {x: 1}\nv: {<<: *b, <<: *b}",
        ],
    ),
    kustomize(
        Place::Spec,
        Other,
        "kustomize merges also what a quoted << holds",
        &["v: {\"<<\": {a: 1}}", "v: {!!str <<: {a: 1}}", "v: {'<<': {a: 1}}"],
    ),
    kustomize(
        Place::Spec,
        Other,
        "kustomize writes an empty line too many",
        &[
            "v: >+\n  a\n",
            "v: >\n  a\n    b\n  c",
            "v: >-\n    a\n      b\n    c\n",
            "v: >\n  a\n\n   b\n\n  c",
        ],
    ),
    kustomize(
        Place::File,
        Other,
        "kubectl ends the last line, kustomize does not",
        &["HEAD  v: |\n    a", "HEAD  v: |+\n    a"],
    ),
    differs(
        Place::Spec,
        Taken,
        Same,
        "a key that stands twice is a mistake; kubectl takes the last, or any",
        &["a: 1\na: 2", "a: 1\n\"a\": 2", "1: a\n\"1\": b", "v: {a: 1, a: 2}"],
    ),
    differs(
        Place::Spec,
        Taken,
        Taken,
        "a key that stands twice is a mistake; to kustomize these are text and differ",
        &["y: 1\nyes: 2"],
    ),
    differs(
        Place::Spec,
        Taken,
        Same,
        "kubectl makes \".inf\" of both, and infinity is refused everywhere else",
        &[".inf: a", "1e300: a", ".nan: a", "-.inf: a"],
    ),
    differs(
        Place::Value,
        Taken,
        Taken,
        "bytes that are no text cannot be sent: kubectl puts U+FFFD for them",
        &["!!binary /w=="],
    ),
    differs(
        Place::File,
        Taken,
        Taken,
        "several JSON values in one file are for .json files",
        &["{JSON}}\n{JSON2}}"],
    ),
    differs(
        Place::Spec,
        Refused,
        Refused,
        "kubectl takes U+2028 for a line break, which leaves no YAML here",
        &["v: a\u{2028}b", "v: |\n  a\u{2028}b", "v: |\n  a\u{2029}b"],
    ),
    differs(
        Place::Spec,
        Other,
        Other,
        "all indentation after U+2028 is left out, to kubectl some is text",
        &["v: |\n  a\u{2028}      b"],
    ),
    differs(
        Place::File,
        Other,
        Other,
        "they ignore what follows `...`; an object that is not applied would be pruned",
        &["HEAD  v: 1\n...\nNEXT  v: 2\n"],
    ),
    differs(
        Place::Value,
        Refused,
        Refused,
        "in YAML 1.2, and as in JSON, they have one meaning",
        &[r#""\/""#, r#""\ud83d\ude00""#],
    ),
    differs(
        Place::Value,
        Refused,
        Refused,
        "a date is text, so nothing needs to know what a date is",
        &["!!timestamp abc"],
    ),
    differs(
        Place::Spec,
        Refused,
        Refused,
        "in YAML 1.2 they have one meaning",
        &[
            "a: &a-b.c/d 1\nv: *a-b.c/d",
            "v: &é b",
            "v: {a: :b}",
            "a: {\n  b\n  : 1}",
            "a: 1\n\t\nb: 2",
            "\tv: 1",
            "v:\n  -\ta",
            "v:\n  - \ta: 1",
            "v: |\n  \ta",
            "v: a\n\t\nw: 1",
        ],
    ),
    differs(
        Place::File,
        Taken,
        Taken,
        "YAML 1.2 wants a blank or an indentation, without which they look like something else",
        &[
            "HEAD  v: |# c\n    a\n",
            "HEAD  v: |-#c\n    a\n",
            "HEAD  v: \"a\"#c\n",
            "HEAD  v: 'a'#c\n",
            "HEAD  v:\n  |\n",
            "HEAD  v: \"a\nb\"\n",
            "HEAD  v: 'a\n  ---\n  b'\n",
            "HEAD  v: \"b\r  c\"\n",
            "HEAD  v: 1\n---#c\nNEXT  v: 2\n",
            "HEAD  v: [-]\n",
        ],
    ),
    differs(
        Place::File,
        Refused,
        Same,
        "kubectl takes apart a file before it reads YAML, so its --- must stand alone",
        &[
            "--- {apiVersion: e2e.test/v1, kind: Case, metadata: {name: NAME}, spec: {v: 1}}\n",
            "--- !!map\nHEAD  v: 1\n",
        ],
    ),
    differs(
        Place::Value,
        Taken,
        Taken,
        "the colon belongs to the text in YAML 1.1, but not in 1.2",
        &["[a:, b]", "{a:, b: 1}", "{a:}", "[a :]"],
    ),
    differs(
        Place::Value,
        Taken,
        Taken,
        "a question mark begins a key in YAML 1.1, but not in 1.2",
        &["[?a]", "{?a: b}", "[a, ?b]"],
    ),
    differs(
        Place::Value,
        Same,
        Taken,
        "a question mark begins a key in YAML 1.1, but not in 1.2",
        &["{?: a}"],
    ),
    same(Place::Value, &["[::]", "[?]", "{a: ?b}", "{a: ?}"]),
    kustomize(
        Place::Value,
        Refused,
        "kustomize writes U+007F as it is, and nobody reads that",
        &[r#""\x7f""#],
    ),
    kustomize(Place::Value, Refused, "kustomize takes only text for a key", &["{1: 2}"]),
    kustomize(Place::Spec, Taken, "kustomize leaves a mapping in itself out", &["a: &x {<<: *x}"]),
    differs(Place::Spec, Taken, Taken, "nobody sees a byte order mark in a key", &["\u{feff}a: 1"]),
    differs(
        Place::File,
        Other,
        Other,
        "to them a byte order mark that nobody sees is part of the key",
        &["\n\u{feff}HEAD  v: 1\n"],
    ),
    kustomize(
        Place::File,
        Refused,
        "one byte order mark is enough",
        &["\u{feff}\u{feff}HEAD  v: 1\n"],
    ),
    differs(
        Place::File,
        Refused,
        Refused,
        "a file may hold what is no object, such as values, and is then skipped in this",
        &[
            "HEAD  v: 1\n---\na\n",
            "x: &a 1\n---\nHEAD  v: 1\n",
            "HEAD  v: 1\n---\nx: 1\n---\nNEXT  v: 2\n",
        ],
    ),
    differs(
        Place::File,
        Refused,
        Other,
        "a file may hold what is no object, such as values, and is then skipped in this",
        &["HEAD  v: 1\n---\n{}\n", "HEAD  v: 1\n---\n[]\n"],
    ),
    differs(
        Place::File,
        Refused,
        Refused,
        "in YAML 1.2 they have one meaning",
        &["...\nHEAD  v: 1\n", "...\n---\nHEAD  v: 1\n", "HEAD  v: 1\n\t"],
    ),
    differs(
        Place::File,
        Taken,
        Taken,
        "a directive may change what follows, and is not seen by them here",
        &["HEAD  v: 1\n...\n%YAML 1.1\n---\nNEXT  v: 2\n"],
    ),
    kustomize(
        Place::File,
        Other,
        "kustomize writes an empty line too many",
        &["HEAD  v: >+\n    a\n\n---\nNEXT  v: 2\n"],
    ),
    kustomize(Place::File, Taken, "kustomize leaves an empty key out", &["HEAD  v: 1\n? \n"]),
    kustomize(
        Place::File,
        Other,
        "to kustomize they are text, as in YAML 1.2",
        &["{JSON, \"v\": yes}}"],
    ),
    same(Place::File, &["HEAD  v: 1\n---\n\u{feff}NEXT  v: 2\n"]),
    kustomize(
        Place::Utf16File,
        Other,
        "kustomize looks for --- among the bytes, and reads the first",
        &["HEAD  v: 1\n---\nNEXT  v: 2\n"],
    ),
];
