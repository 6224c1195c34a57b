//! What can hold of a cluster, or happen in it: conditions, ready to be looked for.

use std::fmt;

use regex::Regex;
use serde_json::{Map, Value};

use super::cel::Expression;
use super::tree::AssertionTree;
use crate::base::{Str, wildcard};
use crate::model::{Kind, Object};
use crate::trace::EventType;

/// A condition.
#[derive(Debug)]
pub enum Condition {
    /// So many objects of a choice have a part.
    Objects(Box<Objects>),
    /// An expression over the cluster's objects holds.
    Cel(Expression),
    /// An event was recorded.
    Event(EventPattern),
    /// A container wrote a line.
    Log(LogPattern),
    /// A container's run ended.
    Exit(ExitPattern),
    /// A step was done.
    Step(StepPattern),
    /// All of these hold.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
}

/// Objects, and how many of them must have a part.
#[derive(Debug)]
pub struct Objects {
    /// Which objects.
    pub choice: Choice,
    /// What they are to have, as a part of them; empty for nothing.
    pub part: Value,
    /// What must hold of them as well.
    pub filter: Option<Expression>,
    /// An assertion tree that must hold of them as well.
    pub tree: Option<AssertionTree>,
    /// How many must.
    pub wanted: Wanted,
}

/// How many objects must have a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// So many.
    Count(Comparison),
    /// All that are chosen.
    Every,
}

/// Which objects are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// Their kind.
    pub kind: Kind,
    /// Their kind's name and group, where [`Kind::Inert`] stands for it.
    pub inert: Option<(Str, Str)>,
    /// Their names; `*` stands for any characters.
    pub name: Option<Pattern>,
    /// Their namespace; `None` for any.
    pub namespace: Option<Str>,
    /// Labels that they have.
    pub labels: Vec<(Str, Str)>,
}

impl Choice {
    /// Whether an object is chosen.
    pub fn has(&self, object: &Object) -> bool {
        if object.kind() != self.kind {
            return false;
        }
        if let (Some((kind, group)), Object::Inert(inert)) = (&self.inert, object) {
            let of = inert.api_version.split_once('/').map_or("", |(g, _)| g);
            if inert.kind != *kind || of != group.as_str() {
                return false;
            }
        }
        let meta = object.meta();
        self.name.as_ref().is_none_or(|n| n.fits(&meta.name))
            && self.namespace.as_ref().is_none_or(|n| *n == meta.namespace)
            && self.labels.iter().all(|(k, v)| meta.labels.get(k) == Some(v))
    }

    /// Whether objects are chosen by kind and name alone, and by one that no star stands in.
    pub fn is_one(&self) -> bool {
        self.name.as_ref().is_some_and(|n| !n.0.contains('*'))
    }
}

/// `deployment/web`, `pods with app=web`.
impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.inert {
            Some((kind, _)) => kind.to_lowercase(),
            None => self.kind.as_str().to_lowercase(),
        };
        match self.namespace.as_deref() {
            None | Some("default" | "") => {}
            Some(namespace) => write!(f, "{namespace}/")?,
        }
        write!(f, "{kind}")?;
        if let Some(name) = &self.name {
            write!(f, "/{}", name.0)?;
        }
        for (i, (key, value)) in self.labels.iter().enumerate() {
            write!(f, "{}{key}={value}", if i == 0 { " with " } else { "," })?;
        }
        Ok(())
    }
}

/// A name in which `*` stands for any characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(pub Str);

impl Pattern {
    /// Whether a name is meant.
    pub fn fits(&self, name: &str) -> bool {
        wildcard::fits(&self.0, name)
    }
}

/// A number compared with another: `3`, `>= 2`, `!= 0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comparison {
    how: How,
    with: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Equal,
    NotEqual,
    Less,
    AtMost,
    Greater,
    AtLeast,
}

impl Comparison {
    /// At least one.
    pub const SOME: Self = Self { how: How::AtLeast, with: 1 };
    /// None.
    pub const NONE: Self = Self { how: How::Equal, with: 0 };

    /// Reads `3`, `>= 2`, `!= 0`.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let forms = [
            (">=", How::AtLeast),
            ("<=", How::AtMost),
            ("!=", How::NotEqual),
            ("==", How::Equal),
            (">", How::Greater),
            ("<", How::Less),
        ];
        let found = forms.iter().find_map(|(sign, how)| Some((text.strip_prefix(sign)?, *how)));
        let (number, how) = found.unwrap_or((text, How::Equal));
        let wrong = || format!("{text:?} is no number or comparison such as 3, >= 2 or != 0");
        Ok(Self { how, with: number.trim().parse().map_err(|_| wrong())? })
    }

    /// Whether it holds of a number.
    pub fn holds(self, n: i64) -> bool {
        match self.how {
            How::Equal => n == self.with,
            How::NotEqual => n != self.with,
            How::Less => n < self.with,
            How::AtMost => n <= self.with,
            How::Greater => n > self.with,
            How::AtLeast => n >= self.with,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.how {
            How::Equal => "",
            How::NotEqual => "other than ",
            How::Less => "less than ",
            How::AtMost => "at most ",
            How::Greater => "more than ",
            How::AtLeast => "at least ",
        };
        write!(f, "{how}{}", self.with)
    }
}

/// Which events.
#[derive(Debug)]
pub struct EventPattern {
    /// The reason.
    pub reason: Option<Str>,
    /// What the message matches.
    pub message: Option<Regex>,
    /// The type.
    pub event_type: Option<EventType>,
    /// What it is about.
    pub about: Option<Choice>,
}

