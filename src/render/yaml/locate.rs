//! Where a field stands in a text: read again only to say so of what is wrong.

use serde_saphyr::granit_parser::{Event, Parser, Span, StrInput};

use super::tree;

/// Line and column.
pub type Place = (u32, u32);

/// Line and column of the last of these keys, or of the nearest around it that is there, in the object that begins
/// on a line: a document, or an item of a list of objects.
pub fn locate(text: &str, line: u32, keys: &[&str]) -> Option<Place> {
    let mut finder = Finder { parser: tree::parser(text), line: usize::try_from(line).ok()? };
    finder.documents(keys).ok().flatten()
}

/// Where a field of the map that a text begins with stands, and the first text in it that is wanted.
pub fn in_field(
    text: &str,
    is_field: impl Fn(&str) -> bool,
    is_wanted: impl Fn(&str) -> bool,
) -> Option<(Place, Option<Place>)> {
    let mut finder = Finder { parser: tree::parser(text), line: 0 };
    finder.in_field(is_field, is_wanted).ok().flatten()
}

/// The text cannot be read to its end.
struct Broken;

struct Finder<'t> {
    parser: Parser<'t, StrInput<'t>>,
    line: usize,
}

impl<'t> Finder<'t> {
    fn next(&mut self) -> Result<(Event<'t>, Span), Broken> {
        self.parser.next().and_then(Result::ok).ok_or(Broken)
    }

    fn documents(&mut self, keys: &[&str]) -> Result<Option<Place>, Broken> {
        loop {
            match self.next()?.0 {
                Event::StreamEnd => return Ok(None),
                Event::DocumentStart(..) => {
                    let (event, at) = self.next()?;
                    if let Some(place) = self.object(&event, at, keys)? {
                        return Ok(Some(place));
                    }
                }
                _ => {}
            }
        }
    }

    /// The place in this node, if it is the object or a list that holds it.
    fn object(
        &mut self,
        event: &Event<'t>,
        at: Span,
        keys: &[&str],
    ) -> Result<Option<Place>, Broken> {
        if at.start.line() == self.line {
            return self.below(event, at, keys).map(Some);
        }
        if !matches!(event, Event::MappingStart(..)) {
            return self.skip(event).map(|()| None);
        }
        loop {
            let (key, _) = self.next()?;
            if key == Event::MappingEnd {
                return Ok(None);
            }
            self.skip(&key)?;
            let (value, _) = self.next()?;
            if !is_key(&key, "items") || !matches!(value, Event::SequenceStart(..)) {
                self.skip(&value)?;
            } else if let Some(place) = self.item(keys)? {
                return Ok(Some(place));
            }
        }
    }

    fn item(&mut self, keys: &[&str]) -> Result<Option<Place>, Broken> {
        loop {
            let (event, at) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(None);
            }
            if at.start.line() == self.line {
                return self.below(&event, at, keys).map(Some);
            }
            self.skip(&event)?;
        }
    }

    /// Goes down along the keys as far as they lead; `last` is where the key before was.
    fn below(&mut self, event: &Event<'t>, last: Span, keys: &[&str]) -> Result<Place, Broken> {
        let ([wanted, rest @ ..], Event::MappingStart(..)) = (keys, event) else {
            return Ok(place(last));
        };
        loop {
            let (key, at) = self.next()?;
            if key == Event::MappingEnd {
                return Ok(place(last));
            }
            self.skip(&key)?;
            let (value, _) = self.next()?;
            if is_key(&key, wanted) {
                return self.below(&value, at, rest);
            }
            self.skip(&value)?;
        }
    }

    fn in_field(
        &mut self,
        is_field: impl Fn(&str) -> bool,
        is_wanted: impl Fn(&str) -> bool,
    ) -> Result<Option<(Place, Option<Place>)>, Broken> {
        while !matches!(self.next()?.0, Event::MappingStart(..)) {}
        let mut found = None;
        loop {
            let (key, at) = self.next()?;
            if key == Event::MappingEnd {
                return Ok(found);
            }
            self.skip(&key)?;
            if !matches!(&key, Event::Scalar(name, ..) if is_field(name)) {
                let (value, _) = self.next()?;
                self.skip(&value)?;
                continue;
            }
            let wanted = self.first(&is_wanted)?;
            if wanted.is_some() {
                return Ok(Some((place(at), wanted)));
            }
            found = found.or(Some((place(at), None)));
        }
    }

    /// The first text in the node that comes next that is wanted. If there is none, the node has been passed over.
    fn first(&mut self, is_wanted: impl Fn(&str) -> bool) -> Result<Option<Place>, Broken> {
        let mut depth = 0;
        loop {
            let (event, at) = self.next()?;
            if matches!(&event, Event::Scalar(text, ..) if is_wanted(text)) {
                return Ok(Some(place(at)));
            }
            depth += nesting(&event);
            if depth == 0 {
                return Ok(None);
            }
        }
    }

    /// Passes over all that belongs to a node whose first event has been read.
    fn skip(&mut self, event: &Event<'t>) -> Result<(), Broken> {
        let mut depth = nesting(event);
        while depth > 0 {
            depth += nesting(&self.next()?.0);
        }
        Ok(())
    }
}

fn nesting(event: &Event<'_>) -> i32 {
    match event {
        Event::MappingStart(..) | Event::SequenceStart(..) => 1,
        Event::MappingEnd | Event::SequenceEnd => -1,
        _ => 0,
    }
}

fn is_key(event: &Event<'_>, wanted: &str) -> bool {
    matches!(event, Event::Scalar(text, ..) if text == wanted)
}

fn place(at: Span) -> Place {
    let number = |n: usize| u32::try_from(n).unwrap_or_default();
    (number(at.start.line()), number(at.start.col() + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_where_they_stand() {
        let text = "a: 1\n---\n# c\nkind: Pod\nmetadata:\n  labels: {x: {y: 1}, z: 2}\n  name: 7\n---\n\
                    items:\n- kind: A\n- kind: B\n  metadata: {name: \"\"}\n";
        let check = |line, keys: &[&str], expect| {
            assert_eq!(locate(text, line, keys), expect, "{keys:?}");
        };
        check(4, &["metadata", "name"], Some((7, 3)));
        check(4, &["metadata", "labels", "z"], Some((6, 23)));
        check(4, &["metadata", "namespace"], Some((5, 1)));
        check(4, &["metadata", "name", "x"], Some((7, 3)));
        check(4, &[], Some((4, 1)));
        check(11, &["metadata", "name"], Some((12, 14)));
        check(10, &["metadata", "name"], Some((10, 3)));
        check(99, &["metadata"], None);
    }

    #[test]
    fn texts_are_found_in_their_fields() {
        let text = "# c\na: [x]\nb:\n- {c: y}\n- k=z\nB: [w, x]\nd: e\n";
        let check = |field: &str, wanted: &str, expect| {
            let is_field = |name: &str| name.eq_ignore_ascii_case(field);
            let found = in_field(text, is_field, |text| text.ends_with(wanted));
            assert_eq!(found, expect, "{field} {wanted}");
        };
        check("a", "x", Some(((2, 1), Some((2, 5)))));
        check("b", "y", Some(((3, 1), Some((4, 7)))));
        check("b", "z", Some(((3, 1), Some((5, 3)))));
        check("b", "x", Some(((6, 1), Some((6, 8)))));
        check("b", "e", Some(((3, 1), None)));
        check("d", "e", Some(((7, 1), Some((7, 4)))));
        check("x", "x", None);
    }
}
