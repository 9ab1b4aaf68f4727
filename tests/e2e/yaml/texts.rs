//! The texts of the table, by theme.

#[rustfmt::skip]
pub const WORDS: &[&str] = &[
    "yEs", "nO", "oN", "oFF", "true", "True", "TRUE", "tRue", "false", "False", "FALSE", "fALSE", "null",
    "Null", "NULL", "nULL", "~", "", "=", "<<", ".inf", "-.inf", "+.INF", ".Inf", ".iNf", ".nan", ".NaN",
    ".nAn", "inf", "nan", "+inf", "<nil>", "<none>", "True ", "true#", "true # c", "~ # c", "~a", "null1",
    "nUll", "NaN", "Infinity", ".Nan", "-.inF", "+.nan", ".NAN", "-.NaN",
];

#[rustfmt::skip]
pub const NUMBERS: &[&str] = &[
    "0", "-0", "+0", "00", "7", "+1", "-1", "0644", "00644", "-0644", "+0644", "0_644", "08", "09", "0008",
    "08.5", "0o17", "0O17", "-0o17", "0o18", "0x1F", "0X1F", "0x1f", "-0x1F", "+0x1F", "0x", "0x_1F", "0x+1",
    "0xG", "0x1F.8", "0x1p4", "0b11", "0B11", "-0b11", "+0b11", "0b12", "0b-11", "0b", "1_000", "1__000",
    "1_000_", "_1000", "+_1", "1_0.5_0", ".5_0", ".5_", "._5", "9223372036854775807", "9223372036854775808",
    "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "+18446744073709551615",
    "18446744073709551616", "0xFFFFFFFFFFFFFFFF", "+0xFFFFFFFFFFFFFFFF", "0x1FFFFFFFFFFFFFFFF",
    "01777777777777777777777", "07777777777777777777777", "123456789012345678901234567890", "0.5", ".5", "5.",
    "-.5", "+.5", "1.0", "-0.0", "1.50", ".", "..5", ".e5", "1e3", "1E3", "1e+3", "1e-3", "1.e3", "1.5e3",
    "1e6", "12e03", "1e17", "1e20", "1e21", "1.5e300", "9007199254740993.0", "9223372036854774784.0", "1e400",
    "-1e400", ".5e400", "1e-400", "1e", "1e3_0", "0.1", "0.1e-5", "3.14159265358979323846", "12:30",
    "12:30:45", "190:20:30", "1:1.5", "2001-12-14 21:59:43.10 -5", "1.2.3", "1,000", "10Mi", "100m", "1 000",
    "007", "0o", "0o0", "0x0", "0b0", "-", "+", "1.2e", "1e+", "1.e", "+.5e3", "1_2.3_4e1", "0x1_F", "0b1_1",
    "0o1_7", "1e-7", "1e-5", "123456789.123456789", "100000000000000000000.0", "4.9e-324",
    "2.2250738585072014e-308", "1.7976931348623157e308", "9999999999999999", "99999999999999999.5",
    "-9223372036854775808.0", "0.1e1", "1__0.5", "._", "_", "__", "1e3e3", "1.1.1", "0.0", "-0.5", "00.5",
    "0e0", "0e5", "-1e3", "--1", "+-1", "0xABCDEF", "0Xabc", "0x7FFFFFFFFFFFFFFF", "-0x8000000000000000",
    "-0x8000000000000001",
];

