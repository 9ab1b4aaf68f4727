//! JSON, as a `.json` file holds it.

use std::cell::Cell;
use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;
use serde_json::{Map, Value};
use serde_path_to_error::{Segment, Track};

use super::malformed::{TOO_MUCH, TWICE};
use super::{Document, Malformed, scalar, weight};

/// Reads a stream of JSON values.
pub fn json(text: &str) -> Result<Vec<Document>, Malformed> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let (mut documents, mut line, mut begin) = (Vec::new(), 0, 0);
    while let Some(value) = values.next() {
        if let Err(error) = value {
            return Err(malformed(text, begin, &error));
        }
        let end = values.byte_offset();
        let value = text[begin..end].trim_start();
        line += newlines(&text[begin..end - value.len()]);
        let read = Reader { held: &Cell::new(0) };
        let read = read.deserialize(&mut serde_json::Deserializer::from_str(value));
        let read = read.map_err(|error| malformed(text, end - value.len(), &error))?;
        documents.push(Document { line: line + 1, items: Vec::new(), value: read });
        line += newlines(value);
        begin = end;
    }
    Ok(documents)
}

fn newlines(text: &str) -> u32 {
    u32::try_from(text.matches('\n').count()).unwrap_or_default()
}

/// Only here a value is read again with a note of the keys that lead to the error.
fn malformed(text: &str, begin: usize, error: &serde_json::Error) -> Malformed {
    let (mut track, held) = (Track::new(), Cell::new(0));
    let mut again = serde_json::Deserializer::from_str(&text[begin..]);
    let tracked = serde_path_to_error::Deserializer::new(&mut again, &mut track);
    let again = Reader { held: &held }.deserialize(tracked);
    let error = again.as_ref().err().unwrap_or(error);
    let why = match error.classify() {
        Category::Eof => "the JSON ends too early",
        Category::Data if held.get() > weight::LIMIT => TOO_MUCH,
        Category::Data => TWICE,
        _ => "this is not JSON",
    };
    let (line, column) = place(&text[..begin], error);
    let bad = Malformed::new(line, column, why);
    let steps: Vec<_> = track.path().iter().cloned().collect();
    steps.into_iter().rev().fold(bad, |bad, step| match step {
        Segment::Seq { index } => bad.in_item(index),
        Segment::Map { key } => bad.below(&key),
        _ => bad,
    })
}

/// Line from 1 and column from 0 of an error behind what stands before.
fn place(before: &str, error: &serde_json::Error) -> (usize, usize) {
    let lines = before.matches('\n').count();
    let last = before.rsplit('\n').next().unwrap_or_default();
    let indent = if error.line() == 1 { last.len() } else { 0 };
    (lines + error.line(), indent + error.column().saturating_sub(1))
}

/// Reads a value with its numbers as Kubernetes sends them, and each key once.
#[derive(Clone, Copy)]
struct Reader<'a> {
    /// What has been read, about in bytes.
    held: &'a Cell<usize>,
}

impl Reader<'_> {
    fn hold<E: serde::de::Error>(self, weight: usize) -> Result<(), E> {
        self.held.set(self.held.get() + weight);
        if self.held.get() > weight::LIMIT { Err(E::custom(TOO_MUCH)) } else { Ok(()) }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "as Kubernetes does")]
        Ok(i64::try_from(value).map_or_else(|_| number(value as f64), Value::from))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(number(value))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut all: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = all.next_element_seed(self)? {
            self.hold(weight::VALUE)?;
            items.push(item);
        }
        Ok(items.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut all: A) -> Result<Value, A::Error> {
        self.hold(weight::MAPPING)?;
        let mut fields = Map::new();
        while let Some(key) = all.next_key::<String>()? {
            self.hold(weight::FIELD)?;
            let value = all.next_value_seed(self)?;
            if fields.insert(key, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(fields.into())
    }
}

fn number(value: f64) -> Value {
    scalar::float(value).unwrap_or_default()
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
    fn what_would_fill_the_memory_is_refused() {
        let check = |text: String| {
            let bad = super::json(&text).unwrap_err();
            assert_eq!(bad.why, super::TOO_MUCH);
        };
        check(format!("[{}0]", "{},".repeat(210_000)));
        check(format!("[{}0]", "0,".repeat(5_000_000)));
        assert!(super::json(&"{} ".repeat(100_000)).is_ok());
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
        check("{}\n\n  {\"a\": 1,\n\"a\": 2}", (4, 7), "");
        check("{} {\"a\": hunter2}", (1, 10), "a");
    }
}
