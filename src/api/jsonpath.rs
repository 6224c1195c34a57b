//! JSONPath templates as kubectl reads them: `{.items[*].metadata.name}`, `{range …}…{end}`.
//!
//! After `k8s.io/client-go/util/jsonpath`: fields (`.a`, `['a.b']`, `.a\.b`), indexes and slices (`[0]`,
//! `[-1]`, `[0:2]`), wildcards, unions (`['a','b']`), recursion (`..a`), filters (`[?(@.a=="b")]` with one
//! comparison), literals and text around them. Missing fields give nothing with
//! `--allow-missing-template-keys`; an index beyond the end of a list is an error all the same. Left out: regular
//! expressions in filters, which upstream refuses too.

use serde_json::Value;

use super::go_value;

/// No template may be longer than this, in bytes.
pub const MAX_TEMPLATE: usize = 64 << 10;
/// Ranges and filters nest no deeper than this.
const MAX_DEPTH: usize = 16;

/// A template.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    parts: Vec<Part>,
}

/// Why a text is no template, or does not fit a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonPathError(pub String);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Path(Path),
    Range(Path, Vec<Part>),
}

type Path = Vec<Step>;

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Root,
    Field(String),
    Any,
    Below,
    Slice([Option<i64>; 3]),
    Union(Vec<Path>),
    Filter(Path, Option<(Compare, Path)>),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

fn wrong(text: impl Into<String>) -> JsonPathError {
    JsonPathError(text.into())
}

impl JsonPath {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, JsonPathError> {
        if text.len() > MAX_TEMPLATE {
            return Err(wrong(format!("the template is longer than {MAX_TEMPLATE} bytes")));
        }
        let mut left = text;
        let (parts, ended) = parts(&mut left, 0)?;
        if ended {
            return Err(wrong("not in range, nothing to end"));
        }
        Ok(Self { parts })
    }

    /// Reads an expression that may lack its braces and its leading dot, as `--for=jsonpath=` and columns
    /// take it (`RelaxedJSONPathExpression`).
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse_relaxed(text: &str) -> Result<Self, JsonPathError> {
        let bare = text.strip_prefix('{').and_then(|t| t.strip_suffix('}')).unwrap_or(text);
        let bare = bare.strip_prefix('.').unwrap_or(bare);
        if bare.contains(['{', '}']) {
            return Err(wrong(format!(
                "unexpected path string, expected a 'name1.name2' or '.name1.name2' or '{{name1.name2}}' or '{{.name1.name2}}', got {text:?}"
            )));
        }
        let lead = if bare.starts_with('[') { "" } else { "." };
        Self::parse(&format!("{{{lead}{bare}}}"))
    }

    /// The values that the first expression finds; none where something on the way is missing.
    pub fn find<'a>(&'a self, value: &'a Value) -> Vec<&'a Value> {
        let first = self.parts.iter().find_map(|p| match p {
            Part::Path(path) | Part::Range(path, _) => Some(path),
            Part::Text(_) => None,
        });
        let trouble = &mut Trouble::default();
        first.map_or_else(Vec::new, |path| walk(path, vec![value], value, trouble))
    }

    /// The template filled in; `missing` says whether fields may be missing.
    ///
    /// # Errors
    /// The first thing that does not fit the value: a field that is missing, an index beyond the end of a list, an
    /// index into what is no list.
    pub fn fill(&self, value: &Value, missing: bool) -> Result<String, JsonPathError> {
        let (mut out, mut trouble) = (String::new(), Trouble { strict: !missing, first: None });
        render(&self.parts, value, value, &mut out, &mut trouble);
        trouble.first.map_or(Ok(out), Err)
    }
}

fn parts(left: &mut &str, depth: usize) -> Result<(Vec<Part>, bool), JsonPathError> {
    if depth > MAX_DEPTH {
        return Err(wrong(format!("ranges nest deeper than {MAX_DEPTH}")));
    }
    let mut found = Vec::new();
    while !left.is_empty() {
        let Some(open) = left.find('{') else {
            found.push(Part::Text(std::mem::take(left).to_owned()));
            break;
        };
        if open > 0 {
            found.push(Part::Text(left[..open].to_owned()));
        }
        let end = close(&left[open..]).ok_or_else(|| wrong("unclosed action"))?;
        let inside = left[open + 1..open + end].trim();
        *left = &left[open + end + 1..];
        if inside == "end" {
            return Ok((found, true));
        }
        if let Some(path) = inside.strip_prefix("range ") {
            let path = whole_path(path.trim())?;
            let (body, ended) = parts(left, depth + 1)?;
            if !ended {
                return Err(wrong("unterminated range, missing {end}"));
            }
            found.push(Part::Range(path, body));
        } else if let Some(text) = quoted(inside) {
            found.push(Part::Text(text));
        } else {
            found.push(Part::Path(whole_path(inside)?));
        }
    }
    Ok((found, false))
}

