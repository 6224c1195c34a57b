//! Field errors and the paths they name.
//!
//! After `staging/src/k8s.io/apimachinery/pkg/util/validation/field` (`errors.go`, `path.go`).

use std::fmt;
use std::rc::Rc;

use serde_json::Value;

use crate::base::Str;

/// The path of a field from its object: `spec.containers[0].image`.
///
/// Validation passes by many fields and speaks of few, so a path is a chain of parts that is written
/// out only where it is told.
#[derive(Clone, Debug, Default)]
pub struct Path(Option<Rc<Step>>);

#[derive(Debug)]
struct Step {
    before: Path,
    part: Part,
}

#[derive(Debug)]
enum Part {
    Field(Str),
    Index(usize),
    Key(Str),
}

impl Path {
    /// A path that begins here; `name` may hold dots.
    pub fn new(name: &str) -> Self {
        Self::default().child(name)
    }

    /// The path of a field below; `name` may hold dots.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        self.then(Part::Field(name.into()))
    }

    /// The path of an element of a list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.then(Part::Index(index))
    }

    /// The path of an entry of a map.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.then(Part::Key(key.into()))
    }

    fn then(&self, part: Part) -> Self {
        Self(Some(Rc::new(Step { before: self.clone(), part })))
    }
}

impl fmt::Display for Path {
    /// `<nil>` for the object itself, as Go writes a path that is none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let chain = std::iter::successors(self.0.as_deref(), |step| step.before.0.as_deref());
        let mut parts: Vec<&Part> = chain.map(|step| &step.part).collect();
        parts.reverse();
        let whole = matches!(parts.as_slice(), [] | [Part::Field(_)])
            && parts.iter().all(|p| matches!(p, Part::Field(name) if name.is_empty()));
        if whole {
            return f.write_str("<nil>");
        }
        for (i, part) in parts.into_iter().enumerate() {
            match part {
                Part::Field(name) if i == 0 => f.write_str(name)?,
                Part::Field(name) => write!(f, ".{name}")?,
                Part::Index(index) => write!(f, "[{index}]")?,
                Part::Key(key) => write!(f, "[{key}]")?,
            }
        }
        Ok(())
    }
}

/// The kinds of field errors. The names are those of the API (`metav1.CauseType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ErrorType {
    /// What the field names does not exist.
    NotFound,
    /// The field must be given.
    Required,
    /// The value must be unique and is not.
    Duplicate,
    /// The value is malformed or out of bounds.
    Invalid,
    /// The value is none of the enumerated ones.
    NotSupported,
    /// The value is well formed and not allowed here.
    Forbidden,
    /// The value is too long; it is not repeated.
    TooLong,
    /// The list has too many items.
    TooMany,
    /// Something else failed.
    Internal,
    /// The value is of a wrong type.
    TypeInvalid,
}

impl ErrorType {
    /// The machine-readable name: `FieldValueInvalid`.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    /// What people read: `Invalid value`.
    pub const fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }
}

/// One error about one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// The kind of error.
    pub kind: ErrorType,
    /// The field's path.
    pub field: String,
    /// The value as the message shows it; `None` where it is not shown.
    pub value: Option<String>,
    /// What is wrong, or empty.
    pub detail: String,
}

impl FieldError {
    /// The message without the field: `Invalid value: "x": must be …`.
    pub fn body(&self) -> String {
        let mut out = self.kind.text().to_owned();
        if let Some(value) = &self.value {
            out.extend([": ", value]);
        }
        if !self.detail.is_empty() {
            out.extend([": ", &self.detail]);
        }
        out
    }
}

impl fmt::Display for FieldError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

/// A value as a message shows it: numbers and truth values plainly, texts quoted, the rest as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown(pub String);

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Self(quote(text))
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        Self(quote(&text))
    }
}

impl From<i64> for Shown {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl From<bool> for Shown {
    fn from(flag: bool) -> Self {
        Self(flag.to_string())
    }
}

impl From<&Value> for Shown {
    fn from(value: &Value) -> Self {
        match value {
            Value::String(text) => text.as_str().into(),
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => Self(go_json(value)),
        }
    }
}

impl<T: Into<Self>> From<Option<T>> for Shown {
    fn from(value: Option<T>) -> Self {
        value.map_or_else(|| Self("null".into()), Into::into)
    }
}

/// The errors of one validation, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors(pub Vec<FieldError>);

impl Errors {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Appends others.
    pub fn append(&mut self, mut others: Self) {
        self.0.append(&mut others.0);
    }

