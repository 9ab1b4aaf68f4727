//! Events of the YAML parser to JSON values: anchors, aliases, merge keys, and their limits.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};
use serde_saphyr::granit_parser::{
    Event, Options, Parser, ScalarStyle, Span, StrInput, StructureStyle, Tag,
};

use super::Document;
use super::malformed::{Malformed, NO_ANCHOR, NOT_YAML, TOO_MUCH, TWICE};
use super::scalar::Scalar;
use super::weight::{self, FIELD, MAPPING, VALUE};

/// The deepest nesting. `serde_json` reads no deeper, so no answer of an API server could hold it.
const DEPTH: usize = 127;
/// How deep the items of a list of objects are nested.
const LIST: usize = 2;
/// The most that anchors and aliases of a text may copy, about in bytes.
const COPIES: usize = 32 << 20;
/// The namespace of YAML's own tags.
const YAML: &str = "tag:yaml.org,2002:";
/// The key whose value is merged into the mapping that it stands in.
const MERGE: &str = "<<";
const QUESTION: &str = "text in brackets that begins with ? means one thing or another to those who read YAML: quote it";
const COLON: &str = "a colon right before a comma or bracket means one thing or another to those who read YAML: \
     put a space behind it, or quotes around the text";

/// Reads all documents of a text; empty ones are left out.
pub(super) fn documents(text: &str) -> Result<Vec<Document>, Malformed> {
    let mut reader = Reader {
        text,
        parser: parser(text),
        anchors: HashMap::new(),
        copied: 0,
        held: 0,
        list: Vec::new(),
        items: Vec::new(),
    };
    let mut documents = Vec::new();
    loop {
        match reader.event()?.0 {
            Event::StreamEnd => return Ok(documents),
            Event::DocumentStart(..) => documents.extend(reader.document()?),
            _ => {}
        }
    }
}

/// A parser of all documents of a text.
pub(super) fn parser(text: &str) -> Parser<'_, StrInput<'_>> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    options.disallow_directives = true;
    Parser::new_from_str_with_options(text, options)
}

/// A node, its scalar not yet a value or a key.
#[derive(Clone)]
enum Node {
    Scalar(Scalar),
    Collection(Value),
}

/// A node that an alias may name, and its size.
struct Anchored {
    node: Node,
    depth: usize,
    weight: usize,
}

/// Where a node stands.
#[derive(Clone, Copy)]
struct Place {
    /// Collections around it.
    depth: usize,
    /// Whether it stands between brackets or braces.
    is_flow: bool,
}

impl Place {
    const ROOT: Self = Self { depth: 0, is_flow: false };

    /// A place in a collection that stands here.
    fn inside(self, style: StructureStyle) -> Self {
        Self { depth: self.depth + 1, is_flow: style == StructureStyle::Flow }
    }
}

struct Reader<'t> {
    text: &'t str,
    parser: Parser<'t, StrInput<'t>>,
    anchors: HashMap<usize, Anchored>,
    copied: usize,
    /// What the document comes to, about in bytes.
    held: usize,
    /// Lines of the items of the last list that a root's key holds.
    list: Vec<u32>,
    /// Lines of the items of the document.
    items: Vec<u32>,
}

impl<'t> Reader<'t> {
    fn event(&mut self) -> Result<(Event<'t>, Span), Malformed> {
        match self.parser.next() {
            Some(event) => event.map_err(Malformed::from),
            None => Ok((Event::StreamEnd, Span::default())),
        }
    }

    fn document(&mut self) -> Result<Option<Document>, Malformed> {
        let (event, span) = self.event()?;
        let node = self.node(event, span, Place::ROOT)?;
        self.anchors.clear();
        self.held = 0;
        let value = value(node, span)?;
        let items = std::mem::take(&mut self.items);
        Ok((!value.is_null()).then_some(Document { line: line(span), items, value }))
    }