/// Where the brace that opens `text` is closed.
fn close(text: &str) -> Option<usize> {
    let (mut quote, mut escaped) = (None, false);
    for (i, c) in text.char_indices() {
        match (quote, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(q), c) if c == q => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '}') => return Some(i),
            _ => {}
        }
    }
    None
}

/// The text in quotes, if `text` is nothing else.
fn quoted(text: &str) -> Option<String> {
    let q = text.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let inner = text.strip_prefix(q)?.strip_suffix(q)?;
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                't' => out.push('\t'),
                'r' => out.push('\r'),
                other => out.push(other),
            },
            c if c == q => return None,
            c => out.push(c),
        }
    }
    Some(out)
}

fn whole_path(text: &str) -> Result<Path, JsonPathError> {
    let mut left = text;
    let path = path(&mut left, 0)?;
    if !left.is_empty() {
        return Err(wrong(format!(
            "unrecognized character in action: {:?}",
            left.chars().next().unwrap_or(' ')
        )));
    }
    Ok(path)
}

fn path(left: &mut &str, depth: usize) -> Result<Path, JsonPathError> {
    if depth > MAX_DEPTH {
        return Err(wrong(format!("filters nest deeper than {MAX_DEPTH}")));
    }
    let mut steps = Vec::new();
    loop {
        let text = *left;
        if let Some(rest) = text.strip_prefix("..") {
            *left = rest;
            steps.push(Step::Below);
            if !rest.starts_with(['[', '*']) {
                steps.push(field(left));
            }
        } else if let Some(rest) = text.strip_prefix('.') {
            *left = rest;
            if rest.starts_with('[') || rest.is_empty() {
                continue;
            }
            steps.push(field(left));
        } else if let Some(rest) = text.strip_prefix(['$', '@']) {
            *left = rest;
            if text.starts_with('$') {
                steps.push(Step::Root);
            }
        } else if text.starts_with('[') {
            steps.push(bracket(left, depth)?);
        } else if text.starts_with('*') {
            *left = &text[1..];
            steps.push(Step::Any);
        } else if steps.is_empty() && !text.is_empty() {
            steps.push(literal(left)?);
        } else {
            return Ok(steps);
        }
    }
}

fn field(left: &mut &str) -> Step {
    if let Some(rest) = left.strip_prefix('*') {
        *left = rest;
        return Step::Any;
    }
    let (mut name, mut end, mut escaped) = (String::new(), left.len(), false);
    for (i, c) in left.char_indices() {
        match c {
            c if escaped => {
                escaped = false;
                name.push(c);
            }
            '\\' => escaped = true,
            '.' | '[' | ']' | ' ' | ')' | '=' | '!' | '<' | '>' | ',' | '}' | '|' => {
                end = i;
                break;
            }
            c => name.push(c),
        }
    }
    *left = &left[end..];
    Step::Field(name)
}

fn literal(left: &mut &str) -> Result<Step, JsonPathError> {
    let text = *left;
    if let Some(q) = text.chars().next().filter(|c| matches!(c, '"' | '\'')) {
        let end = text[1..].find(q).ok_or_else(|| wrong("unterminated quoted string"))?;
        *left = &text[end + 2..];
        let inner = quoted(&text[..end + 2]).unwrap_or_default();
        return Ok(Step::Literal(inner.into()));
    }
    let end =
        text.find(|c: char| !(c.is_alphanumeric() || "+-._".contains(c))).unwrap_or(text.len());
    let word = &text[..end];
    let value = match word {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        word => match word.parse::<i64>() {
            Ok(n) => n.into(),
            Err(_) => match word.parse::<f64>().ok().and_then(serde_json::Number::from_f64) {
                Some(n) => Value::Number(n),
                None => return Err(wrong(format!("unrecognized identifier {word}"))),
            },
        },
    };
    *left = &text[end..];
    Ok(Step::Literal(value))
}

