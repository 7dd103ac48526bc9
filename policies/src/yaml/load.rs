//! From text to tree: anchors, aliases and `<<` resolved, limits kept.

use std::collections::HashMap;
use std::fmt::Write as _;

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};

use super::node::{Entry, Kind, Node, Position, Scalar};
use super::problem::{Class, Problem, Problems};

/// More nesting than any configuration has; the walk over the tree is recursive.
const MAX_DEPTH: usize = 100;
/// How many nodes aliases and merges may add, so that a few lines cannot grow to gigabytes.
const MAX_COPIED_NODES: usize = 100_000;

/// Reads the first document of a text. `None` when it cannot be read, with the reason in `problems`; duplicate
/// keys are reported there as well, and the first of them counts.
pub fn parse(text: &str, problems: &Problems) -> Option<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut loader = Loader { problems, stack: Vec::new(), anchors: HashMap::new(), copied: 0, root: None };
    let result = loader.run(text);
    if let Err(failure) = result {
        let (at, text) = (failure.at, failure.text);
        problems.error(Problem { class: Class::Syntax, at, path: String::new(), text });
        return None;
    }
    loader.root
}

struct Loader<'p> {
    problems: &'p Problems,
    stack: Vec<Frame>,
    anchors: HashMap<usize, Node>,
    copied: usize,
    root: Option<Node>,
}

/// An open list or mapping.
struct Frame {
    at: Position,
    anchor: usize,
    body: Body,
}

enum Body {
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, merges: Vec<Node>, key: Option<Key> },
}

struct Key {
    at: Position,
    text: Box<str>,
    is_merge: bool,
}

struct Failure {
    at: Position,
    text: String,
}

impl Loader<'_> {
    fn run(&mut self, text: &str) -> Result<(), Failure> {
        let mut parser = Parser::new_from_str(text);
        while let Some(next) = parser.next_event() {
            let (event, span) = next
                .map_err(|error| Failure { at: position(*error.marker()), text: error.info().to_owned() })?;
            let at = position(span.start);
            match event {
                Event::Scalar(text, style, anchor, tag) => {
                    let quoted = is_quoted(style, tag.as_deref(), at)?;
                    let kind = Kind::Scalar(Scalar { text: text.into(), quoted });
                    self.close(Node { at, kind }, anchor)?;
                }
                Event::Alias(anchor) => {
                    let node = self.anchors.get(&anchor).cloned();
                    let text = "anchor value contains itself";
                    let node = node.ok_or_else(|| Failure { at, text: text.to_owned() })?;
                    self.account(&node, at)?;
                    self.close(node, 0)?;
                }
                Event::SequenceStart(anchor, _) => self.open(at, anchor, Body::Sequence(Vec::new()))?,
                Event::MappingStart(anchor, _) => {
                    let body = Body::Mapping { entries: Vec::new(), merges: Vec::new(), key: None };
                    self.open(at, anchor, body)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                // Later documents are not looked at, as in the reference.
                Event::DocumentEnd => return Ok(()),
                Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => {}
            }
        }
        Err(Failure { at: Position::default(), text: "EOF".to_owned() })
    }

    fn open(&mut self, at: Position, anchor: usize, body: Body) -> Result<(), Failure> {
        if self.stack.len() >= MAX_DEPTH {
            return Err(Failure { at, text: format!("nested more than {MAX_DEPTH} deep") });
        }
        self.stack.push(Frame { at, anchor, body });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Failure> {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        let kind = match frame.body {
            Body::Sequence(items) => Kind::Sequence(items),
            Body::Mapping { mut entries, merges, .. } => {
                for merged in merges {
                    merge(&mut entries, merged)?;
                }
                Kind::Mapping(entries)
            }
        };
        self.close(Node { at: frame.at, kind }, frame.anchor)
    }

    /// A finished node becomes the root, an item, a key or the value of the pending key.
    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Failure> {
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
            self.account(&node, node.at)?;
        }
        let Some(frame) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut frame.body {
            Body::Sequence(items) => items.push(node),
            Body::Mapping { entries, merges, key } => match key.take() {
                None => {
                    let new = as_key(node)?;
                    let first = entries.iter().find(|entry| entry.key == new.text).map(|entry| entry.at);
                    *key = Some(new);
                    if let Some(first) = first {
                        self.report_duplicate(first);
                    }
                }
                Some(key) if key.is_merge => merges.push(node),
                Some(key) if entries.iter().any(|entry| entry.key == key.text) => {}
                Some(key) => entries.push(Entry { key: key.text, at: key.at, value: node }),
            },
        }
        Ok(())
    }

    fn report_duplicate(&self, first: Position) {
        let Some(Frame { body: Body::Mapping { key: Some(key), .. }, .. }) = self.stack.last() else {
            return;
        };
        let text = format!("mapping key {:?} already defined at {first}", key.text);
        self.problems.error(Problem { class: Class::Decode, at: key.at, path: self.path(), text });
    }

    fn account(&mut self, node: &Node, at: Position) -> Result<(), Failure> {
        self.copied += node.count();
        if self.copied > MAX_COPIED_NODES {
            return Err(Failure { at, text: "document contains excessive aliasing".to_owned() });
        }
        if self.stack.len() + node.depth() > MAX_DEPTH {
            return Err(Failure { at, text: format!("nested more than {MAX_DEPTH} deep") });
        }
        Ok(())
    }

    /// The path of the pending key.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.stack {
            // Writing to a string cannot fail.
            let _ = match &frame.body {
                Body::Sequence(items) => write!(path, "[{}]", items.len()),
                Body::Mapping { key: Some(key), .. } if path.is_empty() => write!(path, "{}", key.text),
                Body::Mapping { key: Some(key), .. } => write!(path, ".{}", key.text),
                Body::Mapping { key: None, .. } => Ok(()),
            };
        }
        path
    }
}

/// `<<`: keys that are not there yet, from a mapping or a list of them; earlier ones win.
fn merge(entries: &mut Vec<Entry>, merged: Node) -> Result<(), Failure> {
    let at = merged.at;
    let wrong = || Failure { at, text: "map merge requires map or sequence of maps as the value".to_owned() };
    match merged.kind {
        Kind::Mapping(more) => {
            for entry in more {
                if !entries.iter().any(|known| known.key == entry.key) {
                    entries.push(entry);
                }
            }
            Ok(())
        }
        Kind::Sequence(maps) => maps.into_iter().try_for_each(|map| match &map.kind {
            Kind::Mapping(_) => merge(entries, map),
            _ => Err(wrong()),
        }),
        Kind::Scalar(_) => Err(wrong()),
    }
}

fn as_key(node: Node) -> Result<Key, Failure> {
    let at = node.at;
    match node.kind {
        Kind::Scalar(scalar) => {
            Ok(Key { at, is_merge: !scalar.quoted && &*scalar.text == "<<", text: scalar.text })
        }
        _ => Err(Failure { at, text: "invalid map key: not a scalar".to_owned() }),
    }
}

/// The tags of the core schema; others would change what a value means and are refused.
fn is_quoted(style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<bool, Failure> {
    let quoted = style != ScalarStyle::Plain;
    let Some(tag) = tag else { return Ok(quoted) };
    match tag.suffix.as_str() {
        "str" if tag.is_yaml_core_schema() => Ok(true),
        "int" | "float" | "bool" | "null" if tag.is_yaml_core_schema() => Ok(false),
        _ => Err(Failure { at, text: format!("unsupported tag {tag}") }),
    }
}

fn position(marker: Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}
