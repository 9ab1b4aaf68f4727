//! What a scalar means: the rules of go-yaml v2, YAML 1.1 with changes, by which kubectl reads.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Number, Value};

/// A scalar's meaning.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// Beyond `i64`.
    Big(u64),
    Float(f64),
    Text(String),
}

impl Scalar {
    /// A plain scalar without a tag.
    pub(super) fn plain(text: &str) -> Self {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => Self::Null,
            "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
                Self::Bool(true)
            }
            "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off"
            | "OFF" => Self::Bool(false),
            ".nan" | ".NaN" | ".NAN" => Self::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Self::Float(f64::INFINITY),
            "-.inf" | "-.Inf" | "-.INF" => Self::Float(f64::NEG_INFINITY),
            _ => number(text).unwrap_or_else(|| Self::Text(text.to_owned())),
        }
    }

    /// A scalar with a tag of YAML's own, such as `int`; none if it does not fit.
    pub(super) fn tagged(tag: &str, text: &str) -> Option<Self> {
        match (tag, Self::plain(text)) {
            ("null", scalar @ Self::Null)
            | ("bool", scalar @ Self::Bool(_))
            | ("int", scalar @ (Self::Int(_) | Self::Big(_)))
            | ("float", scalar @ (Self::Float(_) | Self::Int(_))) => Some(scalar),
            ("null" | "bool" | "int" | "float", _) => None,
            ("binary", _) => decoded(text).map(Self::Text),
            _ => Some(Self::Text(text.to_owned())),
        }
    }

    /// As a JSON value; none for infinity and not-a-number.
    pub(super) fn value(self) -> Option<Value> {
        Some(match self {
            Self::Null => Value::Null,
            Self::Bool(value) => value.into(),
            Self::Int(value) => value.into(),
            #[expect(clippy::cast_precision_loss, reason = "as Kubernetes does")]
            Self::Big(value) => return float(value as f64),
            Self::Float(value) => return float(value),
            Self::Text(text) => text.into(),
        })
    }

    /// As a key of a JSON object; none if it cannot be one.
    pub(super) fn key(self) -> Option<String> {
        match self {
            Self::Bool(value) => Some(value.to_string()),
            Self::Int(value) => Some(value.to_string()),
            Self::Float(value) => float_key(value),
            Self::Text(text) => Some(text),
            Self::Null | Self::Big(_) => None,
        }
    }
}

/// A number as Kubernetes sends it: without a fraction if it has none; below 2^63, exactly.
pub(super) fn float(value: f64) -> Option<Value> {
    let text = value.to_string();
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    Number::from_f64(value).map(Value::Number)
}

/// A float as Go writes it in single precision, which is what makes it a key.
#[expect(clippy::cast_possible_truncation, reason = "as sigs.k8s.io/yaml does")]
fn float_key(value: f64) -> Option<String> {
    let value = value as f32;
    shortest(&format!("{value:e}"), value.to_string())
}

/// A number as Go writes it.
pub(super) fn written(number: &Number) -> String {
    let float = number.as_f64().filter(|_| number.is_f64());
    let written = float.and_then(|value| shortest(&format!("{value:e}"), value.to_string()));
    written.unwrap_or_else(|| number.to_string())
}

/// As Go's `%g` has it.
fn shortest(scientific: &str, decimal: String) -> Option<String> {
    let (digits, exponent) = scientific.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    Some(match exponent {
        -4..6 => decimal,
        _ => format!("{digits}e{exponent:+03}"),
    })
}

fn number(text: &str) -> Option<Scalar> {
    match text.as_bytes().first()? {
        b'0'..=b'9' | b'+' | b'-' => {
            let text = text.replace('_', "");
            integer(&text).or_else(|| finite(&text)).or_else(|| binary(&text))
        }
        b'.' if separates_digits(text) => finite(&text.replace('_', "")),
        _ => None,
    }
}

/// An integer as Go's `ParseInt` takes it with base 0.
fn integer(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (radix, digits) = match unsigned.get(..2) {
        Some("0x" | "0X") => (16, &unsigned[2..]),
        Some("0o" | "0O") => (8, &unsigned[2..]),
        Some("0b" | "0B") => (2, &unsigned[2..]),
        _ if unsigned.starts_with('0') => (8, unsigned),
        _ => (10, unsigned),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let magnitude = u64::from_str_radix(digits, radix).ok()?;
    match text.as_bytes()[0] {
        b'-' => 0_i64.checked_sub_unsigned(magnitude).map(Scalar::Int),
        b'+' => i64::try_from(magnitude).ok().map(Scalar::Int),
        _ => Some(i64::try_from(magnitude).map_or(Scalar::Big(magnitude), Scalar::Int)),
    }
}

/// `0b-11`, which is an accident of go-yaml.
fn binary(text: &str) -> Option<Scalar> {
    i64::from_str_radix(text.strip_prefix("0b")?, 2).ok().map(Scalar::Int)
}

/// A decimal float. What is too large for one is text.
fn finite(text: &str) -> Option<Scalar> {
    let decimal = |c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.' | 'e' | 'E');
    let value: f64 = text.chars().all(decimal).then(|| text.parse().ok())??;
    value.is_finite().then_some(Scalar::Float(value))
}

/// Whether every underscore stands between two digits.
fn separates_digits(text: &str) -> bool {
    let between = |w: &[u8]| w[1] != b'_' || (w[0].is_ascii_digit() && w[2].is_ascii_digit());
    text.as_bytes().windows(3).all(between) && !text.ends_with('_')
}

fn decoded(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.replace(['\r', '\n'], "")).ok()?;
    String::from_utf8(bytes).ok()
}