#[rustfmt::skip]
pub const QUOTED_AND_TAGGED: &[&str] = &[
    "\"yes\"", "'0644'", "\"null\"", "\"~\"", "\"\"", "''", "\"1e3\"", "\"2001-01-01\"", "'it''s'",
    r#""a\tb\u00e9\x41""#, r#""\e\a\b\0""#, r#""\U0001F600""#, r#""\q""#, "\"a", "'a", "\"#\"", "\"a\"b",
    "\"a\" b", "\"a\": b", "!!str 1", "!!str", "!!str yes", "!!str null", "!!int 3", "!!int \"3\"",
    "!!int 0644", "!!int 3.0", "!!int abc", "!!float 1", "!!float \"1e3\"", "!!float 0x10",
    "!!float 18446744073709551615", "!!float abc", "!!bool true", "!!bool 1", "!!bool yEs", "!!null ~",
    "!!null \"\"", "!!null abc", "!!binary aGVsbG8=", "!!binary aGVs bG8=", "!!binary aGVsbG8",
    "!!binary \"%%\"", "!!binary |\n    aGVs\n    bG8=", "!!merge <<", "!!value =", "!!seq {a: 1}",
    "!!map [a]", "!!int {a: 1}", "!!null {a: 1}", "!!str [a]", "!!omap [a: 1]", "!foo 12", "!foo {a: 1}",
    "!foo", "!int 3", "! \"12\"", "! yes", "!!foo 12", "!<tag:yaml.org,2002:int> \"3\"", "!e!foo 1",
    "\"\\u0000\"", "\"\\u263A\"", "\"\\U00110000\"", "\"\\ud800\"", "\"\\x4\"", "\"\\ \"", "\"\\\t\"",
    "\"\\\n    a\"", "\" a \"", "'\\n'", "'a\n\n    b'", "\"a \n    b\"", "\"a\\\n    \\  b\"",
    "\"a\n\n\n    b\"", "''''", "'a''", "'a'b", "\"\\\"\"", "\"\\v\\f\\r\\n\"", "\"\\_\"", "\"{{\"",
    "!!float .inf", "!!float .5", "!!float 1_000", "!!int 1_000", "!!int -0x1F", "!!int 1e3", "!!bool ''",
    "!!null", "!!null null", "!!str ~", "!!str 2001-01-01", "!!str .inf", "!!str \"a\"", "!!str 'a'",
    "!!seq []", "!!map {}", "!!seq", "!!map", "!!pairs [a: 1]", "!!python/none ~", "!local", "!local [a]",
    "!<!x> a", "!<> a", "!! a", "!e!x", "!a!b c", "!!str\n    a", "!!str # c\n    a",
];

#[rustfmt::skip]
pub const FLOW: &[&str] = &[
    "[]", "{}", "[a, b, ]", "[a,,b]", "[,]", "[a:b]", "[a: b]", "[a b, c]", "[[[]]]", "[a", "]",
    "{a: 1, b: [2, {c: 3}]}", "{\"a\":1}", "{? a : 1}", "{a: 1,}", "{a: 1", "{{ .Values.a }}",
    "\"{{ .Values.a }}\"", "[a]b", "[\n  a,\n  b\n  ]", "[a, # c\n  b]", "[[a, b], {c: d}]",
    "{a: {b: {c: d}}}", "[{a: 1}, {b: 2}]", "[a: 1, b: 2]", "[? a : b]", "{a b: c}", "{a: b c}",
    "{a: 'b, c'}", "{'a': 1, \"b\": 2}", "[\"a\":1]", "{\"a\":\"b\"}", "[1,2,3]", "[ 1 , 2 ]", "[1 2]",
    "[- a]", "{-: a}", "{- a: b}", "[a\n]", "[a,\n    b,\n    ]", "{a: 1,\n    b: 2\n    }",
    "{\n    # c\n    a: 1 # d\n    }", "[&a b, *a]", "{&a b: c, d: *a}", "[!!str 1]", "[a, b]: c", "[]]",
    "{}}", "[}", "{]", "[|]", "{a: [}", "[\"a\" \"b\"]", "[a #b\n    ]", "[a#b]", "http://[::1]:80",
    "{a: http://b}", "{a:: b}", "{a: -1}", "[-1]", "{a: - b}", "{a: *b}", "a?b", "a!b", "a&b", "a*b", "a|b",
    "a>b", "a%b", "a@b", "a`b", "a{b", "a}b", "a[b", "a]b", "a,b", "a #b", "a\t#b", "a\t: b", "a :b", "?",
    "&", "*", "%", "-\n", "- a\n    - b",
];

