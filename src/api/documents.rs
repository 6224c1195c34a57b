//! A text to its documents, as kubectl splits it.
//!
//! Follows k8s.io/apimachinery/pkg/util/yaml (`YAMLOrJSONDecoder.Decode`, `YAMLReader.Read`): a text
//! that begins with `{` is read as JSON values one after the other; where that fails after at most one
//! of them, the rest is YAML. YAML is cut at lines that begin with `---`, before it is parsed, so a
//! `---` inside of a block scalar cuts as well. Of each piece only the first document counts.
//!
//! kubectl stops at the first error; here a broken YAML document ends only itself, so that all that is
//! wrong can be told at once.

use super::json::{self, JsonErrorKind};
use super::limits::Limits;
use super::source::Span;
use super::tree::Tree;
use super::yaml::{self, Repeated, Stage};

/// One document with its places in the text it came from.
#[derive(Debug)]
pub struct Document {
    /// Its values.
    pub tree: Tree,
    /// Whether it was read as JSON: then repeated keys and the digits of numbers reach the API server.
    pub json: bool,
    /// Keys that stand more than once in a YAML document. kubectl keeps the last, silently.
    pub repeated: Vec<Repeated>,
    /// The piece of text it was read from.
    pub span: Span,
}

/// Why a document could not be read.
#[derive(Clone, PartialEq, Debug)]
pub struct DocumentError {
    /// What kubectl prints after the name of the file; for bounds our own text.
    pub text: String,
    /// What is wrong, without the wrapping.
    pub problem: String,
    /// Where it shows.
    pub span: Span,
    /// Where the thing begins that could not be read to its end.
    pub context: Option<Span>,
    /// What kind of trouble it is.
    pub kind: ErrorKind,
}

/// The kinds of [`DocumentError`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// Not YAML.
    Yaml,
    /// Not JSON.
    Json,
    /// A bound of [`Limits`] was reached.
    Limit,
}

/// Reads all documents of `text`, in order; a document without content is a null.
pub fn read_documents(text: &str, limits: &Limits) -> Vec<Result<Document, DocumentError>> {
    let mut reader = Reader { text, limits, found: Vec::new() };
    if looks_like_json(text) {
        reader.read_json();
    } else {
        reader.read_yaml(0);
    }
    reader.found
}

/// How much of a text kubectl looks at to tell JSON from YAML.
const GUESS_BYTES: usize = 4096;

fn looks_like_json(text: &str) -> bool {
    let start = text.trim_start();
    start.starts_with('{') && text.len() - start.len() < GUESS_BYTES
}

struct Reader<'t> {
    text: &'t str,
    limits: &'t Limits,
    found: Vec<Result<Document, DocumentError>>,
}

impl Reader<'_> {
    fn read_json(&mut self) {
        let mut at = 0;
        loop {
            if self.text[at..].bytes().all(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n')) {
                return;
            }
            let error = match json::read_value(self.text, at, self.limits) {
                Ok((tree, end)) => {
                    let span = Span::new(at, end);
                    self.found.push(Ok(Document { tree, json: true, repeated: Vec::new(), span }));
                    at = end;
                    continue;
                }
                Err(error) => json_error(&error, self.found.len() > 1),
            };
            let yaml = (self.found.len() <= 1 && error.kind == ErrorKind::Json)
                .then(|| rest_for_yaml(self.text, at))
                .flatten();
            let before = self.found.len();
            if let Some(start) = yaml {
                self.read_yaml(start);
            }
            match self.found.get_mut(before) {
                Some(Ok(_)) => {}
                Some(first) => *first = Err(error),
                None => self.found.push(Err(error)),
            }
            return;
        }
    }

    /// Cuts the text from `start` on at its separators and reads the pieces.
    fn read_yaml(&mut self, start: usize) {
        let mut piece = start;
        let mut at = start;
        while at < self.text.len() {
            let end = self.text[at..].find('\n').map_or(self.text.len(), |length| at + length + 1);
            if let Some(after) = self.text[at..end].strip_prefix("---") {
                let after = after.trim();
                if !after.is_empty() && !after.starts_with('#') {
                    let problem = format!("invalid Yaml document separator: {after}");
                    let span = Span::new(at, at + self.text[at..end].trim_end().len());
                    self.found.push(Err(DocumentError {
                        text: problem.clone(),
                        problem,
                        span,
                        context: None,
                        kind: ErrorKind::Yaml,
                    }));
                    return;
                }
                // A separator at the start of a piece belongs to it.
                if at > piece {
                    self.read_piece(piece, at);
                    piece = end;
                }
            }
            at = end;
        }
        if piece < self.text.len() {
            self.read_piece(piece, self.text.len());
        }
    }

    fn read_piece(&mut self, start: usize, end: usize) {
        let base = u32::try_from(start).unwrap_or(u32::MAX);
        let read = yaml::read_document(&self.text[start..end], self.limits);
        self.found.push(match read {
            Ok(mut document) => {
                document.tree.shift(base);
                for repeated in &mut document.repeated {
                    repeated.first = repeated.first.shifted(base);
                    repeated.again = repeated.again.shifted(base);
                }
                let (tree, repeated) = (document.tree, document.repeated);
                Ok(Document { tree, json: false, repeated, span: Span::new(start, end) })
            }
            Err(error) => Err(DocumentError {
                text: error.to_string(),
                problem: error.problem.to_string(),
                span: error.span.shifted(base),
                context: error.context.map(|context| context.shifted(base)),
                kind: match error.stage {
                    Stage::Yaml | Stage::Conversion => ErrorKind::Yaml,
                    Stage::Limit => ErrorKind::Limit,
                },
            }),
        });
    }
}

