//! Label selectors: `app in (a,b),!old,tier!=x`, and `matchLabels`/`matchExpressions`.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::api::names;
use crate::api::validate::{Errors, Path};

/// A label selector: every requirement must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelSelector {
    /// Its requirements, sorted by key; `None` matches nothing at all.
    requirements: Option<Vec<Requirement>>,
}

/// What a requirement asks of a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Operator {
    /// One of the values.
    In,
    /// Absent, or none of the values.
    NotIn,
    /// The value, written with `=`.
    Equals,
    /// The value, written with `==`.
    DoubleEquals,
    /// Absent, or not the value.
    NotEquals,
    /// There.
    Exists,
    /// Not there.
    DoesNotExist,
    /// A whole number above the value.
    GreaterThan,
    /// A whole number below the value.
    LessThan,
}

impl Operator {
    /// The name in errors and in the Go API.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::In => "in",
            Self::NotIn => "notin",
            Self::Equals => "=",
            Self::DoubleEquals => "==",
            Self::NotEquals => "!=",
            Self::Exists => "exists",
            Self::DoesNotExist => "!",
            Self::GreaterThan => "gt",
            Self::LessThan => "lt",
        }
    }

    /// The name in a manifest's `matchExpressions`, which know four of them.
    const fn in_manifest(self) -> Option<&'static str> {
        match self {
            Self::In => Some("In"),
            Self::NotIn => Some("NotIn"),
            Self::Exists => Some("Exists"),
            Self::DoesNotExist => Some("DoesNotExist"),
            Self::Equals
            | Self::DoubleEquals
            | Self::NotEquals
            | Self::GreaterThan
            | Self::LessThan => None,
        }
    }

    fn from_manifest(name: &str) -> Option<Self> {
        [Self::In, Self::NotIn, Self::Exists, Self::DoesNotExist]
            .into_iter()
            .find(|o| o.in_manifest() == Some(name))
    }
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// What is asked.
    pub operator: Operator,
    /// The values, as given.
    pub values: Vec<String>,
}

/// Why something is no label selector, in upstream's words.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LabelSelectorError(pub String);

impl LabelSelector {
    /// The selector that matches nothing.
    pub const NOTHING: Self = Self { requirements: None };

    /// Reads a selector as `kubectl -l` takes it (`labels.Parse`).
    ///
    /// # Errors
    /// Upstream's words for what is wrong.
    pub fn parse(text: &str) -> Result<Self, LabelSelectorError> {
        let mut parser = Parser { tokens: lex(text), position: 0 };
        let mut requirements = parser.selector().map_err(LabelSelectorError)?;
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements: Some(requirements) })
    }

    /// Matches everything (`labels.Everything`).
    pub const fn everything() -> Self {
        Self { requirements: Some(Vec::new()) }
    }

    /// Compiles a `metav1.LabelSelector` in JSON (`LabelSelectorAsSelector`): none matches nothing,
    /// an empty one everything.
    ///
    /// # Errors
    /// An operator that does not exist, or what [`Requirement::new`] refuses.
    pub fn from_meta(selector: &Value) -> Result<Self, LabelSelectorError> {
        if selector.is_null() {
            return Ok(Self::NOTHING);
        }
        let mut requirements = Vec::new();
        let mut labels: Vec<_> =
            selector["matchLabels"].as_object().into_iter().flatten().collect();
        labels.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in labels {
            let values = vec![value.as_str().unwrap_or_default().to_owned()];
            requirements.push(Requirement::new(key, Operator::Equals, values)?);
        }
        for expression in selector["matchExpressions"].as_array().into_iter().flatten() {
            let name = expression["operator"].as_str().unwrap_or_default();
            let Some(operator) = Operator::from_manifest(name) else {
                let quoted = crate::api::validate::quote(name);
                return Err(LabelSelectorError(format!(
                    "{quoted} is not a valid label selector operator"
                )));
            };
            let values = expression["values"].as_array().into_iter().flatten();
            let values = values.map(|v| v.as_str().unwrap_or_default().to_owned()).collect();
            let key = expression["key"].as_str().unwrap_or_default();
            requirements.push(Requirement::new(key, operator, values)?);
        }
        requirements.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(Self { requirements: Some(requirements) })
    }

    /// Whether every requirement holds; `get` answers with a label's value.
    pub fn matches<'a>(&self, get: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.requirements.as_ref().is_some_and(|all| all.iter().all(|r| r.matches(get(&r.key))))
    }

    /// Whether it holds for the labels in a JSON object.
    pub fn matches_json(&self, labels: Option<&Map<String, Value>>) -> bool {
        self.matches(|key| labels.and_then(|l| l.get(key)).and_then(Value::as_str))
    }

    /// Whether everything matches.
    pub fn is_empty(&self) -> bool {
        self.requirements.as_ref().is_some_and(Vec::is_empty)
    }

    /// The requirements; `None` when nothing matches.
    pub fn requirements(&self) -> Option<&[Requirement]> {
        self.requirements.as_deref()
    }

    /// The selector as a manifest writes it (`ParseToLabelSelector`).
    ///
    /// # Errors
    /// An operator that manifests do not have.
    pub fn to_meta(&self) -> Result<Value, LabelSelectorError> {
        let (mut labels, mut expressions) = (Map::new(), Vec::new());
        for r in self.requirements.iter().flatten() {
            if matches!(r.operator, Operator::Equals | Operator::DoubleEquals) {
                labels.insert(r.key.clone(), r.values.first().cloned().unwrap_or_default().into());
                continue;
            }
            let Some(operator) = r.operator.in_manifest() else {
                let name = r.operator.as_str();
                let numeric = matches!(r.operator, Operator::GreaterThan | Operator::LessThan);
                return Err(LabelSelectorError(if numeric {
                    format!("\"{name}\" isn't supported in label selectors")
                } else {
                    format!("\"{name}\" is not a valid label selector operator")
                }));
            };
            let mut expression = json!({"key": r.key, "operator": operator});
            if !r.values.is_empty() {
                expression["values"] = r.sorted().into();
            }
            expressions.push(expression);
        }
        let mut out = Map::new();
        if !labels.is_empty() {
            out.insert("matchLabels".into(), labels.into());
        }
        if !expressions.is_empty() {
            out.insert("matchExpressions".into(), expressions.into());
        }
        Ok(Value::Object(out))
    }
}

impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, requirement) in self.requirements.iter().flatten().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl Requirement {
    /// A requirement that is well formed (`NewRequirement`).
    ///
    /// # Errors
    /// All that is wrong with key, operator and values.
    pub fn new(
        key: &str,
        operator: Operator,
        values: Vec<String>,
    ) -> Result<Self, LabelSelectorError> {
        let mut errors = Errors::default();
        if let Some(message) = joined(&names::qualified_name(key)) {
            errors.invalid(&Path::new("key"), key, message);
        }
        let at = Path::new("values");
        let given = &if values.is_empty() { Value::Null } else { values.clone().into() };
        let wrong_number = match operator {
            Operator::In | Operator::NotIn => values
                .is_empty()
                .then_some("for 'in', 'notin' operators, values set can't be empty"),
            Operator::Equals | Operator::DoubleEquals | Operator::NotEquals => {
                (values.len() != 1).then_some("exact-match compatibility requires one single value")
            }
            Operator::Exists | Operator::DoesNotExist => (!values.is_empty())
                .then_some("values set must be empty for exists and does not exist"),
            Operator::GreaterThan | Operator::LessThan => (values.len() != 1)
                .then_some("for 'Gt', 'Lt' operators, exactly one value is required"),
        };
        if let Some(message) = wrong_number {
            errors.invalid(&at, given, message);
        }
        if matches!(operator, Operator::GreaterThan | Operator::LessThan) {
            for (i, value) in values.iter().enumerate().filter(|(_, v)| parse_int(v).is_none()) {
                let message = "for 'Gt', 'Lt' operators, the value must be an integer";
                errors.invalid(&at.index(i), value.as_str(), message);
            }
        }
        for (i, value) in values.iter().enumerate() {
            if let Some(message) = joined(&names::label_value(value)) {
                errors.invalid(&at.index(i).key(key), value.as_str(), message);
            }
        }
        if errors.is_empty() {
            return Ok(Self { key: key.to_owned(), operator, values });
        }
        Err(LabelSelectorError(errors.aggregate()))
    }

    /// Whether a label's value meets it; `None` where there is no such label.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value| self.values.iter().any(|v| v == value);
        match self.operator {
            Operator::In | Operator::Equals | Operator::DoubleEquals => value.is_some_and(listed),
            Operator::NotIn | Operator::NotEquals => !value.is_some_and(listed),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
            Operator::GreaterThan | Operator::LessThan => {
                let bound = self.values.first().and_then(|v| parse_int(v));
                value.and_then(parse_int).zip(bound).is_some_and(|(value, bound)| {
                    if self.operator == Operator::LessThan { value < bound } else { value > bound }
                })
            }
        }
    }

    fn sorted(&self) -> Vec<&str> {
        let mut values: Vec<&str> = self.values.iter().map(String::as_str).collect();
        values.sort_unstable();
        values
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = self.sorted().join(",");
        let key = &self.key;
        match self.operator {
            Operator::Exists => f.write_str(key),
            Operator::DoesNotExist => write!(f, "!{key}"),
            Operator::In => write!(f, "{key} in ({values})"),
            Operator::NotIn => write!(f, "{key} notin ({values})"),
            Operator::Equals => write!(f, "{key}={values}"),
            Operator::DoubleEquals => write!(f, "{key}=={values}"),
            Operator::NotEquals => write!(f, "{key}!={values}"),
            Operator::GreaterThan => write!(f, "{key}>{values}"),
            Operator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

/// The text of a `metav1.LabelSelector` (`FormatLabelSelector`).
pub fn format_meta(selector: &Value) -> String {
    match LabelSelector::from_meta(selector).map(|s| s.to_string()) {
        Ok(text) if text.is_empty() => "<none>".into(),
        Ok(text) => text,
        Err(_) => "<error>".into(),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Error,
    End,
    Close,
    Comma,
    Not,
    Operator(Operator),
    Word,
    Open,
}

/// Words and symbols with their texts, an end token last.
fn lex(text: &str) -> Vec<(Token, String)> {
    let is_space = |c: char| matches!(c, ' ' | '\t' | '\r' | '\n');
    let is_symbol = |c: char| "=!(),><".contains(c);
    let mut tokens = Vec::new();
    // A zero byte ends the text for upstream.
    let mut rest = text.split('\0').next().unwrap_or_default().trim_start_matches(is_space);
    while let Some(first) = rest.chars().next() {
        let length = if is_symbol(first) {
            symbol_length(rest)
        } else {
            rest.find(|c| is_symbol(c) || is_space(c)).unwrap_or(rest.len())
        };
        let (literal, after) = rest.split_at(length);
        tokens.push((token(literal), literal.to_owned()));
        rest = after.trim_start_matches(is_space);
    }
    tokens.push((Token::End, String::new()));
    tokens
}

/// `==` and `!=` are one symbol, as any other two are not.
fn symbol_length(rest: &str) -> usize {
    if rest.starts_with("==") || rest.starts_with("!=") { 2 } else { 1 }
}

fn token(literal: &str) -> Token {
    match literal {
        ")" => Token::Close,
        "(" => Token::Open,
        "," => Token::Comma,
        "!" => Token::Not,
        "==" => Token::Operator(Operator::DoubleEquals),
        "=" => Token::Operator(Operator::Equals),
        "!=" => Token::Operator(Operator::NotEquals),
        ">" => Token::Operator(Operator::GreaterThan),
        "<" => Token::Operator(Operator::LessThan),
        "in" => Token::Operator(Operator::In),
        "notin" => Token::Operator(Operator::NotIn),
        "" => Token::Error,
        _ => Token::Word,
    }
}

struct Parser {
    tokens: Vec<(Token, String)>,
    position: usize,
}

impl Parser {
    /// The next token, words like `in` taken as what they are here: plain words.
    fn peek(&self) -> (Token, &str) {
        let (token, literal) = &self.tokens[self.position.min(self.tokens.len() - 1)];
        if matches!(token, Token::Operator(Operator::In | Operator::NotIn)) {
            return (Token::Word, literal);
        }
        (*token, literal)
    }

    fn take(&mut self) -> (Token, String) {
        let (token, literal) = self.peek();
        let out = (token, literal.to_owned());
        self.position += 1;
        out
    }

    fn selector(&mut self) -> Result<Vec<Requirement>, String> {
        let mut out = Vec::new();
        loop {
            match self.peek() {
                (Token::Word | Token::Not, _) => {
                    let requirement = self.requirement();
                    out.push(requirement.map_err(|e| format!("unable to parse requirement: {e}"))?);
                    match self.take() {
                        (Token::End, _) => return Ok(out),
                        (Token::Comma, _) => {
                            let (token, literal) = self.peek();
                            if !matches!(token, Token::Word | Token::Not) {
                                return Err(format!(
                                    "found '{literal}', expected: identifier after ','"
                                ));
                            }
                        }
                        (_, literal) => {
                            return Err(format!(
                                "found '{literal}', expected: ',' or 'end of string'"
                            ));
                        }
                    }
                }
                (Token::End, _) => return Ok(out),
                (_, literal) => {
                    return Err(format!(
                        "found '{literal}', expected: !, identifier, or 'end of string'"
                    ));
                }
            }
        }
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut token, mut key) = self.take();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.take();
        }
        if token != Token::Word {
            return Err(format!("found '{key}', expected: identifier"));
        }
        if let Some(message) = joined(&names::qualified_name(&key)) {
            let quoted = crate::api::validate::quote(&key);
            return Err(format!("<nil>: Invalid value: {quoted}: {message}"));
        }
        let ends = matches!(self.peek().0, Token::End | Token::Comma);
        let (operator, values) = match (negated, ends) {
            (true, _) => (Operator::DoesNotExist, Vec::new()),
            (false, true) => (Operator::Exists, Vec::new()),
            (false, false) => {
                let operator = self.operator()?;
                let listed = matches!(operator, Operator::In | Operator::NotIn);
                (operator, if listed { self.values()? } else { vec![self.exact_value()?] })
            }
        };
        Requirement::new(&key, operator, values).map_err(|e| e.0)
    }

    fn operator(&mut self) -> Result<Operator, String> {
        let (token, literal) = self.tokens[self.position.min(self.tokens.len() - 1)].clone();
        self.position += 1;
        if let Token::Operator(operator) = token {
            return Ok(operator);
        }
        Err(format!("found '{literal}', expected: in, notin, =, ==, !=, gt, lt"))
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let (token, literal) = self.take();
        if token != Token::Open {
            return Err(format!("found '{literal}' expected: '('"));
        }
        match self.peek() {
            (Token::Word | Token::Comma, first) => {
                let first = first.to_owned();
                let values = self.identifiers()?;
                if self.take().0 != Token::Close {
                    return Err(format!("found '{first}', expected: ')'"));
                }
                Ok(values)
            }
            (Token::Close, _) => {
                self.take();
                Ok(vec![String::new()])
            }
            (_, literal) => Err(format!("found '{literal}', expected: ',', ')' or identifier")),
        }
    }

    /// The values between the parentheses, sorted, each once; an empty place is an empty value.
    fn identifiers(&mut self) -> Result<Vec<String>, String> {
        let mut values = std::collections::BTreeSet::new();
        loop {
            match self.take() {
                (Token::Word, literal) => {
                    values.insert(literal);
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Close, _) => return Ok(values.into_iter().collect()),
                        (_, literal) => {
                            return Err(format!("found '{literal}', expected: ',' or ')'"));
                        }
                    }
                }
                (Token::Comma, _) => {
                    if values.is_empty() {
                        values.insert(String::new());
                    }
                    let next = self.peek().0;
                    if matches!(next, Token::Close | Token::Comma) {
                        values.insert(String::new());
                    }
                    if next == Token::Close {
                        return Ok(values.into_iter().collect());
                    }
                }
                (_, literal) => {
                    return Err(format!("found '{literal}', expected: ',', or identifier"));
                }
            }
        }
    }

    fn exact_value(&mut self) -> Result<String, String> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.take() {
            (Token::Word, literal) => Ok(literal),
            (_, literal) => Err(format!("found '{literal}', expected: identifier")),
        }
    }
}