#[rustfmt::skip]
pub const PLAIN: &[&str] = &[
    "a # comment", "a#b", "#a", "a: b", "a:b", "a:", ":a", "::", "-a", "- a", "-", "--", "---", "?a", "? a",
    "&a b", "&a", "*a", "@a", "`a", "%a", "|a", ">a", ",a", "a \"b\"", "a\\b", "a'b", "\\",
    "https://a.b:80/c?d=e#f", "$(a)", "${a}", "*.example.com", "a\tb", "a   ", "1\n    2",
    "a\n    b\n\n    c", "a # x\n    b", "?\ta", "-\ta", "'a\t'", "a\\", "\"a\\\\\"", "C:\\a", "\\x41", "$$",
    "${a:-b}", "${a} ${b}", "$a", "#", " # c", "a\n    # c", "a\n    - b", "a\n    b: c", "a\n   b", "'a'\n",
    "\"a\" # c", "*a b", "&a *b", "&a\n    b", "&a [*a]", "&a &b c", "!!str !!int 1",
];

#[rustfmt::skip]
pub const KEYS: &[&str] = &[
    "\"\": a", "12:30: a", "!!str 1: a", "\"1\": a", "\"yes\": a", "=: a", "null: a", "~: a", ": a",
    "18446744073709551615: a", "? a\n: b", "? a", "? [a]\n: b", "? {a: 1}\n: b", "[a]: b", "{a: 1}: b",
    "a: &k x\n*k : 1", "&k a: 1\nb: *k", "\"a\nb\": 1", "a b: 1", "a: 1\n b: 2", "\"\\x41\": 1", "NULL: a",
    "!!null '': a", "!!str ~: a", "'': a", "\"\\n\": a", "a\\b: c", "a\"b: c", "a'b: c", "a#b: c", "a #b: c",
    "#a: b", "@a: b", "%a: b", "`a: b", "!a: b", "|a: b", "- : b", "-: b", "? : b", "[: b", "{: b", "a]: b",
    "a}: b", "]: b", ",: b", "a,b: c", "...: a", "---: a", "--- a: b", "<<a: 1", "a<<: 1", "~a: 1",
    "12:30:45: a", "a::b: c", "a::: c",
];

#[rustfmt::skip]
pub const BLOCKS: &[&str] = &[
    "v: |\n  a\n  b", "v: |-\n  a\n  b", "v: |+\n  a\n\nw: 1", "v: >\n  a\n  b\n\n  c", "v: >-\n  a\n  b",
    "v: |2\n    a\n  b", "v: |\n  0644", "v: |-\n  yes", "v: >-\n  1e3", "v: |\nw: 1", "v: |\n\n  a",
    "v: | # comment\n  a", "v: |\n  # text\n  a: b", "v: |\n  a\n # comment\nw: 1", "v: |\n  a\tb  \n  c",
    "v: |\n  ---\n  a", "v: |\n a\n  b", "v: \"a\n  b\n\n  c\"", "v: 'a\n  b'", "v: \"a\\\n  b\"",
    "v:\n  - a\n  - b", "v:\n- a\n- b", "v:\n- - a\n  - b\n-\n  c: 1\n  d: 2", "- a", "v: # comment\n  a: 1",
    "v:\n  a: 1\n   b: 2", "v:\n    a: 1\n  b: 2", "v:\n  a: 1\n b: 2", "v: |1\n a\n  b",
    "v: |-2\n    a\n  b", "v: |2-\n    a\n  b", "v: |+1\n  a\n\n", "v: |1+\n  a\n\n", "v: >1-\n  a\n  b",
    "v: >2\n    a\n    b\n  c", "v: |0\n  a", "v: |9\n           a", "v: |--\n  a", "v: |12\n  a",
    "v: |x\n  a", "v: | \n  a", "v: |- # c\n  a", "v: |2 # c\n    a", "v: >-\n  a\n\n\n  b\n",
    "v: >\n\n  a\n\n  b", "v: >-\n  - a\n  - b", "v: |\n    \n  a", "v: |\n   \n   a", "v: |-\n\n\n",
    "v: |\n\n\n", "v: |+\n\n\n", "v: >+\n\n\n", "v: |+\n", "v: |-\n", "v: |\n  a \n  b  \n", "v: |-\n  a  ",
    "v: |\n  a\t\n", "v: >-\n  a \n  b", "v: |\n  #a\n  %b\n  ...\n", "v: |\n  \\n \"q\" 'q'",
    "v:\n  - |\n    a\n  - >-\n    b\n    c\n  - |-\n   d\n", "? |\n  k\n: b", "? >-\n  k\n  l\n: b",
    "v: !!str |\n  1", "v: &x |\n  a\nw: *x", "v: |\n  a: *b\n  <<: {}", "v: !!int |-\n  12",
    "v: !!binary |\n  aGVsbG8=\n", "v: |-\n  a\n\n# c\nw: 1", "v: |+\n  a\n\n# c\nw: 1", "v: >\n  a\n  \n  b",
    "v: |\n  {{ if .A }}\n  a\n  {{ end }}", "v: |\n  a\n   # b\n", "v: |\n  é\u{1F600}", "v: |2\n   a\n   b",
    "v: |3\n  a", "v: [|\n a]", "v: {a: |\n  b}",
];

