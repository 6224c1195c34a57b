//! Writing manifests back in the current form, with their comments: the core of `wavetank convert`.
//!
//! Only what the conversion changed is touched: a changed scalar is replaced where it stands, a new key
//! is put after its siblings, a key that is gone is cut out with its lines. What is written in flow
//! style (`{…}`, and all JSON) is written anew as a whole where something in it changed. The result is
//! read again; where it does not come to the same values (aliases, odd layouts), the file is written
//! anew, and its comments are lost.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::documents::read_documents;
use super::limits::Limits;
use super::load::Manifest;
use super::source::Source;
use super::tree::{Data, NodeId, Tree};
use super::yaml::write;

/// A file in the current form.
#[derive(Clone, Debug)]
pub struct Rewritten {
    /// The file as it was.
    pub source: Arc<Source>,
    /// Its new text; the old one if nothing had to change.
    pub text: String,
    /// Whether what was not changed stands as it was, comments included.
    pub in_place: bool,
}

/// Writes all files that `manifests` come from in the current form, in the order of the manifests.
pub fn rewrite(manifests: &[Manifest]) -> Vec<Rewritten> {
    let mut files: Vec<(Arc<Source>, Vec<&Manifest>)> = Vec::new();
    for manifest in manifests {
        let source = &manifest.origin.source;
        match files.iter_mut().find(|(known, _)| Arc::ptr_eq(known, source)) {
            Some((_, of_file)) => of_file.push(manifest),
            None => files.push((Arc::clone(source), vec![manifest])),
        }
    }
    files.into_iter().map(|(source, of_file)| rewrite_file(source, &of_file)).collect()
}

fn rewrite_file(source: Arc<Source>, manifests: &[&Manifest]) -> Rewritten {
    if let Some(text) = edit(&source, manifests).filter(|text| says(text, &source, manifests)) {
        return Rewritten { source, text, in_place: true };
    }
    let documents: Vec<String> = manifests
        .iter()
        .map(|manifest| write::to_string(&manifest.value).unwrap_or_default())
        .collect();
    Rewritten { source, text: documents.join("---\n"), in_place: false }
}

/// The text with all changes made; `None` where one of them cannot be made in place.
fn edit(source: &Source, manifests: &[&Manifest]) -> Option<String> {
    let mut editor = Editor { text: source.text(), edits: Vec::new() };
    for manifest in manifests {
        let tree = &manifest.origin.tree;
        editor.walk(tree, manifest.origin.root, &manifest.value).ok()?;
    }
    let mut edits = editor.edits;
    edits.sort_by_key(|(range, _)| (range.start, range.end));
    let mut text = String::with_capacity(source.text().len());
    let mut done = 0;
    for (range, new) in edits {
        text.push_str(source.text().get(done..range.start)?);
        text.push_str(&new);
        done = range.end;
    }
    text.push_str(source.text().get(done..)?);
    Some(text)
}

/// Whether `text` reads as the values of the manifests, where they were read from.
fn says(text: &str, source: &Source, manifests: &[&Manifest]) -> bool {
    let limits = Limits::default();
    let after = read_documents(text, &limits);
    if after.len() != read_documents(source.text(), &limits).len() {
        return false;
    }
    manifests.iter().all(|manifest| {
        let number = manifest.origin.document as usize;
        let Some(Ok(document)) = after.get(number - 1) else { return false };
        let path = manifest.origin.tree.path(Tree::ROOT, manifest.origin.root);
        let (node, whole) = document.tree.find(Tree::ROOT, &path);
        whole && document.tree.value(node) == manifest.value
    })
}

/// A change that cannot be made in place.
struct GiveUp;

struct Editor<'t> {
    text: &'t str,
    edits: Vec<(Range<usize>, String)>,
}

