//! The first YAML document as a JSON value, as Go's YAML library and its conversion to JSON leave it: scalars by YAML 1.1's table, merge
//! keys in their order, aliases within a budget, the last of equal keys, keys sorted. What a scalar means is `resolve`'s to say.

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, StructureStyle, Tag};
use serde_json::Value;

use super::{
    DecodeError, TAB_IN_SCALAR, in_upstreams_words,
    node::{BadKey, Node, merge, no_map, refused, text_of},
    resolve::{self, Scalar},
    tabs::{self, Covered},
};

/// More nodes than this, aliases expanded, is not a pod. Upstream takes more where fewer of them come from aliases.
const MAX_NODES: usize = 400_000;
/// More text than this from aliases is not a pod: in Go it is shared until it is JSON.
const MAX_ALIASED_BYTES: usize = 64 << 20;
/// Deeper than anything that a pod is made of.
const MAX_DEPTH: usize = 200;
/// Aliases may bring in this part of a document of less than [`MAX_NODES`] nodes.
const ALIAS_SHARE: f64 = 0.99;

/// More dashes than these that stand alone between commas are not mended: for each the text is read anew.
const MAX_DASHES: usize = 64;

/// The first document of a text; null if there is none. What stands behind it is not looked at.
pub(super) fn first_document(text: &str) -> Result<Value, DecodeError> {
    // A dash alone in a flow sequence, as in `[cat, -]`, is text to Go and an error to others.
    let mut mended = String::new();
    for _ in 0..MAX_DASHES {
        let text = if mended.is_empty() { text } else { &mended };
        let at = match compose(text) {
            Err(Failed::Dash(at)) => at,
            Err(Failed::Refused(error)) => return Err(error),
            Ok(node) => return node.into_value(),
        };
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + 1..).unwrap_or_default());
        mended = format!("{before}'-'{after}");
    }
    Err(refused("did not find expected node content"))
}

fn compose(text: &str) -> Result<Node, Failed> {
    let mut options = granit_parser::options! {
        bom_inside_document_as_content: true,
        block_scalar_eof_without_line_feed: true,
    };
    options.set_emit_comments(false);
    let parser = Parser::new_from_str_with_options(text, options);
    let mut composer = Composer {
        parser,
        text,
        anchors: Vec::new(),
        nodes: 0,
        aliased: 0,
        aliased_bytes: 0,
        unsupported: None,
        covered: text.contains('\t').then(Vec::new),
    };
    loop {
        match composer.next()? {
            Some((Event::StreamStart | Event::DocumentStart(..), _)) => {}
            Some((Event::StreamEnd, _)) | None => return Ok(Node::Scalar(Scalar::Null)),
            Some((event, span)) => {
                let node = composer.node(event, span, 0)?;
                // The document's end is looked for: what follows it on the line belongs to it.
                composer.next()?;
                if let Some((line, what)) = composer.covered.and_then(|covered| tabs::stray(text, &covered)) {
                    return Err(refused(format!("line {line}: {what}")).into());
                }
                return match composer.unsupported {
                    Some(error) => Err(error.into()),
                    None => Ok(node),
                };
            }
        }
    }
}

/// Why a text cannot be read.
enum Failed {
    Refused(DecodeError),
    /// Because of a dash that stands alone, there.
    Dash(usize),
}

impl From<DecodeError> for Failed {
    fn from(error: DecodeError) -> Self {
        Self::Refused(error)
    }
}

/// What an anchor names.
enum Anchor {
    /// It has not ended yet.
    Open {
        mapping: bool,
    },
    Done {
        node: Node,
        nodes: usize,
        bytes: usize,
    },
}

struct Composer<'t> {
    parser: Parser<'t, StrInput<'t>>,
    text: &'t str,
    /// By number, from 1.
    anchors: Vec<Anchor>,
    /// Nodes decoded so far, those of aliases each time.
    nodes: usize,
    /// How many of them came from aliases.
    aliased: usize,
    aliased_bytes: usize,
    /// The first key that has no place in JSON.
    unsupported: Option<DecodeError>,
    /// Where tabs may stand, if there are any.
    covered: Option<Vec<Covered>>,
}