    fn node(&mut self, event: Event<'t>, at: Span, place: Place) -> Result<Node, Malformed> {
        let (node, anchor) = match event {
            Event::Alias(id) => return self.alias(id, at, place),
            Event::Scalar(text, style, anchor, tag) => {
                let is_plain = style == ScalarStyle::Plain;
                if place.is_flow && is_plain && text.starts_with('?') {
                    return Err(Malformed::at(at, QUESTION));
                }
                (Node::Scalar(scalar(&text, is_plain, tag.as_deref(), at)?), anchor)
            }
            Event::SequenceStart(style, anchor, _) => {
                (self.sequence(at, place.inside(style))?, anchor)
            }
            Event::MappingStart(style, anchor, _) => {
                (self.mapping(at, place.inside(style))?, anchor)
            }
            _ => return Err(Malformed::at(at, NOT_YAML)),
        };
        if anchor != 0 {
            self.remember(anchor, &node, at)?;
        }
        Ok(node)
    }

    fn sequence(&mut self, at: Span, place: Place) -> Result<Node, Malformed> {
        bounded(place.depth <= DEPTH, at)?;
        self.hold(VALUE, at)?;
        let mut items = Vec::new();
        if place.depth == LIST {
            self.list.clear();
        }
        loop {
            let (event, at) = self.event().map_err(|bad| bad.in_item(items.len()))?;
            if event == Event::SequenceEnd {
                return Ok(Node::Collection(Value::Array(items)));
            }
            if place.depth == LIST {
                self.list.push(line(at));
            }
            let item = self.hold(VALUE, at).and_then(|()| self.node(event, at, place));
            let item = item.and_then(|node| value(node, at));
            items.push(item.map_err(|bad| bad.in_item(items.len()))?);
        }
    }

    /// As in go-yaml v2, a merge key overrides the keys before it.
    fn mapping(&mut self, at: Span, place: Place) -> Result<Node, Malformed> {
        bounded(place.depth <= DEPTH, at)?;
        self.hold(MAPPING, at)?;
        // Those of the keys that come from merge keys alone.
        let (mut fields, mut merged) = (Map::new(), HashSet::new());
        loop {
            let (event, at) = self.event()?;
            if event == Event::MappingEnd {
                return Ok(Node::Collection(Value::Object(fields)));
            }
            if is_merge(&event) {
                for (key, value) in self.merged(place).map_err(|bad| bad.below(MERGE))? {
                    if fields.insert(key.clone(), value).is_none() {
                        merged.insert(key);
                    }
                }
                continue;
            }
            let is_plain = matches!(event, Event::Scalar(_, ScalarStyle::Plain, ..));
            let key = key(self.node(event, at, place)?, at)?;
            self.hold(FIELD, at)?;
            if fields.contains_key(&key) && !merged.remove(&key) {
                return Err(Malformed::at(at, TWICE).below(&key));
            }
            let value = self.value(at, is_plain, place).map_err(|bad| bad.below(&key))?;
            if place.depth + 1 == LIST && key == "items" {
                self.items = std::mem::take(&mut self.list);
            }
            fields.insert(key, value);
        }
    }

    /// The value behind a key.
    fn value(&mut self, key: Span, is_plain: bool, place: Place) -> Result<Value, Malformed> {
        let (event, at) = self.event()?;
        if place.is_flow && is_plain && self.has_clinging_colon(key) {
            return Err(Malformed::at(key, COLON));
        }
        value(self.node(event, at, place)?, at)
    }

    /// Whether a comma or bracket follows at once on the colon of this key: to YAML 1.1 the colon is part of the text.
    fn has_clinging_colon(&self, key: Span) -> bool {
        let behind = key.end.byte_offset().and_then(|end| self.text.get(end..));
        let behind = behind.and_then(|text| text.trim_start_matches(' ').strip_prefix(':'));
        behind.is_some_and(|text| text.starts_with([',', ']', '}']))
    }

    /// The value of a merge key: a mapping, or a list of mappings of which the first wins.
    fn merged(&mut self, place: Place) -> Result<Map<String, Value>, Malformed> {
        let (event, at) = self.event()?;
        let is_alias = matches!(event, Event::Alias(_));
        let refuse = || Malformed::at(at, "a merge key (<<) needs a mapping");
        let maps = match self.node(event, at, place)? {
            Node::Collection(Value::Object(map)) => return Ok(map),
            Node::Collection(Value::Array(maps)) if !is_alias => maps,
            _ => return Err(refuse()),
        };
        let mut merged = Map::new();
        for map in maps.into_iter().rev() {
            let Value::Object(map) = map else { return Err(refuse()) };
            merged.extend(map);
        }
        Ok(merged)
    }

