//! Events to a document: aliases expanded, `<<` merged, keys made text, the last of equal keys kept.
//!
//! Follows vendor/go.yaml.in/yaml/v2/decode.go (`decoder.unmarshal` and below) and
//! vendor/sigs.k8s.io/yaml/yaml.go (`convertToJSONableObject`). A repeated key is no error to kubectl:
//! the last one counts, silently; they are reported here so that somebody hears of it.

use super::parse::{Event, EventKind, Parser};
use super::resolve::{Scalar, resolve};
use super::{Repeated, YamlError};
use crate::api::limits::Limits;
use crate::api::source::Span;
use crate::api::tree::{Data, NodeId, Tree};
use crate::base::{Map, Str};

/// A node as it was written, before anything is resolved. Parents come before children.
struct Raw {
    kind: RawKind,
    span: Span,
    /// Nodes that belong to it, itself included.
    size: usize,
}

enum RawKind {
    Scalar {
        tag: Str,
        text: Str,
        plain: bool,
    },
    Alias {
        name: Str,
        target: usize,
    },
    Sequence,
    /// Keys and values in turns.
    Mapping,
}

/// Reads the first document of `text`; whatever follows it is not looked at, as kubectl does.
///
/// # Errors
/// What is wrong with the text, in kubectl's words, or the bound that it breaks.
pub(super) fn compose(text: &str, limits: &Limits) -> Result<(Tree, Vec<Repeated>), YamlError> {
    let raw = read_nodes(text, limits)?;
    let mut composer = Composer {
        raw: &raw,
        tree: Tree::default(),
        repeated: Vec::new(),
        open_aliases: Vec::new(),
        limits,
        steps: 0,
        alias_steps: 0,
    };
    if raw.is_empty() {
        let end = Span::new(text.len(), text.len());
        composer.tree.push(Str::default(), Span::default(), end, Data::Null);
    } else {
        composer.steps = 1;
        composer.emit(0, Str::default(), Span::default(), 0)?;
    }
    Ok((composer.tree, composer.repeated))
}

/// Collects the nodes of the first document, aliases bound to what they name at that point.
fn read_nodes(text: &str, limits: &Limits) -> Result<Vec<Raw>, YamlError> {
    let mut parser = Parser::new(text);
    let mut raw: Vec<Raw> = Vec::new();
    let mut open: Vec<usize> = Vec::new();
    let mut anchors: Map<Str, usize> = Map::default();
    let mut written = 0;
    loop {
        let Event { kind, span } = parser.next()?;
        let (kind, anchor) = match kind {
            EventKind::StreamEnd | EventKind::DocumentEnd => return Ok(raw),
            EventKind::DocumentStart => continue,
            EventKind::End => {
                let start = open.pop().expect("the grammar closes what it opened");
                raw[start].size = raw.len() - start;
                // A block ends with its last value, wherever the parser noticed.
                if !span.is_empty() {
                    written = span.end;
                }
                raw[start].span.end = written;
                continue;
            }
            EventKind::Alias(name) => match anchors.get(&name) {
                Some(target) => (RawKind::Alias { name, target: *target }, None),
                None => {
                    let problem = format!("unknown anchor '{name}' referenced");
                    return Err(YamlError::at(problem, span));
                }
            },
            EventKind::Scalar { anchor, tag, text, plain } => {
                (RawKind::Scalar { tag, text, plain }, anchor)
            }
            EventKind::SequenceStart { anchor } => (RawKind::Sequence, anchor),
            EventKind::MappingStart { anchor } => (RawKind::Mapping, anchor),
        };
        if let Some(anchor) = anchor {
            anchors.insert(anchor, raw.len());
        }
        if matches!(kind, RawKind::Sequence | RawKind::Mapping) {
            if open.len() >= limits.depth {
                return Err(YamlError::too_deep(limits, span));
            }
            open.push(raw.len());
        }
        if raw.len() >= limits.nodes {
            return Err(YamlError::too_many_nodes(limits, span));
        }
        written = span.end;
        raw.push(Raw { kind, span, size: 1 });
    }
}

