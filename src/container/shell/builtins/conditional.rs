//! The evaluation of bash's `[[ ]]`.

use super::test_expr::TestWorld;
use crate::base::Str;
use crate::container::shell::ast::{Cond, Word};
use crate::container::shell::expand::{Ctx, Expander, Stop};
use crate::container::shell::pattern::Pattern;
use crate::container::shell::quoting::bash_trace;

/// Why a condition has no value.
#[derive(Debug)]
pub(in crate::container::shell) enum Trouble {
    Stop(Stop),
    /// The text of a message; the status is 2.
    Message(String),
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Self {
        Self::Stop(stop)
    }
}

type Result<T> = std::result::Result<T, Trouble>;

/// Whether the condition holds. `traces` gets a line per test, `groups` what `=~` matched.
pub(in crate::container::shell) fn evaluate(
    expander: &mut Expander<'_, '_, '_>,
    cond: &Cond,
    traces: &mut Vec<String>,
    groups: &mut Option<Vec<Str>>,
) -> Result<bool> {
    match cond {
        Cond::And(a, b) => {
            Ok(evaluate(expander, a, traces, groups)? && evaluate(expander, b, traces, groups)?)
        }
        Cond::Or(a, b) => {
            Ok(evaluate(expander, a, traces, groups)? || evaluate(expander, b, traces, groups)?)
        }
        Cond::Not(inner) => {
            let value = !evaluate(expander, inner, traces, groups)?;
            if let Some(line) = traces.last_mut() {
                *line = line.replacen("[[ ", "[[ ! ", 1);
            }
            Ok(value)
        }
        Cond::Word(word) => {
            let text = expander.text(word, Ctx::ASSIGN)?;
            traces.push(format!("[[ -n {} ]]", bash_trace(&text)));
            Ok(!text.is_empty())
        }
        Cond::Unary(op, word) => {
            let text = expander.text(word, Ctx::ASSIGN)?;
            traces.push(format!("[[ {op} {} ]]", bash_trace(&text)));
            unary(expander, op, &text)
        }
        Cond::Binary(left, op, right) => binary(expander, left, op, right, traces, groups),
    }
}

fn unary(expander: &mut Expander<'_, '_, '_>, op: &str, text: &str) -> Result<bool> {
    if op == "-v" {
        return Ok(is_set(expander, text));
    }
    if op == "-o" {
        let found = crate::container::shell::options::SET_OPTIONS.iter().find(|o| o.name == text);
        return Ok(found.is_some_and(|o| (o.get)(&expander.shell.options)));
    }
    if op == "-R" {
        return Ok(expander.vars.get_itself(text).is_some_and(|v| v.reference));
    }
    let words = [Str::from(op), text.into()];
    let world = TestWorld { sys: expander.sys, bash: true, extended: false, vars: None };
    super::test_expr::evaluate(&words, world).map_err(Trouble::Message)
}

/// Whether `name` or `name[key]` has a value.
fn is_set(expander: &mut Expander<'_, '_, '_>, text: &str) -> bool {
    let Some((name, rest)) = text.split_once('[') else {
        return expander.shell.lookup(&expander.vars, expander.sys, text).is_some();
    };
    let Some(index) = rest.strip_suffix(']') else { return false };
    if matches!(index, "@" | "*") {
        return expander.vars.get(name).is_some();
    }
    match expander.key(name, &Word::literal(index)) {
        Ok(key) => expander.shell.element(&expander.vars, expander.sys, name, Some(&key)).is_some(),
        Err(_) => false,
    }
}

fn binary(
    expander: &mut Expander<'_, '_, '_>,
    left: &Word,
    op: &str,
    right: &Word,
    traces: &mut Vec<String>,
    groups: &mut Option<Vec<Str>>,
) -> Result<bool> {
    let a = expander.text(left, Ctx::ASSIGN)?;
    match op {
        "=" | "==" | "!=" => {
            let pattern = expander.pattern(right)?;
            traces.push(format!(
                "[[ {} {op} {} ]]",
                bash_trace(&a),
                trace_pattern(&pattern, right)
            ));
            let fold = |t: &str| {
                if expander.shell.options.nocasematch { t.to_lowercase() } else { t.to_owned() }
            };
            // Extended patterns always work here.
            let hit = Pattern::new(&fold(&pattern), true).matches(&fold(&a));
            Ok(hit == (op != "!="))
        }
        "=~" => {
            let source = expander.regex(right)?;
            let shown = expander.text(right, Ctx::ASSIGN)?;
            traces.push(format!("[[ {} =~ {shown} ]]", bash_trace(&a)));
            let regex = crate::container::regex::Regex::extended(
                &source,
                expander.shell.options.nocasematch,
            )
            .map_err(|_| Trouble::Message(format!("[[: invalid regular expression `{shown}'")))?;
            let found = regex.captures(&a);
            let hit = found.is_some();
            *groups = Some(found.unwrap_or_default().into_iter().map(Str::from).collect());
            Ok(hit)
        }
        "<" | ">" => {
            let b = expander.text(right, Ctx::ASSIGN)?;
            traces.push(format!("[[ {} {op} {} ]]", bash_trace(&a), bash_trace(&b)));
            Ok(if op == "<" { a < b } else { a > b })
        }
        "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
            let b = expander.text(right, Ctx::ASSIGN)?;
            traces.push(format!("[[ {} {op} {} ]]", bash_trace(&a), bash_trace(&b)));
            let order = expander.arith_text(&a)?.cmp(&expander.arith_text(&b)?);
            Ok(match op {
                "-eq" => order.is_eq(),
                "-ne" => order.is_ne(),
                "-lt" => order.is_lt(),
                "-le" => order.is_le(),
                "-gt" => order.is_gt(),
                _ => order.is_ge(),
            })
        }
        _ => {
            let b = expander.text(right, Ctx::ASSIGN)?;
            traces.push(format!("[[ {} {op} {} ]]", bash_trace(&a), bash_trace(&b)));
            let words = [Str::from(a), op.into(), b.into()];
            let world = TestWorld { sys: expander.sys, bash: true, extended: false, vars: None };
            super::test_expr::evaluate(&words, world).map_err(Trouble::Message)
        }
    }
}

/// A pattern as a trace shows it: quoted parts with a backslash before every character.
fn trace_pattern(pattern: &str, word: &Word) -> String {
    if !word.has_quotes() {
        return pattern.to_owned();
    }
    crate::container::shell::pattern::unescape(pattern).chars().flat_map(|c| ['\\', c]).collect()
}