    /// Counts what the document comes to.
    fn hold(&mut self, weight: usize, at: Span) -> Result<(), Malformed> {
        self.held += weight;
        bounded(self.held <= weight::LIMIT, at)
    }

    fn remember(&mut self, anchor: usize, node: &Node, at: Span) -> Result<(), Malformed> {
        let (depth, weight) = size(node);
        self.copied += weight;
        bounded(self.copied <= COPIES, at)?;
        self.anchors.insert(anchor, Anchored { node: node.clone(), depth, weight });
        Ok(())
    }

    fn alias(&mut self, id: usize, at: Span, place: Place) -> Result<Node, Malformed> {
        let Some(anchored) = self.anchors.get(&id) else {
            return Err(Malformed::at(at, NO_ANCHOR));
        };
        bounded(place.depth + anchored.depth <= DEPTH, at)?;
        self.copied += anchored.weight;
        bounded(self.copied <= COPIES, at)?;
        Ok(anchored.node.clone())
    }
}

fn line(at: Span) -> u32 {
    u32::try_from(at.start.line()).unwrap_or_default()
}

fn bounded(is_within: bool, at: Span) -> Result<(), Malformed> {
    if is_within {
        return Ok(());
    }
    Err(Malformed::at(at, TOO_MUCH))
}

fn scalar(text: &str, is_plain: bool, tag: Option<&Tag>, at: Span) -> Result<Scalar, Malformed> {
    let Some(tag) = tag else {
        return Ok(if is_plain { Scalar::plain(text) } else { Scalar::Text(text.to_owned()) });
    };
    let own = tag.suffix_in_namespace(YAML);
    own.map_or_else(|| Some(Scalar::Text(text.to_owned())), |own| Scalar::tagged(&own, text))
        .ok_or_else(|| Malformed::at(at, "a value does not fit its tag"))
}

fn value(node: Node, at: Span) -> Result<Value, Malformed> {
    match node {
        Node::Collection(value) => Ok(value),
        Node::Scalar(scalar) => scalar.value().ok_or_else(|| {
            Malformed::at(at, "infinity and not-a-number have no place in a manifest")
        }),
    }
}

fn key(node: Node, at: Span) -> Result<String, Malformed> {
    let Node::Scalar(scalar) = node else {
        return Err(Malformed::at(
            at,
            "a key is a list or mapping: is this a template with {{ }}?",
        ));
    };
    scalar.key().ok_or_else(|| Malformed::at(at, "a key is null or a number out of range"))
}

/// A plain `<<`, or one that a tag declares to be a merge key.
fn is_merge(event: &Event<'_>) -> bool {
    let Event::Scalar(text, style, _, tag) = event else { return false };
    let is_tagged = |tag: &Tag| {
        tag.suffix() == "!" || tag.suffix_in_namespace(YAML).as_deref() == Some("merge")
    };
    text == MERGE && tag.as_deref().map_or(*style == ScalarStyle::Plain, is_tagged)
}

/// Depth and weight.
fn size(node: &Node) -> (usize, usize) {
    match node {
        Node::Scalar(Scalar::Text(text)) => (0, VALUE + text.len()),
        Node::Scalar(_) => (0, VALUE),
        Node::Collection(value) => value_size(value),
    }
}

fn value_size(value: &Value) -> (usize, usize) {
    let of_all = |sizes: &mut dyn Iterator<Item = (usize, usize)>| {
        sizes.fold((1, VALUE), |(depth, weight), (d, w)| (depth.max(d + 1), weight + w))
    };
    match value {
        Value::String(text) => (0, VALUE + text.len()),
        Value::Array(items) => of_all(&mut items.iter().map(value_size)),
        Value::Object(fields) => of_all(&mut fields.iter().map(|(key, value)| {
            let (depth, weight) = value_size(value);
            (depth, weight + key.len())
        })),
        _ => (0, VALUE),
    }
}
