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
    same(Place::Spec, BLANKS_AND_CHARACTERS),
    same(Place::Crlf, &["v: |\n  a\n  b", "v: \"a\n  b\"", "v: a\n  b", "v: 1 # c"]),
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
    kustomize(
        Place::Json,
        Refused,
        "the last counts, but not for kustomize",
        &["{JSON, \"v\": 1, \"v\": 2}}"],
    ),
    kustomize(Place::Value, Other, "to kustomize they are text, as in YAML 1.2", YES_AND_NO),
    kustomize(
        Place::Spec,
        Other,
        "to kustomize they are text, as in YAML 1.2",
        &["yes: a", "y: a", "n: a", "on: a", "No: a"],
    ),
    kustomize(
        Place::Value,
        Refused,
        "to kustomize they are text, as in YAML 1.2",
        &["!!bool yes", "!!bool \"no\""],
    ),
    kustomize(
        Place::Value,
        Other,
        "kustomize writes every date in one way",
        &["2001-01-01", "2001-1-1", "2001-12-14t21:59:43.10-05:00", "!!timestamp 2001-01-01"],
    ),
    kustomize(
        Place::Value,
        Other,
        "kustomize makes empty text of a value that is left out between braces",
        &["{a:1}", "{a: }", "{a}", "{a, b: 1}", "!!set {a, b}"],
    ),
    kustomize(Place::Value, Other, "kustomize ignores this tag", &["! 12"]),
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
        &["b: &b {x: 1, z: 2}\nc: &c {x: 5, q: 6}\nv:\n  <<: *b\n  <<: *c"],
    ),
    kustomize(
        Place::Spec,
        Other,
        "kustomize merges also what a quoted << holds",
        &["v: {\"<<\": {a: 1}}", "v: {!!str <<: {a: 1}}"],
    ),
    kustomize(
        Place::Spec,
        Other,
        "kustomize writes an empty line too many",
        &["v: >+\n  a\n", "v: >\n  a\n    b\n  c"],
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
        &[".inf: a", "1e300: a"],
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
        &["HEAD  v: |# c\n    a\n", "HEAD  v:\n  |\n", "HEAD  v: \"a\nb\"\n"],
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
];

#[rustfmt::skip]
const WORDS: &[&str] = &[
    "yEs", "nO", "oN", "oFF", "true", "True", "TRUE", "tRue", "false", "False", "FALSE", "fALSE",
    "null", "Null", "NULL", "nULL", "~", "", "=", "<<", ".inf", "-.inf", "+.INF", ".Inf", ".iNf",
    ".nan", ".NaN", ".nAn", "inf", "nan", "+inf", "<nil>", "<none>",
];

#[rustfmt::skip]
const NUMBERS: &[&str] = &[
    "0", "-0", "+0", "00", "7", "+1", "-1", "0644", "00644", "-0644", "+0644", "0_644", "08", "09",
    "0008", "08.5", "0o17", "0O17", "-0o17", "0o18", "0x1F", "0X1F", "0x1f", "-0x1F", "+0x1F", "0x",
    "0x_1F", "0x+1", "0xG", "0x1F.8", "0x1p4", "0b11", "0B11", "-0b11", "+0b11", "0b12", "0b-11",
    "0b", "1_000", "1__000", "1_000_", "_1000", "+_1", "1_0.5_0", ".5_0", ".5_", "._5",
    "9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809",
    "18446744073709551615", "+18446744073709551615", "18446744073709551616", "0xFFFFFFFFFFFFFFFF",
    "+0xFFFFFFFFFFFFFFFF", "0x1FFFFFFFFFFFFFFFF", "01777777777777777777777",
    "07777777777777777777777", "123456789012345678901234567890", "0.5", ".5", "5.", "-.5", "+.5",
    "1.0", "-0.0", "1.50", ".", "..5", ".e5", "1e3", "1E3", "1e+3", "1e-3", "1.e3", "1.5e3", "1e6",
    "12e03", "1e17", "1e20", "1e21", "1.5e300", "9007199254740993.0", "9223372036854774784.0",
    "1e400", "-1e400", ".5e400", "1e-400", "1e", "1e3_0", "0.1", "0.1e-5", "3.14159265358979323846",
    "12:30", "12:30:45", "190:20:30", "1:1.5", "2001-12-14 21:59:43.10 -5", "1.2.3", "1,000",
    "10Mi", "100m", "1 000",
];