impl Editor<'_> {
    /// Changes the node `id` to `value`. Documents are bounded in depth, so this may recurse.
    fn walk(&mut self, tree: &Tree, id: NodeId, value: &Value) -> Result<(), GiveUp> {
        if tree.value(id) == *value {
            return Ok(());
        }
        let node = tree.node(id);
        let span = node.span.range();
        if self.text[span.clone()].starts_with(['{', '[']) {
            let new = self.flow(span.start, value)?;
            self.edits.push((span, new));
            return Ok(());
        }
        match (&node.data, value) {
            (Data::Mapping, Value::Object(entries)) => self.mapping(tree, id, entries),
            (Data::Sequence, Value::Array(items)) => {
                let children: Vec<NodeId> = tree.children(id).collect();
                if children.len() != items.len() {
                    return Err(GiveUp);
                }
                children.into_iter().zip(items).try_for_each(|(child, item)| {
                    self.inside(tree, id, child)?;
                    self.walk(tree, child, item)
                })
            }
            (Data::Bool(_) | Data::Number(..) | Data::String(_), value)
                if !value.is_object() && !value.is_array() && !span.is_empty() =>
            {
                let plain = !self.text[span.clone()].contains('\n');
                let new = if plain { scalar(value)? } else { return Err(GiveUp) };
                self.edits.push((span, new));
                Ok(())
            }
            _ => Err(GiveUp),
        }
    }

    /// Aliases stand elsewhere than where they are used.
    fn inside(&self, tree: &Tree, parent: NodeId, child: NodeId) -> Result<(), GiveUp> {
        let (outer, inner) = (tree.node(parent).span, tree.node(child).span);
        let is_inside = outer.start <= inner.start && inner.end <= outer.end;
        if is_inside { Ok(()) } else { Err(GiveUp) }
    }

    fn mapping(
        &mut self,
        tree: &Tree,
        id: NodeId,
        entries: &Map<String, Value>,
    ) -> Result<(), GiveUp> {
        let children: Vec<NodeId> = tree.children(id).collect();
        let column = match children.first() {
            Some(first) => self.column(tree.node(*first).key_span.start as usize),
            None => return Err(GiveUp),
        };
        for (index, child) in children.iter().enumerate() {
            self.inside(tree, id, *child)?;
            let node = tree.node(*child);
            let (key, lines) = (node.key_span.range(), self.lines(tree, *child));
            match entries.get(node.key.as_str()) {
                None => {
                    let next =
                        children.get(index + 1).map(|next| tree.node(*next).key_span.range());
                    self.cut(key.start, lines, next)?;
                }
                Some(value) => {
                    let before = self.edits.len();
                    if self.walk(tree, *child, value).is_err() {
                        self.edits.truncate(before);
                        let new = entry(&node.key, value, column)?;
                        self.edits.push((key.start..lines.end, new[column..].to_owned()));
                    }
                }
            }
        }
        let known =
            |key: &String| children.iter().any(|child| tree.node(*child).key == key.as_str());
        let last = children.last().map_or(0, |last| self.lines(tree, *last).end);
        let mut added = String::new();
        for (key, value) in entries.iter().filter(|(key, _)| !known(key)) {
            added.push_str(&entry(key, value, column)?);
        }
        if !added.is_empty() {
            if !self.text[..last].ends_with('\n') {
                added.insert(0, '\n');
            }
            self.edits.push((last..last, added));
        }
        Ok(())
    }

    /// Cuts an entry out: its lines, or, behind the `- ` of a list, up to the next entry.
    fn cut(
        &mut self,
        key: usize,
        lines: Range<usize>,
        next: Option<Range<usize>>,
    ) -> Result<(), GiveUp> {
        let alone = self.text[lines.start..key].trim().is_empty();
        let range = match (alone, next) {
            (true, _) => lines,
            (false, Some(next)) => key..next.start,
            (false, None) => return Err(GiveUp),
        };
        self.edits.push((range, String::new()));
        Ok(())
    }

    /// The whole lines of an entry.
    fn lines(&self, tree: &Tree, id: NodeId) -> Range<usize> {
        let node = tree.node(id);
        let key = node.key_span.range();
        let start = self.text[..key.start].rfind('\n').map_or(0, |newline| newline + 1);
        let end = key.end.max(node.span.end as usize).min(self.text.len());
        let end = match self.text[..end].ends_with('\n') {
            true => end,
            false => self.text[end..].find('\n').map_or(self.text.len(), |rest| end + rest + 1),
        };
        start..end
    }

    fn column(&self, at: usize) -> usize {
        at - self.text[..at].rfind('\n').map_or(0, |newline| newline + 1)
    }

    /// A value in flow style, over several lines if the line it stands on is indented as JSON is.
    fn flow(&self, at: usize, value: &Value) -> Result<String, GiveUp> {
        let line = &self.text[at - self.column(at)..at];
        let indent = line.len() - line.trim_start().len();
        if !self.text[at..].starts_with("{\n") && !self.text[at..].starts_with("[\n") {
            return serde_json::to_string(value).map_err(|_| GiveUp);
        }
        let pretty = serde_json::to_string_pretty(value).map_err(|_| GiveUp)?;
        Ok(pretty.replace('\n', &format!("\n{}", " ".repeat(indent))))
    }
}