fn bracket(left: &mut &str, depth: usize) -> Result<Step, JsonPathError> {
    let text = *left;
    if let Some(rest) = text.strip_prefix("[?(") {
        *left = rest;
        return filter(left, depth);
    }
    let mut quote = None;
    let end = text.char_indices().find(|(_, c)| match (quote, *c) {
        (Some(q), c) if q == c => {
            quote = None;
            false
        }
        (None, '\'' | '"') => {
            quote = Some(*c);
            false
        }
        (None, ']') => true,
        _ => false,
    });
    let (end, _) = end.ok_or_else(|| wrong("unterminated array"))?;
    let inside = text[1..end].trim();
    *left = &text[end + 1..];
    if inside == "*" {
        return Ok(Step::Any);
    }
    if let Some(name) = quoted(inside) {
        return Ok(Step::Field(name));
    }
    if inside.contains(',') {
        let each = inside.split(',').map(|part| {
            let mut one = &*format!("[{}]", part.trim());
            bracket(&mut one, depth + 1).map(|step| vec![step])
        });
        if depth >= MAX_DEPTH {
            return Err(wrong(format!("unions nest deeper than {MAX_DEPTH}")));
        }
        return each.collect::<Result<_, _>>().map(Step::Union);
    }
    let number = |t: &str| match t.trim() {
        "" => Ok(None),
        t => t.parse().map(Some).map_err(|_| wrong(format!("invalid array index {inside}"))),
    };
    let bounds: Vec<Option<i64>> = inside.split(':').map(number).collect::<Result<_, _>>()?;
    match bounds.as_slice() {
        [Some(i)] => Ok(Step::Slice([Some(*i), (*i != -1).then_some(*i + 1), None])),
        [a, b] => Ok(Step::Slice([*a, *b, None])),
        [a, b, step] => Ok(Step::Slice([*a, *b, *step])),
        _ => Err(wrong(format!("invalid array index {inside}"))),
    }
}

fn filter(left: &mut &str, depth: usize) -> Result<Step, JsonPathError> {
    *left = left.trim_start();
    let from = path(left, depth + 1)?;
    *left = left.trim_start();
    let operators = [
        ("==", Compare::Equal),
        ("!=", Compare::Unequal),
        ("<=", Compare::LessOrEqual),
        (">=", Compare::GreaterOrEqual),
        ("<", Compare::Less),
        (">", Compare::Greater),
    ];
    let found = operators.iter().find(|(text, _)| left.starts_with(text));
    let with = match found {
        None => None,
        Some((text, compare)) => {
            *left = left[text.len()..].trim_start();
            let to = path(left, depth + 1)?;
            *left = left.trim_start();
            Some((*compare, to))
        }
    };
    *left = left.strip_prefix(")]").ok_or_else(|| wrong("unterminated filter"))?;
    Ok(Step::Filter(from, with))
}

/// What does not fit on the way; the first of it counts.
#[derive(Debug, Default)]
struct Trouble {
    /// Whether a missing field is trouble.
    strict: bool,
    first: Option<JsonPathError>,
}

impl Trouble {
    fn is(&mut self, text: String) {
        self.first.get_or_insert(JsonPathError(text));
    }
}

fn walk<'a>(
    path: &'a [Step],
    from: Vec<&'a Value>,
    root: &'a Value,
    trouble: &mut Trouble,
) -> Vec<&'a Value> {
    path.iter().fold(from, |values, step| match step {
        Step::Root => vec![root],
        Step::Literal(value) => vec![value],
        _ => {
            let any = !values.is_empty();
            let found: Vec<&Value> =
                values.into_iter().flat_map(|v| take(step, v, root, trouble)).collect();
            if let Step::Field(name) = step
                && trouble.strict
                && any
                && found.is_empty()
            {
                trouble.is(format!("{name} is not found"));
            }
            found
        }
    })
}