/// The error as kubectl prints it; `surely`: enough JSON was read before, so it is not wrapped.
fn json_error(error: &json::JsonError, surely: bool) -> DocumentError {
    let problem = error.problem.to_string();
    let (text, kind) = match error.kind {
        JsonErrorKind::End => ("unexpected EOF".to_owned(), ErrorKind::Json),
        JsonErrorKind::Limit => (problem.clone(), ErrorKind::Limit),
        JsonErrorKind::Syntax if surely => (problem.clone(), ErrorKind::Json),
        JsonErrorKind::Syntax => {
            (format!("json: offset {}: {problem}", error.at + 1), ErrorKind::Json)
        }
    };
    let span = Span::new(error.at, error.at + 1);
    DocumentError { text, problem, span, context: None, kind }
}

/// Where YAML begins after JSON ended at `at`: after white space up to the end of the line.
fn rest_for_yaml(text: &str, at: usize) -> Option<usize> {
    for (offset, c) in text[at..].char_indices() {
        if !c.is_whitespace() {
            return Some(at + offset);
        }
        if c == '\n' {
            return Some(at + offset + 1);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(text: &str) -> (Vec<Value>, Vec<String>) {
        let mut values = Vec::new();
        let mut errors = Vec::new();
        for document in read_documents(text, &Limits::default()) {
            match document {
                Ok(document) => values.push(document.tree.value(Tree::ROOT)),
                Err(error) => errors.push(error.text),
            }
        }
        (values, errors)
    }

    #[test]
    fn texts_are_split_where_kubectl_splits_them() {
        let check = |text: &str, values: &[Value]| {
            assert_eq!(read(text), (values.to_vec(), Vec::new()), "{text:?}");
        };
        check("", &[]);
        check("# only a comment", &[Value::Null]);
        check("---\n---\na: 1\n---\n", &[Value::Null, json!({"a": 1})]);
        check("a: 1\n--- # second\r\nb: 2", &[json!({"a": 1}), json!({"b": 2})]);
        check("{\"a\":1}{\"b\":2}\n", &[json!({"a": 1}), json!({"b": 2})]);
        check("{\"a\":1}\n---\n{\"b\":2,}\n", &[json!({"a": 1}), json!({"b": 2})]);
        check("{a: 1}", &[json!({"a": 1})]);
        check("[1, 2]", &[json!([1, 2])]);
    }

    #[test]
    fn a_broken_document_does_not_hide_the_next() {
        let (values, errors) = read("a: b: c\n---\nx: 1\n---\ny: [\n");
        assert_eq!(values, [json!({"x": 1})]);
        assert_eq!(errors.len(), 2, "{errors:?}");
    }

    #[test]
    fn spans_count_from_the_start_of_the_text() {
        let text = "a: 1\n---\nspec:\n  é: [x, \"yy\"]\n";
        let documents = read_documents(text, &Limits::default());
        let tree = &documents[1].as_ref().unwrap().tree;
        let (node, whole) = tree.find(Tree::ROOT, &crate::api::tree::parse_path("spec.é[1]"));
        assert!(whole);
        assert_eq!(&text[tree.node(node).span.range()], "\"yy\"");
        let (node, _) = tree.find(Tree::ROOT, &crate::api::tree::parse_path("spec.é"));
        assert_eq!(&text[tree.node(node).key_span.range()], "é");
        assert_eq!(&text[tree.node(node).span.range()], "[x, \"yy\"]");
    }
}