#[rustfmt::skip]
const QUOTED_AND_TAGGED: &[&str] = &[
    "\"yes\"", "'0644'", "\"null\"", "\"~\"", "\"\"", "''", "\"1e3\"", "\"2001-01-01\"", "'it''s'",
    r#""a\tb\u00e9\x41""#, r#""\e\a\b\0""#, r#""\U0001F600""#, r#""\q""#, "\"a", "'a", "\"#\"",
    "\"a\"b", "\"a\" b", "\"a\": b", "!!str 1", "!!str", "!!str yes", "!!str null", "!!int 3",
    "!!int \"3\"", "!!int 0644", "!!int 3.0", "!!int abc", "!!float 1", "!!float \"1e3\"",
    "!!float 0x10", "!!float 18446744073709551615", "!!float abc", "!!bool true", "!!bool 1",
    "!!bool yEs", "!!null ~", "!!null \"\"", "!!null abc", "!!binary aGVsbG8=",
    "!!binary aGVs bG8=", "!!binary aGVsbG8", "!!binary \"%%\"", "!!binary |\n    aGVs\n    bG8=",
    "!!merge <<", "!!value =", "!!seq {a: 1}", "!!map [a]", "!!int {a: 1}", "!!null {a: 1}",
    "!!str [a]", "!!omap [a: 1]", "!foo 12", "!foo {a: 1}", "!foo", "!int 3", "! \"12\"", "! yes",
    "!!foo 12", "!<tag:yaml.org,2002:int> \"3\"", "!e!foo 1",
];

#[rustfmt::skip]
const FLOW: &[&str] = &[
    "[]", "{}", "[a, b, ]", "[a,,b]", "[,]", "[a:b]", "[a: b]", "[a b, c]", "[[[]]]", "[a", "]",
    "{a: 1, b: [2, {c: 3}]}", "{\"a\":1}", "{? a : 1}", "{a: 1,}", "{a: 1", "{{ .Values.a }}",
    "\"{{ .Values.a }}\"", "[a]b", "[\n  a,\n  b\n  ]", "[a, # c\n  b]",
];

#[rustfmt::skip]
const PLAIN: &[&str] = &[
    "a # comment", "a#b", "#a", "a: b", "a:b", "a:", ":a", "::", "-a", "- a", "-", "--", "---",
    "?a", "? a", "&a b", "&a", "*a", "@a", "`a", "%a", "|a", ">a", ",a", "a \"b\"", "a\\b", "a'b",
    "\\", "https://a.b:80/c?d=e#f", "$(a)", "${a}", "*.example.com", "a\tb", "a   ", "1\n    2",
    "a\n    b\n\n    c", "a # x\n    b",
];

#[rustfmt::skip]
const KEYS: &[&str] = &[
    "\"\": a", "12:30: a", "!!str 1: a", "\"1\": a", "\"yes\": a", "=: a", "null: a", "~: a", ": a",
    "18446744073709551615: a", "? a\n: b", "? a", "? [a]\n: b", "? {a: 1}\n: b", "[a]: b",
    "{a: 1}: b", "a: &k x\n*k : 1", "&k a: 1\nb: *k", "\"a\nb\": 1", "a b: 1", "a: 1\n b: 2",
];

#[rustfmt::skip]
const BLOCKS: &[&str] = &[
    "v: |\n  a\n  b", "v: |-\n  a\n  b", "v: |+\n  a\n\nw: 1", "v: >\n  a\n  b\n\n  c",
    "v: >-\n  a\n  b", "v: |2\n    a\n  b", "v: |\n  0644", "v: |-\n  yes", "v: >-\n  1e3",
    "v: |\nw: 1", "v: |\n\n  a", "v: | # comment\n  a", "v: |\n  # text\n  a: b",
    "v: |\n  a\n # comment\nw: 1", "v: |\n  a\tb  \n  c", "v: |\n  ---\n  a", "v: |\n a\n  b",
    "v: \"a\n  b\n\n  c\"", "v: 'a\n  b'", "v: \"a\\\n  b\"", "v:\n  - a\n  - b", "v:\n- a\n- b",
    "v:\n- - a\n  - b\n-\n  c: 1\n  d: 2", "- a", "v: # comment\n  a: 1", "v:\n  a: 1\n   b: 2",
    "v:\n    a: 1\n  b: 2", "v:\n  a: 1\n b: 2",
];