fn take<'a>(
    step: &'a Step,
    value: &'a Value,
    root: &'a Value,
    trouble: &mut Trouble,
) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
        (Step::Any, Value::Object(fields)) => fields.values().collect(),
        (Step::Any, Value::Array(items)) => items.iter().collect(),
        (Step::Below, value) => {
            let mut found = Vec::new();
            below(value, &mut found);
            found
        }
        (Step::Slice(bounds), Value::Array(items)) => slice(items, *bounds, trouble),
        (Step::Slice(_) | Step::Filter(..), Value::Null) => Vec::new(),
        (Step::Slice(_), other) => {
            trouble.is(format!("{} is not array or slice", type_of(other)));
            Vec::new()
        }
        (Step::Union(paths), value) => {
            paths.iter().flat_map(|p| walk(p, vec![value], root, trouble)).collect()
        }
        (Step::Filter(left, with), Value::Array(items)) => {
            let mut found = Vec::new();
            for item in items {
                if holds(left, with.as_ref(), item, root, trouble) {
                    found.push(item);
                }
            }
            found
        }
        (Step::Filter(..), other) => {
            let shown = go_value::plain(other);
            trouble.is(format!("{shown} is not array or slice and cannot be filtered"));
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// A value's type as Go names it.
fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn below<'a>(value: &'a Value, found: &mut Vec<&'a Value>) {
    found.push(value);
    match value {
        Value::Object(fields) => fields.values().for_each(|v| below(v, found)),
        Value::Array(items) => items.iter().for_each(|v| below(v, found)),
        _ => {}
    }
}

/// A part of a list (`evalArray`).
fn slice<'a>(
    items: &'a [Value],
    [from, to, step]: [Option<i64>; 3],
    trouble: &mut Trouble,
) -> Vec<&'a Value> {
    let len = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let place = |n: i64| if n < 0 { n.saturating_add(len) } else { n };
    let (from, to) = (place(from.unwrap_or(0)), to.map_or(len, place));
    if from == to {
        return Vec::new();
    }
    let beyond = |index: i64| format!("array index out of bounds: index {index}, length {len}");
    match () {
        () if from >= len || from < 0 => trouble.is(beyond(from)),
        () if to > len || to < 0 => trouble.is(beyond(to.saturating_sub(1))),
        () if from > to => {
            trouble.is(format!("starting index {from} is greater than ending index {to}"));
        }
        () if step.is_some_and(|step| step <= 0) => trouble.is("step must be > 0".to_owned()),
        () => {}
    }
    let (from, to) = (from.max(0), to.min(len));
    let step = usize::try_from(step.unwrap_or(1)).unwrap_or(1).max(1);
    match (usize::try_from(from), usize::try_from(to)) {
        (Ok(from), Ok(to)) if from < to => items[from..to].iter().step_by(step).collect(),
        _ => Vec::new(),
    }
}

fn holds(
    left: &Path,
    with: Option<&(Compare, Path)>,
    item: &Value,
    root: &Value,
    trouble: &mut Trouble,
) -> bool {
    let Some((compare, right)) = with else {
        // What is missing on the way to what may be missing is no trouble.
        return !walk(left, vec![item], root, &mut Trouble::default()).is_empty();
    };
    let left = walk(left, vec![item], root, trouble);
    let right = walk(right, vec![item], root, trouble);
    if left.len() > 1 || (!left.is_empty() && right.len() > 1) {
        trouble.is("can only compare one element at a time".to_owned());
    }
    let (Some(left), Some(right)) = (left.first(), right.first()) else { return false };
    let order = match (left, right) {
        (Value::String(a), Value::String(b)) => a.partial_cmp(b),
        (Value::Number(a), Value::Number(b)) => match (a.as_i64(), b.as_i64()) {
            (Some(a), Some(b)) => a.partial_cmp(&b),
            _ => a.as_f64().partial_cmp(&b.as_f64()),
        },
        (a, b) if a == b => Some(std::cmp::Ordering::Equal),
        _ => None,
    };
    match compare {
        Compare::Equal => order.is_some_and(std::cmp::Ordering::is_eq),
        Compare::Unequal => !order.is_some_and(std::cmp::Ordering::is_eq),
        Compare::Less => order.is_some_and(std::cmp::Ordering::is_lt),
        Compare::LessOrEqual => order.is_some_and(std::cmp::Ordering::is_le),
        Compare::Greater => order.is_some_and(std::cmp::Ordering::is_gt),
        Compare::GreaterOrEqual => order.is_some_and(std::cmp::Ordering::is_ge),
    }
}

fn render(parts: &[Part], value: &Value, root: &Value, out: &mut String, trouble: &mut Trouble) {
    for part in parts {
        match part {
            Part::Text(text) => out.push_str(text),
            Part::Path(path) => {
                let found = walk(path, vec![value], root, trouble);
                let texts: Vec<String> = found.into_iter().map(text_of).collect();
                out.push_str(&texts.join(" "));
            }
            Part::Range(path, body) => {
                for item in walk(path, vec![value], root, trouble) {
                    render(body, item, root, out, trouble);
                }
            }
        }
    }
}