#[rustfmt::skip]
pub const ALIASES: &[&str] = &[
    "b: &b {x: 1, z: 2}\nv:\n  <<: *b\n  z: 3",
    "b: &b {x: 1, z: 2}\nc: &c {x: 5, q: 6}\nv:\n  <<: [*b, *c]\n  z: 3",
    "b: &b {x: 1}\nc: &c {<<: *b, z: 2}\nv: {<<: *c}", "b: &b {a: {x: 1}}\nv: {<<: *b, a: {z: 1}}",
    "v: {<<: {a: 1}, b: 2}", "v: {<<: [{a: 1}, {a: 2}]}", "v: {<<: }", "v: {<<: a}", "v: {<<: []}",
    "v: {<<: {}}", "v: {<<: [a]}", "b: &b [{a: 1}]\nv: {<<: *b}", "b: &b [{a: 1}]\nv: {<<: [*b]}",
    "v: {!!merge <<: {a: 1}}", "v: {! <<: {a: 1}}", "a: &a 0644\nv: *a", "a: &a \"0644\"\nv: *a",
    "a: &a [1, *a]", "a: &a {b: *a}", "a: &a 1\nb: &a 2\nv: *a", "v: *nope", "a: &a !!str 1\nv: *a",
    "a: !!str &a 1\nv: *a", "a: &a\nv: *a", "v: {a: &x 1, b: *x}", "v: [&x a, *x]",
    "a: &a {b: 1}\nv: [*a, *a]", "*x : c", "a: *", "a: &", "a: & b", "a: * b", "a: &x &y 1", "a: *x\nb: &x 1",
    "<<: {x: 1}", "b: &b\n  x: 1\nv:\n  <<: *b\n  x: ~", "v: {<<: ~}", "v: {<<: 1}", "v: {<< : {a: 1}}",
    "v: {a: <<}", "v: [<<]",
];

#[rustfmt::skip]
pub const CHARACTERS: &[&str] = &[
    "v:\t1", "v: \t1", "v: 1\t# c", "v:\n\ta: 1", "v: \"a\tb\"", "v: {\ta:\t1}", "v: {\n  a: 1,\n\tb: 2\n}",
    "v: éü😀", "v: \"é\\u2028\"", "v: a\u{a0}b", "v: a\u{feff}b", "v: a\u{7}b", "v: \"a\u{7f}b\"",
    "v: a\u{85}b", "v: |\n  a\u{85}b", "v: |\n  a\u{85}  b", "v: \"a\u{85}    b\"", "v: 1 # \u{85}",
    "v: \"a\u{2028}b\"", "v: 'a\u{2029}  b'", "v: a\u{2028}    b", "v: |\n  a\u{2028}    b", "\u{a0}a: 1",
    "a:\u{a0}1", "a: 1\u{a0}", "a: \u{1}", "a: \"\u{1}\"", "a: \"\u{9}\"", "a: \u{7f}", "a: \u{80}",
    "a: \"\u{9f}\"", "a: \u{fffe}", "a: \u{fffd}", "a: \u{e000}", "a: \u{10ffff}", "a: \"\u{feff}\"",
    "a: |\n  \u{feff}b", "a: \u{b}", "a: b\u{c}c", "# \u{1}\na: 1", "# \u{7f}\na: 1", "# \u{2028}\na: 1",
    "a: 1 # \u{2028}", "a: \u{200b}", "a: \u{202e}b", "a: b\rc: d", "a: b\r\n  c", "a: |\r  b\r  c", "a: 1\r",
    "\ra: 1", "a: \0", "a: \"\0\"",
];