#[rustfmt::skip]
const ALIASES: &[&str] = &[
    "b: &b {x: 1, z: 2}\nv:\n  <<: *b\n  z: 3",
    "b: &b {x: 1, z: 2}\nc: &c {x: 5, q: 6}\nv:\n  <<: [*b, *c]\n  z: 3",
    "b: &b {x: 1}\nc: &c {<<: *b, z: 2}\nv: {<<: *c}", "b: &b {a: {x: 1}}\nv: {<<: *b, a: {z: 1}}",
    "v: {<<: {a: 1}, b: 2}", "v: {<<: [{a: 1}, {a: 2}]}", "v: {<<: }", "v: {<<: a}", "v: {<<: []}",
    "v: {<<: {}}", "v: {<<: [a]}", "b: &b [{a: 1}]\nv: {<<: *b}", "b: &b [{a: 1}]\nv: {<<: [*b]}",
    "v: {!!merge <<: {a: 1}}", "v: {! <<: {a: 1}}", "a: &a 0644\nv: *a", "a: &a \"0644\"\nv: *a",
    "a: &a [1, *a]", "a: &a {b: *a}", "a: &a 1\nb: &a 2\nv: *a", "v: *nope", "a: &a !!str 1\nv: *a",
    "a: !!str &a 1\nv: *a", "a: &a\nv: *a", "v: {a: &x 1, b: *x}", "v: [&x a, *x]",
    "a: &a {b: 1}\nv: [*a, *a]",
];

#[rustfmt::skip]
const BLANKS_AND_CHARACTERS: &[&str] = &[
    "v:\t1", "v: \t1", "v: 1\t# c", "v:\n\ta: 1", "v: \"a\tb\"", "v: {\ta:\t1}",
    "v: {\n  a: 1,\n\tb: 2\n}", "v: éü😀", "v: \"é\\u2028\"", "v: a\u{a0}b", "v: a\u{feff}b",
    "v: a\u{7}b", "v: \"a\u{7f}b\"", "v: a\u{85}b", "v: |\n  a\u{85}b", "v: |\n  a\u{85}  b",
    "v: \"a\u{85}    b\"", "v: 1 # \u{85}", "v: \"a\u{2028}b\"", "v: 'a\u{2029}  b'", "v: a\u{2028}    b",
    "v: |\n  a\u{2028}    b",
];

#[rustfmt::skip]
const FILES: &[&str] = &[
    "\u{feff}HEAD  v: 1\n", "HEAD  v: 1", "HEAD  v: 1\n...\n", "HEAD  v: 1\n---\nNEXT  v: 2\n",
    "HEAD  v: 1\n--- # c\nNEXT  v: 2\n", "HEAD  v: 1\n...\n---\nNEXT  v: 2\n",
    "---\nHEAD  v: 1\n---\n", "---\n---\nHEAD  v: 1\n---\n# c\n---\n", "# c\n---\nHEAD  v: 1\n",
    "# c\n\nHEAD  v: 1\n", "--- \nHEAD  v: 1\n", "%YAML 1.1\n---\nHEAD  v: 1\n",
    "%YAML 1.2\n---\nHEAD  v: yes\n", "%TAG !e! tag:e.com:\n---\nHEAD  v: !e!x yes\n",
    "{apiVersion: e2e.test/v1, kind: Case, metadata: {name: NAME}, spec: {v: 0644}}\n",
    "HEAD  v: |\n    a\n    ---\n    b\n", "HEAD  v: |\n    a\n---\nNEXT  v: 2\n",
    "HEAD  v: \"a\n---\nb\"\n", "HEAD  v: &a 1\n---\nNEXT  v: *a\n", "&r\nHEAD  v: 1\n",
    "HEAD  v: >\n    a\n\n\n\n", "HEAD  v: |+\n    a\n\n\n\n", "HEAD  v: >-\n    a\n\n    b",
    "HEAD  v:\n# c\n  # c\n    # c\n    - a\n# c\n    - b\n", "\n\nHEAD  v: 1\n", " \nHEAD  v: 1\n",
    "HEAD  v: 1\n-----BEGIN\n", "HEAD  v: 1\nb: [\n",
];

#[rustfmt::skip]
const YES_AND_NO: &[&str] = &[
    "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off",
    "OFF", "[yes, 0644, ~, ]", "{\"a\":yes}",
];

#[rustfmt::skip]
const ODD_KEYS: &[&str] = &[
    "1: a", "0644: a", "0x1F: a", "08: a", "1.5: a", "1e3: a", "1e5: a", "1e6: a", "1e-4: a",
    "1e-5: a", "0.1: a", "16777217.5: a", "-0: a", "-0.0: a", "true: a", "2001-01-01: a",
    "!!binary aGk=: a", "a: &k 1\n*k : 1", "a: &k 1e6\n*k : 1",
];
