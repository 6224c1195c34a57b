//! Templates of objects: YAML files with actions of Go's `text/template` in them, as far as op lists use it.
//!
//! `.Index` counts the objects of an op from 0, `.Count` is how many there are; the functions are those of
//! whole numbers that the suite registers (test/integration/scheduler_perf/operations.go, `getTemplateFuncs`):
//! `AddInt`, `SubtractInt`, `MultiplyInt`, `DivideInt`, `Mod`. Pipes, conditions, variables and the functions of
//! fractions are refused.

use serde_json::Value;

use crate::api::documents::read_documents;
use crate::api::limits::Limits;
use crate::api::tree::Tree;

/// Actions nest no deeper than this.
const DEEPEST: usize = 16;

/// A template, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// The file, as messages name it.
    pub file: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// The same object each time.
    Fixed(Value),
    /// Text with actions in it.
    Parts(Vec<Part>),
}

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Action(Term),
}

#[derive(Clone, Debug, PartialEq)]
enum Term {
    Index,
    Count,
    Number(i64),
    Call(Function, Vec<Self>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Add,
    Subtract,
    Multiply,
    Divide,
    Mod,
}

impl Template {
    /// Reads a template, and tries it with the first of one object.
    ///
    /// # Errors
    /// An action that is not modelled, or text that is no YAML object.
    pub fn read(file: String, text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let (action, behind) =
                after.split_once("}}").ok_or_else(|| format!("{file}: an action is not closed"))?;
            parts.push(Part::Text(before.to_owned()));
            let wrong = |why: String| format!("{file}: {{{{{action}}}}}: {why}");
            parts.push(Part::Action(action_of(action).map_err(wrong)?));
            rest = behind;
        }
        if parts.is_empty() {
            let kind = Kind::Fixed(object(&file, text)?);
            return Ok(Self { file, kind });
        }
        parts.push(Part::Text(rest.to_owned()));
        let template = Self { file, kind: Kind::Parts(parts) };
        template.object(0, 1)?;
        Ok(template)
    }

    /// A template of an object that is always the same.
    pub fn fixed(file: &str, object: Value) -> Self {
        Self { file: file.to_owned(), kind: Kind::Fixed(object) }
    }

    /// The object number `index` of `count`.
    ///
    /// # Errors
    /// A division by zero, or text that is no YAML object with these numbers.
    pub fn object(&self, index: usize, count: usize) -> Result<Value, String> {
        let parts = match &self.kind {
            Kind::Fixed(object) => return Ok(object.clone()),
            Kind::Parts(parts) => parts,
        };
        let number = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let mut text = String::new();
        for part in parts {
            match part {
                Part::Text(piece) => text.push_str(piece),
                Part::Action(term) => {
                    let value = term.value(number(index), number(count));
                    text.push_str(
                        &value.map_err(|why| format!("{}: {why}", self.file))?.to_string(),
                    );
                }
            }
        }
        object(&self.file, &text)
    }
}

/// The one object of a text.
fn object(file: &str, text: &str) -> Result<Value, String> {
    let mut objects = Vec::new();
    for document in read_documents(text, &Limits::default()) {
        let document = document.map_err(|e| format!("{file}: {}", e.problem))?;
        if !document.tree.is_empty() && !document.tree.value(Tree::ROOT).is_null() {
            objects.push(document.tree.value(Tree::ROOT));
        }
    }
    match objects.len() {
        1 if objects[0].is_object() => Ok(objects.remove(0)),
        1 => Err(format!("{file}: it is no object")),
        n => Err(format!("{file}: it holds {n} objects, and a template holds one")),
    }
}

impl Term {
    fn value(&self, index: i64, count: i64) -> Result<i64, String> {
        match self {
            Self::Index => Ok(index),
            Self::Count => Ok(count),
            Self::Number(number) => Ok(*number),
            Self::Call(function, terms) => {
                let values: Vec<i64> =
                    terms.iter().map(|t| t.value(index, count)).collect::<Result<_, _>>()?;
                function.of(&values)
            }
        }
    }
}

impl Function {
    fn named(name: &str) -> Result<Self, String> {
        Ok(match name {
            "AddInt" => Self::Add,
            "SubtractInt" => Self::Subtract,
            "MultiplyInt" => Self::Multiply,
            "DivideInt" => Self::Divide,
            "Mod" => Self::Mod,
            "AddFloat" | "SubtractFloat" | "MultiplyFloat" | "DivideFloat" => {
                return Err(format!("the function {name} is not modelled"));
            }
            _ => {
                return Err(format!(
                    "\"{name}\" is none of .Index, .Count, AddInt, SubtractInt, MultiplyInt, DivideInt, Mod"
                ));
            }
        })
    }