#[rustfmt::skip]
pub const FILES: &[&str] = &[
    "\u{feff}HEAD  v: 1\n", "HEAD  v: 1", "HEAD  v: 1\n...\n", "HEAD  v: 1\n---\nNEXT  v: 2\n",
    "HEAD  v: 1\n--- # c\nNEXT  v: 2\n", "HEAD  v: 1\n...\n---\nNEXT  v: 2\n", "---\nHEAD  v: 1\n---\n",
    "---\n---\nHEAD  v: 1\n---\n# c\n---\n", "# c\n---\nHEAD  v: 1\n", "# c\n\nHEAD  v: 1\n",
    "--- \nHEAD  v: 1\n", "%YAML 1.1\n---\nHEAD  v: 1\n", "%YAML 1.2\n---\nHEAD  v: yes\n",
    "%TAG !e! tag:e.com:\n---\nHEAD  v: !e!x yes\n",
    "{apiVersion: e2e.test/v1, kind: Case, metadata: {name: NAME}, spec: {v: 0644}}\n",
    "HEAD  v: |\n    a\n    ---\n    b\n", "HEAD  v: |\n    a\n---\nNEXT  v: 2\n", "HEAD  v: \"a\n---\nb\"\n",
    "HEAD  v: &a 1\n---\nNEXT  v: *a\n", "&r\nHEAD  v: 1\n", "HEAD  v: >\n    a\n\n\n\n",
    "HEAD  v: |+\n    a\n\n\n\n", "HEAD  v: >-\n    a\n\n    b",
    "HEAD  v:\n# c\n  # c\n    # c\n    - a\n# c\n    - b\n", "\n\nHEAD  v: 1\n", " \nHEAD  v: 1\n",
    "HEAD  v: 1\n-----BEGIN\n", "HEAD  v: 1\nb: [\n", "--- # c\nHEAD  v: 1\n", "---\tHEAD  v: 1\n",
    "HEAD  v: 1\n---\t\nNEXT  v: 2\n", "HEAD  v: 1\n---   \nNEXT  v: 2\n", "HEAD  v: 1\n----\nNEXT  v: 2\n",
    "HEAD  v: 1\n--- ---\nNEXT  v: 2\n", "HEAD  v: 1\n ---\nNEXT  v: 2\n",
    "HEAD  v: 1\n---\n---\n---\nNEXT  v: 2\n", "HEAD  v: 1\n---\n~\n---\nNEXT  v: 2\n",
    "HEAD  v: 1\n---\nnull\n", "\u{feff}---\nHEAD  v: 1\n", "\u{feff}# c\nHEAD  v: 1\n",
    "HEAD  v: 1\n... # c\n", "HEAD  v: 1\n...\n...\n", "HEAD  v: 1\n...a\n", "HEAD  v: 1\n....\n",
    "HEAD  v: 1\n...\n# c\n", "HEAD  v: 1\n...\n\n---\nNEXT  v: 2\n...\n", "%YAML 1.1\nHEAD  v: 1\n",
    "%YAML 1.3\n---\nHEAD  v: 1\n", "%YAML 2.0\n---\nHEAD  v: 1\n", "%YAML\n---\nHEAD  v: 1\n",
    "%YAML 1.1\n%YAML 1.1\n---\nHEAD  v: 1\n", "%FOO bar\n---\nHEAD  v: 1\n",
    "# c\n%YAML 1.1\n---\nHEAD  v: 1\n", "HEAD  v: 1\n---\n%YAML 1.1\n---\nNEXT  v: 2\n",
    "%TAG ! tag:a:\n---\nHEAD  v: !x yes\n", "%TAG !! tag:a:\n---\nHEAD  v: !!int 3\n",
    "HEAD  v: |\n    a\n    ...\n    b\n", "HEAD  v: |\n    a\n...\n", "HEAD  v: a\n    ---\n    b\n",
    "HEAD  v: |-\n    a\n---\nNEXT  v: >-\n    b\n", "HEAD  v: |\n---\nNEXT  v: 2\n",
    "HEAD  v: |+\n    a\n\n---\nNEXT  v: 2\n", "HEAD  v: |+\n    a\n\n", "HEAD  v: |\n    a\n    ",
    "HEAD  v: |\n    a\n  ", "HEAD  v: >-\n    a\n    b", "HEAD  v: |-\n    a  ", "HEAD  v: 1\n# c",
    "HEAD  v: 1 # c", "HEAD  v: 1\n\n\n\n", "HEAD  v: 1\n  ", "HEAD  v: 1\n  # c\n", "HEAD  v:\n", "HEAD  v:",
    "HEAD  v: ", "HEAD  v: 'a", "HEAD  v: [", "HEAD  v: {", "HEAD  v: |", "HEAD  v: &a", "HEAD  v: !!str",
    "HEAD\n", "HEAD  \n", "HEAD  v: 1\nextra: 2\n", "HEAD  v: 1\n extra: 2\n", "HEAD  v: 1\n- a\n",
    "HEAD  v: 1\na\n", "HEAD  v: 1\n]\n", "HEAD  v: 1\n}\n", "HEAD  v: 1\n\"\n", "HEAD  v: 1\n--\n",
    "HEAD  v: 1\n-\n", "HEAD  v: 1\n:\n", "HEAD  v: 1\n? a\n", "HEAD  v: 1\n&a\n", "HEAD  v: 1\n!!map\n",
    "{\"apiVersion\": \"e2e.test/v1\", \"kind\": \"Case\", \"metadata\": {\"name\": \"NAME\"}, \"spec\": {\"v\": \"a\\tb\\u00e9\\\\\"}}\n",
    "{\n\t\"apiVersion\": \"e2e.test/v1\", \"kind\": \"Case\",\n\t\"metadata\": {\"name\": \"NAME\"}\n}\n",
    "{JSON}}", "{JSON}}\n---\n{JSON2}}\n", "# c\n{JSON}}\n", "{JSON}, # c\n}\n", "{JSON,}}", "  {JSON}}",
    "---\n{JSON}}\n", "HEAD  v: 1\n---\n{JSON2}}\n", "{JSON, \"v\": 0644}}", "{JSON, v: 'a'}}",
    "{JSON, \"v\":[1,2],\"x\":{\"y\":null}}}", "HEAD  v: *a\n---\nNEXT  v: &a 2\n",
    "apiVersion: e2e.test/v1\nkind: Case\nmetadata:\n  name: \"NAME\"\nspec: {v: 1}\n",
    "\"apiVersion\": e2e.test/v1\n'kind': Case\nmetadata: {name: NAME}\n",
    "? apiVersion\n: e2e.test/v1\nkind: Case\nmetadata: {name: NAME}\n", "!!map\nHEAD  v: 1\n",
    "!!map {apiVersion: e2e.test/v1, kind: Case, metadata: {name: NAME}}\n",
    "&a {apiVersion: e2e.test/v1, kind: Case, metadata: {name: NAME}}\n",
    " apiVersion: e2e.test/v1\n kind: Case\n metadata: {name: NAME}\n", "HEAD  v: 1\n\u{0}\n",
];

