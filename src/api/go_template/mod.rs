//! Go templates, as `kubectl get -o go-template` takes them: `{{range .items}}{{.metadata.name}}{{end}}`.
//!
//! After Go's `text/template` and `text/template/parse`: fields and variables, `if`, `with`, `range` with
//! `else`, `break`, `continue`, pipelines, parentheses, comments, `{{-` and `-}}`, the predeclared functions
//! and kubectl's `exists` and `base64decode`. A document's numbers are floating-point numbers, as they are
//! for kubectl, which prints a million as `1e+06`. Left out, and said: `define`, `template`, `block`,
//! `call`, `js`. A template writes at most [`MAX_OUTPUT`] bytes.

mod eval;
mod functions;
mod lex;
mod parse;

use serde_json::Value;

/// No template may be longer than this, in bytes.
pub const MAX_TEMPLATE: usize = 64 << 10;
/// No template may write more than this, in bytes.
pub const MAX_OUTPUT: usize = 64 << 20;
/// Actions and parentheses nest no deeper than this.
const MAX_DEPTH: usize = 64;

/// A template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    text: String,
    nodes: Vec<parse::Node>,
}

/// Why a text is no template, or cannot be filled in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TemplateError(String);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it, and in which line.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE {
            return Err(TemplateError(format!("the template is longer than {MAX_TEMPLATE} bytes")));
        }
        let nodes = parse::parse(text)
            .map_err(|(line, what)| TemplateError(format!("template: output:{line}: {what}")))?;
        Ok(Self { text: text.to_owned(), nodes })
    }

    /// The template as it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The template filled in with a document; `missing` allows fields that are not there.
    ///
    /// # Errors
    /// What was written until then, and what went wrong.
    pub fn render(&self, data: &Value, missing: bool) -> Result<String, (String, TemplateError)> {
        eval::run(&self.nodes, data, missing)
            .map_err(|(text, why)| (text, TemplateError(format!("template: output: {why}"))))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(template: &str, expect: &str) {
        let data = json!({
            "kind": "List",
            "items": [
                {"metadata": {"name": "a", "labels": {"x": "1", "y": "2"}}, "n": 1, "ok": true},
                {"metadata": {"name": "b"}, "n": 5_000_000},
            ],
            "empty": [],
            "secret": "aGVsbG8=",
        });
        let text =
            match Template::parse(template).and_then(|t| t.render(&data, true).map_err(|e| e.1)) {
                Ok(text) => text,
                Err(error) => error.to_string(),
            };
        assert_eq!(text, expect, "{template}");
    }

    #[test]
    fn fields_ranges_and_conditions_are_filled_in() {
        check("{{.kind}}!", "List!");
        check("{{range .items}}{{.metadata.name}} {{end}}", "a b ");
        check("{{range $i, $o := .items}}{{$i}}={{$o.metadata.name}};{{end}}", "0=a;1=b;");
        check("{{range .items}}{{if .ok}}yes{{else}}no{{end}}{{end}}", "yesno");
        check("{{range .empty}}x{{else}}none{{end}}", "none");
        check("{{(index .items 0).metadata.name}}", "a");
        check("{{range $k, $v := (index .items 0).metadata.labels}}{{$k}}{{$v}}{{end}}", "x1y2");
        check("{{with .nothing}}x{{else with .kind}}{{.}}{{end}}", "List");
        check("{{.a.b}}|{{.nothing}}", "<no value>|<no value>");
        check("a {{- /* note */ -}} b", "ab");
        check("{{range .items}}{{.metadata.name}}{{break}}{{end}}", "a");
        check("{{$n := \"\"}}{{range .items}}{{$n = .metadata.name}}{{end}}{{$n}}", "b");
    }

    #[test]
    fn functions_and_pipelines_work_as_in_go() {
        check("{{len .items}}", "2");
        check("{{(index .items 1).n}}", "5e+06");
        check("{{printf \"%-4s|%q|%v\" .kind .kind 3}}", "List|\"List\"|3");
        check("{{.kind | printf \"%s-%s\" \"a\"}}", "a-List");
        check("{{if and .kind (not .nothing)}}both{{end}}", "both");
        check("{{if eq .kind \"Pod\" \"List\"}}one of them{{end}}", "one of them");
        check("{{if gt (len .items) 1}}many{{end}}", "many");
        check("{{.secret | base64decode}}", "hello");
        check("{{exists . \"items\"}} {{exists . \"x\"}}", "true false");
        check("{{slice .kind 1 3}}", "is");
        check(
            "{{\"<a>\" | html}} {{print 1 2 \"x\" \"y\"}} {{println 1 2}}",
            "&lt;a&gt; 1 2xy 1 2\n",
        );
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        check("{{.a", "template: output:1: unclosed action");
        check("\n{{if .a}}", "template: output:2: unexpected EOF");
        check("{{end}}", "template: output:1: unexpected {{end}}");
        check("{{nope .a}}", "template: output:1: function \"nope\" not defined");
        check("{{$x}}", "template: output:1: undefined variable \"$x\"");
        check("{{len 3}}", "template: output: error calling len: len of type int");
        check(
            "{{eq .kind 3}}",
            "template: output: error calling eq: incompatible types for comparison",
        );
        check("{{.kind.x}}", "template: output: can't evaluate field x in type interface {}");
        let deep = format!("{}{}", "{{if .a}}".repeat(100), "{{end}}".repeat(100));
        assert!(Template::parse(&deep).is_err());
    }

    #[test]
    fn a_missing_field_may_be_an_error() {
        let template = Template::parse("{{.kind}} {{.nothing}}").unwrap();
        let (text, why) = template.render(&json!({"kind": "Pod"}), false).unwrap_err();
        assert_eq!(text, "Pod ");
        assert_eq!(why.to_string(), "template: output: map has no entry for key \"nothing\"");
    }
}