/// A scalar as YAML writes it on one line.
fn scalar(value: &Value) -> Result<String, GiveUp> {
    let text = write::to_string(value).map_err(|_| GiveUp)?;
    let text = text.trim_end();
    if text.contains('\n') { Err(GiveUp) } else { Ok(text.to_owned()) }
}

/// A key and its value in block style, each line indented.
fn entry(key: &str, value: &Value, column: usize) -> Result<String, GiveUp> {
    let map: Map<String, Value> = [(key.to_owned(), value.clone())].into_iter().collect();
    let text = write::to_string(&map).map_err(|_| GiveUp)?;
    let indent = " ".repeat(column);
    Ok(text.lines().map(|line| format!("{indent}{line}\n")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::load::{Options, Rules, load_sources};

    fn check(text: &str, wanted: &str) {
        let source = Source::new("a.yaml", text);
        let loaded = load_sources(&[source], Options { rules: Rules::Left, ..Options::default() })
            .expect("it loads");
        let files = rewrite(&loaded.manifests);
        assert_eq!(files[0].text, wanted);
        assert!(files[0].in_place);
    }

    #[test]
    fn a_current_manifest_stays_as_it_is() {
        let text = "# why\napiVersion: v1 # the first\nkind: Pod\nmetadata: {name: a}\n\n";
        check(text, text);
    }

    #[test]
    fn only_what_the_conversion_changes_is_touched() {
        check(
            "# the site\nkind: Deployment   # not a pod\napiVersion: apps/v1beta1\nmetadata:\n  name: web\n  labels: {a: b}\n\
             spec:\n  replicas: 2 # two\n  rollbackTo:\n    revision: 3\n  template:\n    metadata:\n      labels:\n        app: web\n# end\n",
            "# the site\nkind: Deployment   # not a pod\napiVersion: apps/v1\nmetadata:\n  name: web\n  labels: {a: b}\n  \
             annotations:\n    deprecated.deployment.rollback.to: \"3\"\n\
             spec:\n  replicas: 2 # two\n  template:\n    metadata:\n      labels:\n        app: web\n  \
             selector:\n    matchLabels:\n      app: web\n  revisionHistoryLimit: 2\n# end\n",
        );
    }

    #[test]
    fn keys_behind_the_dash_of_a_list_are_cut_and_replaced() {
        check(
            "apiVersion: networking.k8s.io/v1beta1\nkind: Ingress\nmetadata: {name: a}\nspec:\n  rules:\n  - http:\n      paths:\n      \
             - backend: {serviceName: s, servicePort: 80} # here\n        path: /\n",
            "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: a}\nspec:\n  rules:\n  - http:\n      paths:\n      \
             - backend: {\"service\":{\"name\":\"s\",\"port\":{\"number\":80}}} # here\n        path: /\n        pathType: ImplementationSpecific\n",
        );
        check(
            "apiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: IPv4\nendpoints:\n\
             - topology:\n    topology.kubernetes.io/zone: z\n  addresses: [10.0.0.1]\n",
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: a}\naddressType: IPv4\nendpoints:\n\
             - addresses: [10.0.0.1]\n  zone: z\n",
        );
    }

    #[test]
    fn json_stays_json() {
        check(
            "{\n  \"apiVersion\": \"policy/v1beta1\",\n  \"kind\": \"PodDisruptionBudget\",\n  \"metadata\": {\"name\": \"a\"}\n}\n",
            "{\n  \"apiVersion\": \"policy/v1\",\n  \"kind\": \"PodDisruptionBudget\",\n  \"metadata\": {\n    \"name\": \"a\"\n  }\n}\n",
        );
    }

    #[test]
    fn what_cannot_be_changed_in_place_is_written_anew() {
        let text = "apiVersion: apps/v1beta1\nkind: Deployment\nmetadata:\n  name: web\n  annotations: &l {app: web}\n\
                    spec:\n  template:\n    metadata:\n      labels: *l\n";
        let source = Source::new("a.yaml", text);
        let loaded = load_sources(&[source], Options { rules: Rules::Left, ..Options::default() })
            .expect("it loads");
        let files = rewrite(&loaded.manifests);
        let again = load_sources(
            &[Source::new("b.yaml", files[0].text.clone())],
            Options { rules: Rules::Left, ..Options::default() },
        );
        assert_eq!(again.expect("it loads").manifests[0].value, loaded.manifests[0].value);
    }
}