#[rustfmt::skip]
pub const YES_AND_NO: &[&str] = &[
    "y", "Y", "yes", "Yes", "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF",
    "[yes, 0644, ~, ]", "{\"a\":yes}",
];

#[rustfmt::skip]
pub const ODD_KEYS: &[&str] = &[
    "0.1: a", ".5: a", "-1: a", "0b11: a", "0o17: a", "1_000: a", "+1: a", "1e-7: a", "100000: a", "1000000.0: a",
    "false: a", "2001-01-01T00:00:00Z: a", "!!int 1: a", "!!int \"1\": a", "!!float 1: a", "!!bool yes: a", "!foo a: b",
    "1: a", "0644: a", "0x1F: a", "08: a", "1.5: a", "1e3: a", "1e5: a", "1e6: a", "1e-4: a", "1e-5: a",
    "16777217.5: a", "-0: a", "-0.0: a", "true: a", "2001-01-01: a", "!!binary aGk=: a", "a: &k 1\n*k : 1",
    "a: &k 1e6\n*k : 1",
];

#[rustfmt::skip]
pub const DATES: &[&str] = &[
    "1:20", "1:60", "-1:20", "20:30:40.5", "2001-12-14T21:59:43Z", "2001-13-01", "20010101",
];

#[rustfmt::skip]
pub const LAYOUT: &[&str] = &[
    "é: 1", "\"a b\": 1", "'a': 1", "a : 1", "a:1", "a:\tb", "a:   b", "? a\n? b", "? a\n:\n  b",
    "?\n  a\n:\n  b", "? - a\n: b", "? \"a\"\n: b", ": a", "a: b: c", "a: 'b': c", "a: \"b\": c",
    "- a: 1\n  b: 2", "a:\n- b\n-\n- c", "a:\n  -\n  - b", "a:\n -  b\n -  c", "a:\n  - b\n   - c",
    "a:\n  - b\n - c", "a:\n  b: 1\n\n\n  c: 2", "a:\n  # c\n  b: 1\n # d\n  c: 2", "a: 1 \nb: 2\t",
    "a:    \n  b: 1", "a:\t\n  b: 1", "a: &x\n  b: 1\nc: *x", "a: &x\n  - 1\nc: *x",
    "&x a: 1\n&y b: 2\nv: [*x, *y]", "a: &x !!str 1\nb: *x", "a: &x ~\nb: *x", "a: &x b\n*x : c",
    "a: 1\n\nb: 2", "a: 1\n  \nb: 2", "a: 1\n# c\nb: 2 # d", "a: b\n  c\n  d", "a: b\n\n  c", "a: 'b\n  c'",
    "a: b # c\n  d", "a: 'b' c", "a:\n  b\n  c: d", "a:\n  'b'", "a:\n  |\n  b", "a:\n  > \n  b",
    "a:\n  &x\n  b", "a:\n  !!str\n  1", "a: !!map\n  b: 1", "a: !!seq\n- 1", "a: !!map &x\n  b: 1\nc: *x",
    "a:\n  - - - 1\n    - 2\n  - 3", "a: - b", "a: -\n", "- - a", "[a]", "{a: 1}", "\"a\"", "a", "~",
    "a: [\n1\n]", "a: [\n  1\n]", "a: {\n  b: 1\n}", "a: {\n  b: 1\n  }", "a: [b\n  c, d]",
    "a: \"b\n  \n  c\"", "a: \"b\\n\\\n  c\"", "a: 'b\n\n\n  c '", "a: \"\n  b\n  \"", "a: '\n\n  b'",
];

#[rustfmt::skip]
pub const CRLF: &[&str] = &[
    "v: |\n  a\n  b", "v: \"a\n  b\"", "v: a\n  b", "v: 1 # c", "v: >\n  a\n  b\n\n  c", "v: |+\n  a\n\n",
    "v: |-\n  a\n  b", "v: 'a\n\n  b'", "v: [\n  a,\n  b\n  ]", "v: \"a\\\n  b\"", "# c\nv: 1",
    "v:\n- a\n\n- b", "v: |2\n    a", "v: |\n  a \n  b\t",
];

#[rustfmt::skip]
pub const ENCODED: &[&str] = &[
    "v: 1", "v: é", "v: 😀", "😀: 1", "v: |\n  a\n  b", "v: \"\\u00e9\"", "v: 0644  # é", "v: 'Ċ'",
];