struct Composer<'r> {
    raw: &'r [Raw],
    tree: Tree,
    repeated: Vec<Repeated>,
    /// The aliases that are being expanded.
    open_aliases: Vec<usize>,
    limits: &'r Limits,
    /// Values looked at, and those of them inside of aliases: upstream's measure of an alias bomb.
    steps: u64,
    alias_steps: u64,
}

/// The entries of a mapping while it is put together.
#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    /// Where each key stands; filled once linear search gets slow.
    index: Map<Str, usize>,
}

struct Entry {
    key: Str,
    key_span: Span,
    value: usize,
    /// The key was merged in with `<<`; such keys may be written again.
    merged: bool,
}

impl Entries {
    const LINEAR: usize = 16;

    fn position(&mut self, key: &str) -> Option<usize> {
        if self.list.len() <= Self::LINEAR {
            return self.list.iter().position(|entry| entry.key == key);
        }
        if self.index.is_empty() {
            self.index = self.list.iter().enumerate().map(|(at, e)| (e.key.clone(), at)).collect();
        }
        self.index.get(key).copied()
    }

    /// Sets a key; tells where it stood if it was there, and was not merely merged in.
    fn set(&mut self, entry: Entry) -> Option<Span> {
        if let Some(at) = self.position(&entry.key) {
            let before = &mut self.list[at];
            let repeated = (!before.merged && !entry.merged).then_some(before.key_span);
            *before = entry;
            return repeated;
        }
        if !self.index.is_empty() {
            self.index.insert(entry.key.clone(), self.list.len());
        }
        self.list.push(entry);
        None
    }
}

