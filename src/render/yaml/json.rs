//! JSON, as a `.json` file holds it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::malformed::TWICE;
use super::{Document, Malformed, scalar};

/// Reads a stream of JSON values.
pub fn json(text: &str) -> Result<Vec<Document>, Malformed> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Whole>();
    let mut documents = Vec::new();
    loop {
        let begin = values.byte_offset();
        match values.next() {
            None => return Ok(documents),
            Some(Ok(Whole(value))) => documents.push(Document { line: line(text, begin), value }),
            Some(Err(error)) => return Err(malformed(&text[begin..], &error)),
        }
    }
}

/// The line on which the value behind a place begins.
fn line(text: &str, begin: usize) -> u32 {
    let rest = text[begin..].trim_start();
    let before = &text[..text.len() - rest.len()];
    u32::try_from(before.matches('\n').count() + 1).unwrap_or_default()
}

/// Only here the text is read again with a note of the keys that lead to the error.
fn malformed(text: &str, error: &serde_json::Error) -> Malformed {
    let why = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends too early",
        serde_json::error::Category::Data => TWICE,
        _ => "this is not JSON",
    };
    let bad = Malformed::new(error.line(), error.column().saturating_sub(1), why);
    let mut again = serde_json::Deserializer::from_str(text);
    let Err(error) = serde_path_to_error::deserialize::<_, Whole>(&mut again) else { return bad };
    let steps: Vec<_> = error.path().iter().collect();
    steps.into_iter().rev().fold(bad, |bad, step| match step {
        Segment::Seq { index } => bad.in_item(*index),
        Segment::Map { key } => bad.below(key),
        _ => bad,
    })
}

/// A value with its numbers as Kubernetes sends them, and each key once.
struct Whole(Value);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Whole;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Whole, E> {
        Ok(Whole(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Whole, E> {
        Ok(Whole(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Whole, E> {
        Ok(Whole(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Whole, E> {
        #[expect(clippy::cast_precision_loss, reason = "as Kubernetes does")]
        Ok(i64::try_from(value).map_or_else(|_| whole(value as f64), |value| Whole(value.into())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Whole, E> {
        Ok(whole(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Whole, E> {
        Ok(Whole(text.into()))
    }

    fn visit_string<E>(self, text: String) -> Result<Whole, E> {
        Ok(Whole(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Whole, A::Error> {
        let mut items = Vec::new();
        while let Some(Whole(item)) = all.next_element()? {
            items.push(item);
        }
        Ok(Whole(items.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Whole, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = all.next_key::<String>()? {
            let Whole(value) = all.next_value()?;
            if fields.insert(key, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Whole(fields.into()))
    }
}

fn whole(value: f64) -> Whole {
    Whole(scalar::float(value).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn numbers_are_sent_as_kubectl_sends_them() {
        let text = "{\"a\": 1e3, \"b\": [-0, 1.0, 1.5]}\n 18446744073709551615";
        let read = super::json(text).unwrap();
        assert_eq!(read[0].value, json!({"a": 1000, "b": [0, 1, 1.5]}));
        assert_eq!(read[1].value, json!(18_446_744_073_709_551_615.0));
        assert_eq!((read[0].line, read[1].line), (1, 2));
    }

    #[test]
    fn what_is_wrong_is_placed_and_never_quoted() {
        let check = |text: &str, place: (u32, u32), path: &str| {
            let bad = super::json(text).unwrap_err();
            assert_eq!(((bad.line, bad.column), bad.path().to_string().as_str()), (place, path));
            assert!(!bad.why.contains("hunter2"), "{bad:?}");
        };
        check("{\"a\": [1,\n {\"b\": hunter2}]}", (2, 8), "a[1].b");
        check("{\"a\": {\"b\": 1, \"b\": \"hunter2\"}}", (1, 30), "a");
        check("{} {\"a\": \"hunter2", (1, 17), "a");
        check("{\"a\": \"hunter2\"", (1, 15), "");
        check("[1e999]", (1, 6), "[0]");
    }
}