    fn of(self, values: &[i64]) -> Result<i64, String> {
        let large = || "a number is too large".to_owned();
        let two = || match values {
            [a, b] => Ok((*a, *b)),
            _ => Err(format!("a function of two numbers is given {}", values.len())),
        };
        let not_zero = |(a, b): (i64, i64)| match b {
            0 => Err("division by zero".to_owned()),
            b => Ok((a, b)),
        };
        match self {
            Self::Add => values.iter().try_fold(0_i64, |sum, v| sum.checked_add(*v)),
            Self::Multiply => values.iter().try_fold(1_i64, |all, v| all.checked_mul(*v)),
            Self::Subtract => two().map(|(a, b)| a.checked_sub(b))?,
            Self::Divide => two().and_then(not_zero).map(|(a, b)| a.checked_div(b))?,
            Self::Mod => two().and_then(not_zero).map(|(a, b)| a.checked_rem(b))?,
        }
        .ok_or_else(large)
    }
}

/// An action: a term, or a function and its terms.
fn action_of(text: &str) -> Result<Term, String> {
    let spaced = text.trim().trim_matches('-').replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (term, rest) = terms(&words, 0)?;
    if rest.is_empty() { Ok(term) } else { Err(format!("\"{}\" is too much", rest.join(" "))) }
}

fn terms<'w>(words: &'w [&'w str], depth: usize) -> Result<(Term, &'w [&'w str]), String> {
    if depth > DEEPEST {
        return Err(format!("it nests deeper than {DEEPEST}"));
    }
    let (first, mut rest) = words.split_first().ok_or("it is empty")?;
    if let Some(term) = simple(first) {
        return Ok((term, rest));
    }
    let function = Function::named(first)?;
    let mut all = Vec::new();
    loop {
        match rest.split_first() {
            None | Some((&")", _)) => return Ok((Term::Call(function, all), rest)),
            Some((&"(", inner)) => {
                let (term, behind) = terms(inner, depth + 1)?;
                let Some((&")", behind)) = behind.split_first() else {
                    return Err("a parenthesis is not closed".to_owned());
                };
                all.push(term);
                rest = behind;
            }
            Some((word, behind)) => {
                all.push(simple(word).ok_or_else(|| format!("\"{word}\" is no number"))?);
                rest = behind;
            }
        }
    }
}

fn simple(word: &str) -> Option<Term> {
    match word {
        ".Index" => Some(Term::Index),
        ".Count" => Some(Term::Count),
        number => number.parse().ok().map(Term::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(action: &str, index: usize, count: usize) -> Result<String, String> {
        let template = Template::read("t.yaml".into(), &format!("name: n-{action}\n"))?;
        Ok(template.object(index, count)?["name"].as_str().unwrap().to_owned())
    }

    #[test]
    fn actions_are_numbers_of_the_object() {
        for (action, value) in [
            ("{{.Index}}", "n-7"),
            ("{{ .Count }}", "n-20"),
            ("{{ Mod .Index 5 }}", "n-2"),
            ("{{DivideInt 30000 .Count}}", "n-1500"),
            ("{{AddInt 1 (MultiplyInt .Index 2) 3}}", "n-18"),
            ("{{SubtractInt .Index 9}}x{{.Index}}", "n--2x7"),
        ] {
            assert_eq!(name(action, 7, 20).unwrap(), value, "{action}");
        }
    }

    #[test]
    fn what_is_not_modelled_is_refused_with_the_file_and_the_action() {
        for (action, why) in [
            ("{{if .Index}}", "\"if\" is none of"),
            ("{{AddFloat 1 2}}", "AddFloat is not modelled"),
            ("{{.Index", "not closed"),
            ("{{DivideInt .Index 0}}", "division by zero"),
            ("{{Mod .Index}}", "two numbers is given 1"),
            ("{{AddInt (Mod 3 2}}", "parenthesis"),
            ("{{}}", "it is empty"),
            ("{{.Index .Count}}", "too much"),
            ("{{MultiplyInt 9223372036854775807 2}}", "too large"),
        ] {
            let refused = name(action, 0, 1).unwrap_err();
            assert!(refused.starts_with("t.yaml: ") && refused.contains(why), "{refused}");
        }
        assert!(Template::read("t".into(), "a: 1\n---\nb: 2\n").unwrap_err().contains("2 objects"));
        assert!(Template::read("t".into(), "- 1\n").unwrap_err().contains("no object"));
    }
}