/// A value as a template prints it: texts bare, anything else as JSON.
pub fn text_of(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Object(_) | Value::Array(_) => sorted(value).to_string(),
        other => other.to_string(),
    }
}

/// The same value with the keys of every object in order, as Go writes maps.
pub fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            keys.into_iter()
                .map(|k| (k.clone(), sorted(&fields[k])))
                .collect::<serde_json::Map<_, _>>()
                .into()
        }
        Value::Array(items) => items.iter().map(sorted).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn templates_are_filled_in_as_kubectl_fills_them() {
        let value = json!({
            "kind": "List",
            "items": [
                {"metadata": {"name": "a", "labels": {"app.io/x": "1"}}, "n": 1, "ok": true},
                {"metadata": {"name": "b"}, "n": 5, "ok": false},
                {"metadata": {"name": "c"}, "n": 9},
            ],
        });
        let check = |template: &str, text: &str| {
            assert_eq!(
                JsonPath::parse(template).unwrap().fill(&value, true).unwrap(),
                text,
                "{template}"
            );
        };
        check("{.kind}", "List");
        check("kind is {.kind}!", "kind is List!");
        check("{.items[*].metadata.name}", "a b c");
        check("{.items[0].metadata.name}", "a");
        check("{.items[-1].metadata.name}", "c");
        check("{.items[0:2].metadata.name}", "a b");
        check("{range .items[*]}{.metadata.name}{\"\\t\"}{.n}{\"\\n\"}{end}", "a\t1\nb\t5\nc\t9\n");
        check("{.items[?(@.n>4)].metadata.name}", "b c");
        check("{.items[?(@.metadata.name==\"b\")].n}", "5");
        check("{.items[?(@.ok)].metadata.name}", "a b");
        check("{.items[0].metadata.labels.app\\.io/x}", "1");
        check("{.items[0].metadata.labels['app.io/x']}", "1");
        check("{.items[0]['n','ok']}", "1 true");
        check("{..name}", "a b c");
        check("{.missing.field}", "");
        check("{$.kind}", "List");
        check("{.items[0].metadata}", "{\"labels\":{\"app.io/x\":\"1\"},\"name\":\"a\"}");
    }

    #[test]
    fn what_does_not_fit_a_value_is_told_in_the_words_of_kubectl() {
        let value = json!({"items": [1, 2, 3], "none": [], "text": "a", "null": null});
        let check = |template: &str, missing: bool, text: &str| {
            let told = JsonPath::parse(template).unwrap().fill(&value, missing);
            assert_eq!(told.map_err(|e| e.0), Err(text.to_owned()), "{template}");
        };
        check("{.items[3]}", true, "array index out of bounds: index 3, length 3");
        check("{.items[-4]}", true, "array index out of bounds: index -1, length 3");
        check("{.items[1:5]}", true, "array index out of bounds: index 4, length 3");
        check("{.items[2:1]}", true, "starting index 2 is greater than ending index 1");
        check("{.none[0]}", true, "array index out of bounds: index 0, length 0");
        check("{.text[0]}", true, "string is not array or slice");
        check("{.text[?(@.a==1)]}", true, "a is not array or slice and cannot be filtered");
        check("{.missing.more}", false, "missing is not found");
        let fine = |template: &str| JsonPath::parse(template).unwrap().fill(&value, true).unwrap();
        assert_eq!(fine("{.missing[3].more}{.items[1:1]}{.null[2]}"), "");
    }

    #[test]
    fn broken_templates_are_refused() {
        for template in ["{.a", "{.a[}", "{range .a}", "{end}", "{.a[?(@.b==]}", "{.a[x]}"] {
            assert!(JsonPath::parse(template).is_err(), "{template}");
        }
        assert!(JsonPath::parse(&"{".repeat(MAX_TEMPLATE + 1)).is_err());
        let deep = format!("{}{}", "{range .a}".repeat(40), "{end}".repeat(40));
        assert!(JsonPath::parse(&deep).is_err());
    }

    #[test]
    fn an_expression_may_lack_its_braces() {
        let value = json!({"status": {"phase": "Running"}});
        for text in ["{.status.phase}", ".status.phase", "status.phase", "{status.phase}"] {
            let path = JsonPath::parse_relaxed(text).unwrap();
            assert_eq!(path.fill(&value, true).unwrap(), "Running", "{text}");
        }
    }
}