/// Which lines of containers.
#[derive(Debug)]
pub struct LogPattern {
    /// The pods.
    pub pod: Option<Pattern>,
    /// Their namespace.
    pub namespace: Str,
    /// The container.
    pub container: Option<Str>,
    /// What the line matches.
    pub line: Regex,
}

/// Which ends of containers.
#[derive(Debug)]
pub struct ExitPattern {
    /// The pods.
    pub pod: Option<Pattern>,
    /// Their namespace.
    pub namespace: Str,
    /// The container.
    pub container: Option<Str>,
    /// The exit code.
    pub code: Option<Comparison>,
    /// The reason.
    pub reason: Option<Str>,
}

/// What came of a step.
#[derive(Debug)]
pub struct StepPattern {
    /// The step's number among the steps.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether it was refused.
    pub refused: Option<bool>,
    /// The exit code.
    pub exit_code: Option<Comparison>,
    /// What kubectl's output matches.
    pub output: Option<Regex>,
}

/// In words: what is to hold.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Objects(objects) => write!(f, "{objects}"),
            Self::Cel(expression) => write!(f, "{}", expression.text()),
            Self::Event(event) => {
                write!(f, "event {}", event.reason.as_deref().unwrap_or("of any reason"))?;
                if let Some(about) = &event.about {
                    write!(f, " about {about}")?;
                }
                event.message.as_ref().map_or(Ok(()), |m| write!(f, " that says /{m}/"))
            }
            Self::Log(log) => {
                let pod = log.pod.as_ref().map_or("any pod", |p| p.0.as_str());
                write!(f, "{pod} writes /{}/", log.line)
            }
            Self::Exit(exit) => {
                let pod = exit.pod.as_ref().map_or("any pod", |p| p.0.as_str());
                let container = exit.container.as_deref().unwrap_or("a container");
                write!(f, "{container} of {pod} ends")?;
                if let Some(code) = exit.code {
                    write!(f, " with {code}")?;
                }
                exit.reason.as_ref().map_or(Ok(()), |r| write!(f, " as {r}"))
            }
            Self::Step(step) => {
                match step.refused {
                    Some(true) => write!(f, "step {:?} is refused", step.name)?,
                    Some(false) => write!(f, "step {:?} is carried out", step.name)?,
                    None => write!(f, "step {:?} is done", step.name)?,
                }
                if let Some(code) = step.exit_code {
                    write!(f, " with exit code {code}")?;
                }
                step.output.as_ref().map_or(Ok(()), |o| write!(f, ", saying /{o}/"))
            }
            Self::All(all) => joined(f, all, " and "),
            Self::Any(any) => joined(f, any, " or "),
            Self::Not(not) => write!(f, "not ({not})"),
        }
    }
}

fn joined(f: &mut fmt::Formatter<'_>, all: &[Condition], with: &str) -> fmt::Result {
    for (i, one) in all.iter().enumerate() {
        write!(f, "{}({one})", if i == 0 { "" } else { with })?;
    }
    Ok(())
}

impl fmt::Display for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = in_words(&self.part);
        let has = match (&self.filter, part.is_empty()) {
            (None, true) if self.tree.is_some() => "is as asserted".to_owned(),
            (None, true) => "is there".to_owned(),
            (None, false) => format!("has {part}"),
            (Some(filter), true) => format!("has {}", filter.text()),
            (Some(filter), false) => format!("has {part} and {}", filter.text()),
        };
        match self.wanted {
            Wanted::Every => write!(f, "every {} {has}", self.choice),
            Wanted::Count(Comparison::SOME) => write!(f, "{} {has}", self.choice),
            Wanted::Count(Comparison::NONE)
                if part.is_empty() && self.filter.is_none() && self.tree.is_none() =>
            {
                write!(f, "no {}", self.choice)
            }
            Wanted::Count(count) => write!(f, "{count} of {}: {has}", self.choice),
        }
    }
}

/// A part of an object in a line: `status.readyReplicas 3, status.phase "Running"`.
fn in_words(part: &Value) -> String {
    let mut leaves = Vec::new();
    collect(part, String::new(), &mut leaves);
    leaves.join(", ")
}

fn collect(part: &Value, path: String, leaves: &mut Vec<String>) {
    let below = |fields: &Map<String, Value>, leaves: &mut Vec<String>| {
        for (key, value) in fields {
            let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            collect(value, path, leaves);
        }
    };
    match part {
        Value::Object(fields) => below(fields, leaves),
        Value::Array(items) if items.iter().all(Value::is_object) && !items.is_empty() => {
            for item in items {
                let Some(fields) = item.as_object() else { continue };
                let mut rest = fields.clone();
                let name = rest.remove("type").or_else(|| rest.remove("name"));
                let name = name.as_ref().and_then(Value::as_str).unwrap_or_default();
                collect(&Value::Object(rest), format!("{path}[{name}]"), leaves);
            }
        }
        other => leaves.push(format!("{path} {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_are_numbers_with_a_sign_before_them() {
        let holds = |text: &str, n: i64| Comparison::parse(text).unwrap().holds(n);
        assert!(holds("3", 3) && !holds("3", 4) && holds(">= 2", 2) && holds("<2", 1));
        assert!(holds("!= 0", 137) && !holds("!= 0", 0) && holds("<=5", 5) && !holds("> 5", 5));
        assert!(Comparison::parse("many").is_err() && Comparison::parse(">").is_err());
    }

    #[test]
    fn a_star_in_a_name_stands_for_any_characters() {
        let fits = |pattern: &str, name: &str| Pattern(pattern.into()).fits(name);
        assert!(fits("web-0", "web-0") && !fits("web-0", "web-01"));
        assert!(fits("web-*", "web-") && fits("*-0", "web-0") && fits("a*c*e", "abcde"));
        assert!(!fits("a*c*e", "abcdef"));
    }
}