    /// All errors as one text: alone as it is, several in brackets, none of them twice
    /// (`ErrorList.ToAggregate`).
    pub fn aggregate(&self) -> String {
        let mut texts: Vec<String> = Vec::with_capacity(self.0.len());
        for error in &self.0 {
            let text = error.to_string();
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        if texts.len() == 1 { texts.remove(0) } else { format!("[{}]", texts.join(", ")) }
    }

    fn push(&mut self, kind: ErrorType, at: &Path, value: Option<String>, detail: String) {
        self.0.push(FieldError { kind, field: at.to_string(), value, detail });
    }

    /// The field must be given.
    pub fn required(&mut self, at: &Path, detail: impl Into<String>) {
        self.push(ErrorType::Required, at, None, detail.into());
    }

    /// The field must not be what it is.
    pub fn forbidden(&mut self, at: &Path, detail: impl Into<String>) {
        self.push(ErrorType::Forbidden, at, None, detail.into());
    }

    /// The value is wrong.
    pub fn invalid(&mut self, at: &Path, value: impl Into<Shown>, detail: impl Into<String>) {
        self.push(ErrorType::Invalid, at, Some(value.into().0), detail.into());
    }

    /// The value is wrong; its text as it is to be shown.
    pub fn invalid_shown(&mut self, at: &Path, shown: String, detail: impl Into<String>) {
        self.push(ErrorType::Invalid, at, Some(shown), detail.into());
    }

    /// The value is wrong; it is not shown.
    pub fn invalid_unshown(&mut self, at: &Path, detail: impl Into<String>) {
        self.push(ErrorType::Invalid, at, None, detail.into());
    }

    /// The value is wrong, for each of the reasons.
    pub fn invalid_for(&mut self, at: &Path, value: impl Into<Shown>, details: Vec<String>) {
        let shown = value.into();
        for detail in details {
            self.push(ErrorType::Invalid, at, Some(shown.0.clone()), detail);
        }
    }

    /// The value is already there.
    pub fn duplicate(&mut self, at: &Path, value: impl Into<Shown>) {
        self.push(ErrorType::Duplicate, at, Some(value.into().0), String::new());
    }

    /// The value is already there, with more to say.
    pub fn duplicate_because(&mut self, at: &Path, value: impl Into<Shown>, detail: &str) {
        self.push(ErrorType::Duplicate, at, Some(value.into().0), detail.to_owned());
    }

    /// What is named does not exist.
    pub fn not_found(&mut self, at: &Path, value: impl Into<Shown>) {
        self.push(ErrorType::NotFound, at, Some(value.into().0), String::new());
    }

    /// What is named does not exist, with more to say.
    pub fn not_found_because(&mut self, at: &Path, value: impl Into<Shown>, detail: &str) {
        self.push(ErrorType::NotFound, at, Some(value.into().0), detail.to_owned());
    }

    /// The value is none of these, which are listed in the order given.
    pub fn not_supported(&mut self, at: &Path, value: impl Into<Shown>, supported: &[&str]) {
        let quoted: Vec<String> = supported.iter().map(|s| quote(s)).collect();
        let detail = if quoted.is_empty() {
            String::new()
        } else {
            format!("supported values: {}", quoted.join(", "))
        };
        self.push(ErrorType::NotSupported, at, Some(value.into().0), detail);
    }

    /// The value is longer than `bytes`.
    pub fn too_long(&mut self, at: &Path, bytes: usize) {
        let unit = if bytes == 1 { "byte" } else { "bytes" };
        self.push(ErrorType::TooLong, at, None, format!("may not be more than {bytes} {unit}"));
    }

    /// The list has more than `most` items.
    pub fn too_many(&mut self, at: &Path, items: usize, most: usize) {
        let unit = if most == 1 { "item" } else { "items" };
        let detail = format!("must have at most {most} {unit}");
        self.push(ErrorType::TooMany, at, Some(items.to_string()), detail);
    }

    /// A number that must not be below zero (`ValidateNonnegativeField`).
    pub(super) fn non_negative(&mut self, of: &super::At<'_>, name: &str) {
        if of.int(name) < 0 {
            self.invalid(&of.at(name), of.int(name), "must be greater than or equal to 0");
        }
    }

    /// A text that must be there.
    pub(super) fn require_text(&mut self, of: &super::At<'_>, name: &str) {
        if of.text(name).is_empty() {
            self.required(&of.at(name), "");
        }
    }

    /// A field that must be one of these, which are listed in the order given.
    pub(super) fn one_of(&mut self, of: &super::At<'_>, name: &str, supported: &[&str]) {
        let value = of.text(name);
        if !supported.contains(&value) {
            self.not_supported(&of.at(name), value, supported);
        }
    }

    /// As [`Errors::one_of`], but an empty one is missing.
    pub(super) fn require_one_of(&mut self, of: &super::At<'_>, name: &str, supported: &[&str]) {
        if of.text(name).is_empty() {
            self.required(&of.at(name), "");
        } else {
            self.one_of(of, name, supported);
        }
    }

    /// A pointer that, if set, must be one of these.
    pub(super) fn optional_one_of(&mut self, of: &super::At<'_>, name: &str, supported: &[&str]) {
        if of.has(name) {
            self.one_of(of, name, supported);
        }
    }

    /// Something else failed.
    pub fn internal(&mut self, at: &Path, detail: impl Into<String>) {
        self.push(ErrorType::Internal, at, None, detail.into());
    }
}

impl IntoIterator for Errors {
    type Item = FieldError;
    type IntoIter = std::vec::IntoIter<FieldError>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A text in double quotes, as Go's `%q`.
pub fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if u32::from(c) < 0x80 && c.is_ascii_control() => {
                out.extend(["\\x", &hex(c, 2)]);
            }
            c if is_unprintable(c) && u32::from(c) > 0xffff => {
                out.extend(["\\U", &hex(c, 8)]);
            }
            c if is_unprintable(c) => out.extend(["\\u", &hex(c, 4)]),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn hex(c: char, digits: usize) -> String {
    format!("{:0digits$x}", u32::from(c))
}

/// Characters beyond ASCII that Go escapes: controls, odd spaces, joiners, surrogate-like gaps.
fn is_unprintable(c: char) -> bool {
    matches!(u32::from(c), 0x80..=0xa0 | 0xad | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x180e
        | 0x1680 | 0x2000..=0x200f | 0x2028..=0x202f | 0x205f..=0x206f | 0x3000 | 0xe000..=0xf8ff
        | 0xfeff | 0xfff9..=0xfffb | 0xfffe..=0xffff | 0xe0000..=0x0010_ffff)
}

/// JSON as Go writes it: `<`, `>`, `&` and the line separators escaped.
pub fn go_json(value: &Value) -> String {
    escape_for_go(value.to_string())
}

/// JSON text with what Go escapes besides.
pub(super) fn escape_for_go(text: String) -> String {
    // The line separators begin with this byte.
    if !text.bytes().any(|b| matches!(b, b'<' | b'>' | b'&' | 0xe2)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.extend(["\\u", &hex(c, 4)]);
            }
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_reads_as_upstream() {
        let mut errors = Errors::default();
        let at = Path::new("spec").child("containers").index(0).child("image");
        errors.required(&at, "");
        errors.invalid(&at, "a\tb", "must not have tabs");
        errors.not_supported(&Path::new("spec.type"), "x", &["A", "B"]);
        errors.too_long(&at.key("k"), 63);
        errors.invalid(&at, &json!({"a": ["<"]}), "");
        let texts: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "spec.containers[0].image: Required value",
                r#"spec.containers[0].image: Invalid value: "a\tb": must not have tabs"#,
                r#"spec.type: Unsupported value: "x": supported values: "A", "B""#,
                "spec.containers[0].image[k]: Too long: may not be more than 63 bytes",
                r#"spec.containers[0].image: Invalid value: {"a":["\u003c"]}"#,
            ]
        );
    }
}
