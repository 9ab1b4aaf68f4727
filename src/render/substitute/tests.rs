use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// What Flux makes of texts: written by `sigs.k8s.io/yaml`, substituted by `fluxcd/pkg/envsubst` 1.8, read again. A
/// place that is not named is one where it gives an error, or changes what is around it.
const FLUX: &str = include_str!("flux.jsonl");

/// Texts of which we make something else, on purpose.
const OURS: [&str; 11] = [
    // Documented, and refused by its parser.
    "${a-d}",
    "${z-d}",
    "${z-}${a}",
    "${pa/#/x}",
    "${pa/%/x}",
    // Not supported, and taken for a default.
    "${z:+x}",
    "${a:+x}",
    "${a:?x}",
    // A class is turned around with the text, and matches nothing.
    "${pa%[a-z]}",
    // Two dollars are one only before a brace.
    "$$ ${a}",
    "${z:=<<}",
];

fn variables(values: &Value) -> BTreeMap<String, Variable> {
    let values = values.as_object().unwrap().iter();
    let variable = |(name, text): (&String, &Value)| {
        let text = text.as_str().unwrap().to_owned();
        (name.clone(), Variable { text, is_secret: name.starts_with("secret") })
    };
    values.map(variable).collect()
}

fn substituted(body: &Value, values: &Value) -> Result<Option<Substituted>, Vec<Unsubstituted>> {
    Substitution::new(variables(values), true).object(body)
}

#[test]
fn texts_become_what_flux_makes_of_them() {
    let mut lines = FLUX.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let values = lines.next().unwrap()["variables"].clone();
    let (mut count, mut wrong) = (0, Vec::new());
    for line in lines {
        let text = line["text"].as_str().unwrap();
        if OURS.contains(&text) {
            continue;
        }
        let mut check = |place: &str, body: Value, found: fn(&Value) -> Value| {
            let made = match substituted(&body, &values) {
                Ok(None) => Some(found(&body)),
                Ok(Some(made)) => Some(found(&made.body)),
                Err(_) => None,
            };
            if made.as_ref() != line.get(place) {
                wrong.push(format!("{place} {text:?}: {made:?}, Flux {:?}", line.get(place)));
            }
            count += 1;
        };
        check("field", json!({"k": text}), |body| body["k"].clone());
        check("item", json!({"l": [text]}), |body| body["l"][0].clone());
        check("key", json!({text: "v"}), |body| {
            body.as_object().unwrap().keys().next().unwrap().as_str().into()
        });
    }
    assert!(count > 500, "{count}");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn what_we_make_otherwise_than_flux_is_known() {
    let values = json!({"a": "b", "empty": "", "pa": "path/to/file"});
    let check = |text: &str, expect: Option<Value>| {
        let made = substituted(&json!({"k": text}), &values).ok();
        let made = made.map(|made| made.map_or(json!(text), |made| made.body["k"].clone()));
        assert_eq!(made, expect, "{text}");
    };
    check("${a-d}", Some(json!("b")));
    check("x${empty-d}", Some(json!("x")));
    check("${z-d}", Some(json!("d")));
    check("${pa/#/x}", Some(json!("xpath/to/file")));
    check("${pa/%/x}", Some(json!("path/to/filex")));
    check("${z:+x}", None);
    check("${a:+x}", None);
    check("${a:?x}", None);
    check("${a?x}", None);
    check("${a+x}", None);
    check("${pa%[a-z]}", Some(json!("path/to/fil")));
    check("$$ ${a}", Some(json!("$$ b")));
    check("$a $$a $(a) $$(a)", Some(json!("$a $$a $(a) $$(a)")));
    check(&format!("{}x{}", "${a:=".repeat(20), "}".repeat(20)), None);
}

#[test]
fn all_that_is_missing_or_malformed_is_said_at_once_and_nothing_is_quoted() {
    let values = json!({"secretA": "hunter2: hunter2", "b": "x"});
    let body = json!({
        "metadata": {"name": "${first}-${b}"},
        "data": {"x": "${second} ${first}", "y": ["${b"], "z": "${secretA}"},
    });
    let faults = substituted(&body, &values).unwrap_err();
    let said: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 2, "{said:#?}");
    assert!(said[0].starts_with("uses ${first}, ${second}, which postBuild"), "{said:#?}");
    assert!(said[1].starts_with("has in data.y.0 what is not closed"), "{said:#?}");
    let faults = substituted(&json!({"z": body["data"]["z"]}), &values);
    assert!(faults.is_err());
    let faults = substituted(&json!({"a": {"z": "${secretA}", "${b}": 1, "x": 2}}), &values);
    let said: Vec<_> = faults.unwrap_err().iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|said| said.contains("has in a two fields")), "{said:#?}");
    assert!(said.iter().any(|said| said.contains("has in a.z what is no value")), "{said:#?}");
    assert!(!said.concat().contains("hunter2"), "{said:#?}");
}