impl Composer<'_> {
    /// Appends the value of the raw node `id`. The depth is bounded, so this may recurse.
    fn emit(&mut self, id: usize, key: Str, key_span: Span, depth: usize) -> Result<(), YamlError> {
        self.step(id)?;
        let span = self.raw[id].span;
        if depth > self.limits.depth {
            return Err(YamlError::too_deep(self.limits, span));
        }
        if self.tree.len() >= self.limits.nodes {
            return Err(YamlError::too_many_nodes(self.limits, span));
        }
        match &self.raw[id].kind {
            RawKind::Alias { target, .. } => {
                self.open_alias(id)?;
                self.emit(*target, key, key_span, depth)?;
                self.open_aliases.pop();
            }
            RawKind::Scalar { .. } => {
                let data = self.scalar(id)?.into_data();
                let data = data.map_err(|problem| YamlError::conversion(problem, span))?;
                self.tree.push(key, key_span, span, data);
            }
            RawKind::Sequence => {
                let node = self.tree.push(key, key_span, span, Data::Sequence);
                let end = id + self.raw[id].size;
                let mut item = id + 1;
                while item < end {
                    self.emit(item, Str::default(), Span::default(), depth + 1)?;
                    item += self.raw[item].size;
                }
                self.tree.close(node, span.end);
            }
            RawKind::Mapping => {
                let node = self.tree.push(key, key_span, span, Data::Mapping);
                let mut entries = Entries::default();
                self.collect(id, &mut entries, false, node, depth)?;
                for entry in entries.list {
                    self.emit(entry.value, entry.key, entry.key_span, depth + 1)?;
                }
                self.tree.close(node, span.end);
            }
        }
        Ok(())
    }

    /// Puts the keys of the mapping `id` into `entries`, merging what `<<` names.
    fn collect(
        &mut self,
        id: usize,
        entries: &mut Entries,
        merged: bool,
        node: NodeId,
        depth: usize,
    ) -> Result<(), YamlError> {
        if depth > self.limits.depth {
            return Err(YamlError::too_deep(self.limits, self.raw[id].span));
        }
        let end = id + self.raw[id].size;
        let mut at = id + 1;
        while at < end {
            let value = at + self.raw[at].size;
            if self.is_merge(at) {
                self.merge(value, entries, node, depth)?;
            } else {
                let key = self.key(at, value)?;
                let key_span = self.raw[at].span;
                let entry = Entry { key: key.clone(), key_span, value, merged };
                if let Some(first) = entries.set(entry) {
                    self.repeated.push(Repeated { mapping: node, key, first, again: key_span });
                }
            }
            at = value + self.raw[value].size;
        }
        Ok(())
    }

    fn is_merge(&self, id: usize) -> bool {
        match &self.raw[id].kind {
            RawKind::Scalar { tag, text, plain } => {
                text == "<<"
                    && (*plain || tag.strip_prefix(super::resolve::TAG_PREFIX) == Some("merge"))
            }
            RawKind::Alias { .. } | RawKind::Sequence | RawKind::Mapping => false,
        }
    }

    /// Merges the mapping, the alias of one, or the list of such, `id`. What comes later wins.
    fn merge(
        &mut self,
        id: usize,
        entries: &mut Entries,
        node: NodeId,
        depth: usize,
    ) -> Result<(), YamlError> {
        let span = self.raw[id].span;
        let wrong = || {
            YamlError::at(
                "map merge requires map or sequence of maps as the value".to_owned(),
                span,
            )
        };
        match &self.raw[id].kind {
            RawKind::Scalar { .. } => Err(wrong()),
            RawKind::Mapping | RawKind::Alias { .. } => {
                self.merge_one(id, entries, node, depth)?.ok_or_else(wrong)
            }
            RawKind::Sequence => {
                let end = id + self.raw[id].size;
                let mut items = Vec::new();
                let mut item = id + 1;
                while item < end {
                    items.push(item);
                    item += self.raw[item].size;
                }
                for item in items.into_iter().rev() {
                    self.merge_one(item, entries, node, depth)?.ok_or_else(wrong)?;
                }
                Ok(())
            }
        }
    }

    /// Merges one mapping or alias of a mapping; `None` if `id` is neither.
    fn merge_one(
        &mut self,
        id: usize,
        entries: &mut Entries,
        node: NodeId,
        depth: usize,
    ) -> Result<Option<()>, YamlError> {
        self.step(id)?;
        match &self.raw[id].kind {
            RawKind::Mapping => self.collect(id, entries, true, node, depth + 1)?,
            RawKind::Alias { target, .. } if matches!(self.raw[*target].kind, RawKind::Mapping) => {
                self.open_alias(id)?;
                self.step(*target)?;
                self.collect(*target, entries, true, node, depth + 1)?;
                self.open_aliases.pop();
            }
            RawKind::Alias { .. } | RawKind::Scalar { .. } | RawKind::Sequence => return Ok(None),
        }
        Ok(Some(()))
    }

    /// The text of the key `id`, whose value is `value`.
    fn key(&mut self, id: usize, value: usize) -> Result<Str, YamlError> {
        self.step(id)?;
        let target = match &self.raw[id].kind {
            RawKind::Alias { target, .. } => *target,
            RawKind::Scalar { .. } | RawKind::Sequence | RawKind::Mapping => id,
        };
        let span = self.raw[id].span;
        if !matches!(self.raw[target].kind, RawKind::Scalar { .. }) {
            let problem =
                format!("invalid map key: {}", self.go_syntax(target, &mut SHOWN_NODES.clone()));
            return Err(YamlError::at(problem, span));
        }
        let scalar = self.scalar(target)?;
        let (kind, shown) = match &scalar {
            Scalar::Big(number) => ("uint64", format!("{number:#x}")),
            Scalar::Null
            | Scalar::Bool(_)
            | Scalar::Int(_)
            | Scalar::Float(_)
            | Scalar::Text(_) => ("%!s(<nil>)", "<nil>".to_owned()),
        };
        scalar.into_key().ok_or_else(|| {
            let value = match self.go_syntax(value, &mut SHOWN_NODES.clone()) {
                nil if nil == "interface {}(nil)" => "<nil>".to_owned(),
                value => value,
            };
            let problem =
                format!("unsupported map key of type: {kind}, key: {shown}, value: {value}");
            YamlError::conversion(problem, span)
        })
    }

    fn scalar(&self, id: usize) -> Result<Scalar, YamlError> {
        let Raw { kind: RawKind::Scalar { tag, text, plain }, span, .. } = &self.raw[id] else {
            unreachable!("the caller looked at the kind")
        };
        resolve(tag, text, *plain).map_err(|problem| YamlError::at(problem, *span))
    }

    /// Counts a value and refuses aliases that make most of a large document, by upstream's measure.
    fn step(&mut self, id: usize) -> Result<(), YamlError> {
        self.steps += 1;
        if !self.open_aliases.is_empty() {
            self.alias_steps += 1;
        }
        let (low, high) = (400_000, 4_000_000);
        let allowed_thousandths = match self.steps {
            steps if steps <= low => 990,
            steps if steps >= high => 100,
            steps => 990 - 890 * (steps - low) / (high - low),
        };
        let excessive = self.alias_steps > 100
            && self.steps > 1000
            && self.alias_steps * 1000 > allowed_thousandths * self.steps;
        if excessive {
            let at = self.open_aliases.first().map_or(id, |alias| *alias);
            let problem = "document contains excessive aliasing".to_owned();
            return Err(YamlError::at(problem, self.raw[at].span));
        }
        Ok(())
    }

    fn open_alias(&mut self, id: usize) -> Result<(), YamlError> {
        if self.open_aliases.contains(&id) {
            let RawKind::Alias { name, .. } = &self.raw[id].kind else { return Ok(()) };
            let problem = format!("anchor '{name}' value contains itself");
            return Err(YamlError::at(problem, self.raw[id].span));
        }
        self.open_aliases.push(id);
        Ok(())
    }

    /// The value of a node as Go's `%#v` prints it, cut after `budget` nodes.
    fn go_syntax(&self, id: usize, budget: &mut usize) -> String {
        let Some(left) = budget.checked_sub(1) else { return "...".to_owned() };
        *budget = left;
        let end = id + self.raw[id].size;
        let mut texts = Vec::new();
        let mut at = id + 1;
        match &self.raw[id].kind {
            RawKind::Alias { target, .. } => self.go_syntax(*target, budget),
            RawKind::Scalar { text, .. } => match self.scalar(id) {
                Ok(Scalar::Null) => "interface {}(nil)".to_owned(),
                Ok(Scalar::Bool(value)) => value.to_string(),
                Ok(Scalar::Int(value)) => value.to_string(),
                Ok(Scalar::Big(value)) => format!("{value:#x}"),
                Ok(Scalar::Float(value)) => value.to_string(),
                Ok(Scalar::Text(text)) => format!("{text:?}"),
                Err(_) => format!("{text:?}"),
            },
            RawKind::Sequence => {
                while at < end && *budget > 0 {
                    texts.push(self.go_syntax(at, budget));
                    at += self.raw[at].size;
                }
                format!("[]interface {{}}{{{}}}", texts.join(", "))
            }
            RawKind::Mapping => {
                while at < end && *budget > 0 {
                    let value = at + self.raw[at].size;
                    let key = self.go_syntax(at, budget);
                    texts.push(format!("{key}:{}", self.go_syntax(value, budget)));
                    at = value + self.raw[value].size;
                }
                texts.sort();
                format!("map[interface {{}}]interface {{}}{{{}}}", texts.join(", "))
            }
        }
    }
}

/// How many nodes of a value an error text shows.
const SHOWN_NODES: usize = 64;