fn joined(messages: &names::Messages) -> Option<String> {
    (!messages.is_empty()).then(|| messages.join("; "))
}

/// A whole number as Go's `strconv.ParseInt` reads it.
fn parse_int(text: &str) -> Option<i64> {
    text.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_have_a_canonical_text() {
        let check = |text: &str, canonical: &str| {
            assert_eq!(LabelSelector::parse(text).unwrap().to_string(), canonical);
        };
        check(" b , a=1 ", "a=1,b");
        check("x in (c,a,b)", "x in (a,b,c)");
        check("x notin (),!y", "x notin (),!y");
        check("in in (in)", "in in (in)");
        check("", "");
    }

    #[test]
    fn each_operator_selects_as_upstream() {
        let check = |text: &str, value: Option<&str>, matches: bool| {
            let selector = LabelSelector::parse(text).unwrap();
            assert_eq!(selector.matches(|_| value), matches, "{text} {value:?}");
        };
        check("a", None, false);
        check("!a", None, true);
        check("a!=1", None, true);
        check("a notin (1)", Some("1"), false);
        check("a>5", Some("10"), true);
        check("a<5", Some("x"), false);
    }

    #[test]
    fn an_absent_selector_matches_nothing_and_an_empty_one_everything() {
        assert!(!LabelSelector::from_meta(&Value::Null).unwrap().matches(|_| None));
        assert!(LabelSelector::from_meta(&json!({})).unwrap().matches(|_| None));
    }
}