#[test]
fn where_it_is_not_strict_what_is_missing_is_empty() {
    let substitution = Substitution::new(BTreeMap::new(), false);
    let made = substitution.object(&json!({"a": "x${z}", "b": "${z}"})).unwrap().unwrap();
    assert_eq!(made.body, json!({"a": "x", "b": null}));
}

#[test]
fn an_object_can_be_left_alone() {
    for mark in ["gitops-sync.dev/substitute", "kustomize.toolkit.fluxcd.io/substitute"] {
        for place in ["labels", "annotations"] {
            let check = |value: &str, is_left: bool| {
                let body = json!({"metadata": {place: {mark: value}}, "a": "${a}"});
                let made = substituted(&body, &json!({"a": "b"})).unwrap();
                assert_eq!(made.is_none(), is_left, "{mark} {place} {value}");
            };
            check("disabled", true);
            check("Disabled", false);
            check("enabled", false);
        }
    }
}

#[test]
fn secret_values_are_marked_wherever_they_go() {
    let values = json!({"secretA": "hunter2/x", "b": "x"});
    let body = json!({
        "plain": "${b}", "left": "secretA", "whole": "${secretA}", "part": ["x", "a${secretA:2:3}"],
        "length": "${#secretA}", "default": "${z:=${secretA}}", "${secretA}/y": {"~": "${secretA}"},
    });
    let made = substituted(&body, &values).unwrap().unwrap();
    let marked: Vec<_> = made.marks.values().collect();
    let expect = ["/default", "/hunter2~1x~1y/~0", "/length", "/part/1", "/whole"];
    assert_eq!(marked, expect);
    assert_eq!(made.marks.keys().collect::<Vec<_>>(), ["hunter2/x/y"]);
    assert!(!format!("{:?}", Substitution::new(variables(&values), true)).contains("hunter2"));
}

#[test]
fn what_grows_beyond_any_object_is_refused() {
    let large = "a".repeat(1 << 20);
    let values = json!({"large": large, "b": "x"});
    let check = |body: Value| {
        let faults = substituted(&body, &values).unwrap_err();
        assert!(faults[0].to_string().contains("more of it than any object"), "{faults:?}");
    };
    check(json!({"a": "${large}".repeat(100)}));
    check(json!({"a": "${large//a/${large}}"}));
    check(vec!["${large}"; 10].into());
    check(json!({"a": "${z:=${z:=${large}${large}${large}${large}${large}}}"}));
    assert!(substituted(&json!({"a": "${large}"}), &values).is_ok());
}

#[test]
fn values_stay_in_one_line() {
    let made = substituted(&json!({"a": "x${n}", "b": "x\n${n}\n"}), &json!({"n": "1\n2\n"}));
    assert_eq!(made.unwrap().unwrap().body, json!({"a": "x12", "b": "x\n12\n"}));
}

/// A value as objects have them, without what would be substituted.
fn value() -> impl Strategy<Value = Value> {
    let text = "[ -~\n\täé😀]{0,12}".prop_map(|text: String| text.replace(OPEN, "$ {"));
    let single =
        prop_oneof![text.clone().prop_map(Value::from), any::<i64>().prop_map(Value::from)];
    single.prop_recursive(3, 20, 4, move |inside| {
        let map = proptest::collection::btree_map(text.clone(), inside.clone(), 0..4);
        let list = proptest::collection::vec(inside, 0..4).prop_map(Value::from);
        prop_oneof![map.prop_map(|map| map.into_iter().collect()), list]
    })
}

proptest! {
    /// What holds nothing to substitute is not touched, also beside what does.
    #[test]
    fn other_texts_stay(value in value()) {
        let values = json!({"a": "b"});
        prop_assert_eq!(substituted(&value, &values).unwrap(), None);
        let made = substituted(&json!({"x": "${a}", "y": value}), &values).unwrap().unwrap();
        prop_assert_eq!(made.body, json!({"x": "b", "y": value}));
        prop_assert!(made.marks.is_empty());
    }

    /// A text around an expression stays as it was written, whatever it holds; or it is said why not.
    #[test]
    fn texts_around_an_expression_stay(before in "[ -#%-~\näé]{0,9}", after in "[ -#%-~\näé]{0,9}") {
        let text = format!("x{before}${{a}}{after}x");
        let made = substituted(&json!({"k": text}), &json!({"a": "b"})).unwrap().unwrap();
        prop_assert_eq!(made.body, json!({"k": text.replace("${a}", "b")}));
    }

    /// Nothing makes it panic, and no value of a secret is ever said.
    #[test]
    fn any_text_is_substituted_or_refused(text in "(\\$\\{|\\}|[a-cz:=/#%^,*?\\[\\]\\\\$ \n'\"-]){0,24}") {
        let values = json!({"a": "é: x", "secretb": "hunter2 # [", "c": ""});
        if let Err(faults) = substituted(&json!({"k": [text], "l": {text.clone(): 1}}), &values) {
            prop_assert!(!faults.is_empty());
            let said = format!("{faults:?}");
            prop_assert!(!said.contains("hunter2"));
        }
    }
}