impl<'t> Composer<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Failed> {
        let next = self.parser.next_event().transpose().map_err(|error| self.complaint(&error))?;
        if let (Some(covered), Some((event, span))) = (&mut self.covered, &next)
            && let Some(range) = span.byte_range()
        {
            match event {
                Event::Scalar(_, style, ..) => covered.push(Covered { range, style: Some(*style) }),
                Event::SequenceStart(StructureStyle::Flow, ..) | Event::MappingStart(StructureStyle::Flow, ..) => {
                    covered.push(Covered { range, style: None });
                }
                Event::SequenceEnd | Event::MappingEnd => tabs::close(self.text, covered, range.end),
                _ => {}
            }
        }
        Ok(next)
    }

    fn complaint(&self, error: &ScanError) -> Failed {
        let (what, at) = (error.info(), error.marker().byte_offset().unwrap_or_default());
        if what.starts_with("plain scalar cannot start with '-'")
            && self.text.get(at..).is_some_and(|rest| rest.starts_with('-'))
        {
            return Failed::Dash(at);
        }
        // Such a tab stands on a later line than where the parser is.
        let below =
            if what.starts_with(TAB_IN_SCALAR) { lines_to_tab(self.text.get(at..).unwrap_or_default()) } else { 0 };
        let what = in_upstreams_words(&what);
        if what.contains("unknown anchor") {
            return refused(format!("unknown anchor '{}' referenced", self.name_at(at))).into();
        }
        refused(format!("line {}: {what}", error.marker().line() + below)).into()
    }

    /// The name of the anchor or alias that stands there.
    fn name_at(&self, at: usize) -> &str {
        let rest = self.text.get(at..).unwrap_or_default().trim_start_matches(['*', '&']);
        rest.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).next().unwrap_or_default()
    }

    fn inner(&mut self) -> Result<(Event<'t>, Span), Failed> {
        self.next()?.ok_or_else(|| refused("found unexpected end of stream").into())
    }

    fn count(&mut self) -> Result<(), DecodeError> {
        self.nodes += 1;
        if self.nodes > MAX_NODES {
            return Err(refused("document has too many nodes"));
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'t>, span: Span, depth: usize) -> Result<Node, Failed> {
        if depth > MAX_DEPTH {
            return Err(refused(format!("exceeded max depth of {MAX_DEPTH}")).into());
        }
        let begun = self.nodes;
        self.count()?;
        let (id, node) = match event {
            Event::Alias(id) => return Ok(self.alias(id, &span)?),
            Event::Scalar(text, style, id, tag) => {
                if style == ScalarStyle::DoubleQuoted && text.contains('/') {
                    self.no_escaped_slash(&span)?;
                }
                let tag = tag.as_deref().map(full_tag);
                (id, Node::Scalar(scalar(&text, style, tag.as_deref())?))
            }
            Event::SequenceStart(_, id, _) => {
                self.open(id, false);
                let mut items = Vec::new();
                loop {
                    match self.inner()? {
                        (Event::SequenceEnd, _) => break,
                        (event, span) => items.push(self.node(event, span, depth + 1)?),
                    }
                }
                (id, Node::Sequence(items))
            }
            Event::MappingStart(_, id, _) => {
                self.open(id, true);
                (id, self.mapping(depth)?)
            }
            _ => return Err(refused("did not find expected node content").into()),
        };
        if id > 0 {
            self.open(id, false);
            let (nodes, bytes) = (self.nodes - begun, node.bytes());
            if let Some(place) = self.anchors.get_mut(id - 1) {
                *place = Anchor::Done { node: node.clone(), nodes, bytes };
            }
        }
        Ok(node)
    }

    /// Makes room for an anchor that begins.
    fn open(&mut self, id: usize, mapping: bool) {
        while self.anchors.len() < id {
            self.anchors.push(Anchor::Open { mapping });
        }
    }

    fn alias(&mut self, id: usize, span: &Span) -> Result<Node, DecodeError> {
        let name = || self.name_at(span.start.byte_offset().unwrap_or_default());
        match id.checked_sub(1).and_then(|index| self.anchors.get(index)) {
            Some(Anchor::Done { node, nodes, bytes }) => {
                self.nodes += nodes;
                self.aliased += nodes;
                self.aliased_bytes += bytes;
                let share = self.aliased as f64 / self.nodes as f64;
                let greedy = self.aliased > 100 && self.nodes > 1000 && share > ALIAS_SHARE;
                if greedy || self.nodes > MAX_NODES || self.aliased_bytes > MAX_ALIASED_BYTES {
                    return Err(refused("document contains excessive aliasing"));
                }
                Ok(node.clone())
            }
            Some(Anchor::Open { .. }) => Err(refused(format!("anchor '{}' value contains itself", name()))),
            None => Err(refused(format!("unknown anchor '{}' referenced", name()))),
        }
    }

    /// JSON's escape of a slash is none in YAML 1.1.
    fn no_escaped_slash(&self, span: &Span) -> Result<(), DecodeError> {
        let raw = span.byte_range().and_then(|range| self.text.get(range)).unwrap_or_default();
        let mut escaped = false;
        for (at, c) in raw.char_indices() {
            if escaped && c == '/' {
                let line = span.start.line() + raw[..at].matches('\n').count();
                return Err(refused(format!("line {line}: found unknown escape character")));
            }
            escaped = c == '\\' && !escaped;
        }
        Ok(())
    }

    /// Whether it is an alias of what is no mapping, which cannot be merged: not even a sequence of mappings.
    fn names_no_mapping(&self, event: &Event<'_>) -> bool {
        let Event::Alias(id) = event else { return false };
        match id.checked_sub(1).and_then(|index| self.anchors.get(index)) {
            Some(Anchor::Open { mapping }) => !mapping,
            Some(Anchor::Done { node, .. }) => !matches!(node, Node::Mapping(_)),
            None => false,
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Node, Failed> {
        let mut entries: Vec<(String, Node)> = Vec::new();
        loop {
            let (event, span) = self.inner()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            if is_merge(&event) {
                let (event, span) = self.inner()?;
                if self.names_no_mapping(&event) {
                    return Err(no_map().into());
                }
                merge(&mut entries, self.node(event, span, depth + 1)?)?;
                continue;
            }
            let key = self.node(event, span, depth + 1)?;
            let (event, span) = self.inner()?;
            let value = self.node(event, span, depth + 1)?;
            match text_of(key, &value) {
                Ok(key) => entries.push((key, value)),
                Err(BadKey::Yaml(error)) => return Err(error.into()),
                Err(BadKey::Json(error)) => {
                    self.unsupported.get_or_insert(error);
                }
            }
        }
        // The last of equal keys, as if each had been set in its turn.
        entries.reverse();
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries.dedup_by(|later, first| later.0 == first.0);
        Ok(Node::Mapping(entries))
    }
}

/// How many lines below the first one begins with a tab, among blanks.
fn lines_to_tab(text: &str) -> usize {
    let blank = |line: &str| line.len() - line.trim_start_matches([' ', '\t']).len();
    text.split('\n').skip(1).position(|line| line[..blank(line)].contains('\t')).map_or(0, |lines| lines + 1)
}

fn is_merge(event: &Event<'_>) -> bool {
    match event {
        Event::Scalar(text, style, _, None) => text == "<<" && *style == ScalarStyle::Plain,
        Event::Scalar(text, _, _, Some(tag)) => {
            text == "<<" && ["tag:yaml.org,2002:merge", "!"].contains(&full_tag(tag).as_str())
        }
        _ => false,
    }
}

fn full_tag(tag: &Tag) -> String {
    let (handle, suffix) = tag.parts();
    if handle == "!!" { format!("{}{suffix}", resolve::PREFIX) } else { format!("{handle}{suffix}") }
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&str>) -> Result<Scalar, DecodeError> {
    match tag {
        None if style != ScalarStyle::Plain => Ok(Scalar::Text(text.to_owned())),
        None => Ok(resolve::plain(text)),
        Some(tag) => resolve::tagged(tag, text).map_err(refused),
    }
}
