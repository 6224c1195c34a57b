//! Arithmetic: 64-bit wrapping integers, C's operators, assignments to variables.

use super::vars::{Key, name_len};
use crate::base::Str;

/// What arithmetic needs of its shell.
pub(crate) trait Names {
    /// The text of a variable or array element; `None` when it is unset.
    fn look(&mut self, name: &str, key: Option<&Key>) -> Option<Str>;
    /// Assigns; fails for a read-only variable.
    fn assign(&mut self, name: &str, key: Option<Key>, value: i64) -> Result<(), ArithError>;
    /// Whether subscripts of this array are texts.
    fn is_assoc(&self, name: &str) -> bool;
    /// Whether an unset variable is an error (`set -u`).
    fn strict(&self) -> bool;
}

/// What is wrong with an expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ArithError {
    /// Division by zero; the rest of the expression from the divisor.
    Zero(String),
    /// A syntax error: bash's text and the rest of the expression from there.
    Syntax(&'static str, String),
    /// A name without a value under `set -u`.
    Unbound(Str),
    /// Assignment to a read-only variable.
    ReadOnly(Str),
    /// Nested too deep, by expression or by names that name each other.
    Deep,
}

/// Names that stand for expressions that name others.
const MAX_DEPTH: usize = 64;

/// The value of an expression; an empty one is 0.
pub(crate) fn evaluate<N: Names>(text: &str, names: &mut N, bash: bool) -> Result<i64, ArithError> {
    eval_nested(text, names, bash, 0)
}

fn eval_nested<N: Names>(
    text: &str,
    names: &mut N,
    bash: bool,
    depth: usize,
) -> Result<i64, ArithError> {
    if depth > MAX_DEPTH {
        return Err(ArithError::Deep);
    }
    let mut calc = Calc { text, at: 0, names, bash, depth, live: true };
    calc.blanks();
    if calc.rest().is_empty() {
        return Ok(0);
    }
    let value = calc.comma()?;
    calc.blanks();
    if calc.rest().is_empty() { Ok(value) } else { Err(calc.trailing()) }
}

struct Calc<'t, N> {
    text: &'t str,
    at: usize,
    names: &'t mut N,
    bash: bool,
    depth: usize,
    /// False in a branch that is not taken: nothing is assigned, nothing divided.
    live: bool,
}

/// Binary operators by rising precedence.
const LEVELS: [&[&str]; 10] = [
    &["||"],
    &["&&"],
    &["|"],
    &["^"],
    &["&"],
    &["==", "!="],
    &["<=", ">=", "<", ">"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
];
const ASSIGN: [&str; 11] = ["<<=", ">>=", "+=", "-=", "*=", "/=", "%=", "&=", "^=", "|=", "="];

/// A variable or array element.
struct Place {
    name: Str,
    key: Option<Key>,
}

impl<N: Names> Calc<'_, N> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn blanks(&mut self) {
        let rest = self.rest();
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n']).len();
    }

    fn take(&mut self, token: &str) -> bool {
        self.blanks();
        let here = self.rest().starts_with(token);
        if here {
            self.at += token.len();
        }
        here
    }

    fn error<T>(&self, text: &'static str) -> Result<T, ArithError> {
        Err(ArithError::Syntax(text, self.rest().to_owned()))
    }

    fn trailing(&self) -> ArithError {
        let rest = self.rest();
        let text = if rest.starts_with(|c: char| {
            c.is_ascii_alphanumeric() || c == '_' || c == '$' || c == '\'' || c == '"'
        }) {
            "syntax error in expression"
        } else if rest.starts_with(['.', '#', '@', ';', '{', '}', '`', '\\']) {
            "syntax error: invalid arithmetic operator"
        } else {
            "syntax error in expression"
        };
        ArithError::Syntax(text, rest.to_owned())
    }

    fn comma(&mut self) -> Result<i64, ArithError> {
        let mut value = self.assignment()?;
        while self.take(",") {
            value = self.assignment()?;
        }
        Ok(value)
    }

    fn assignment(&mut self) -> Result<i64, ArithError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ArithError::Deep);
        }
        let start = self.at;
        self.blanks();
        if let Some(place) = self.place()? {
            self.blanks();
            let op = ASSIGN.iter().find(|op| self.rest().starts_with(**op)).copied();
            if let Some(op) = op
                && !(op == "=" && self.rest().starts_with("=="))
            {
                self.at += op.len();
                let right_at = self.at;
                let right = self.assignment()?;
                let value = if op == "=" {
                    right
                } else {
                    let left = self.value_of(&place)?;
                    self.apply(&op[..op.len() - 1], left, right, right_at)?
                };
                self.assign(place, value)?;
                self.depth -= 1;
                return Ok(value);
            }
        }
        self.at = start;
        let value = self.conditional()?;
        self.depth -= 1;
        Ok(value)
    }

    fn conditional(&mut self) -> Result<i64, ArithError> {
        let cond = self.binary(0)?;
        if !self.take("?") {
            return Ok(cond);
        }
        let live = self.live;
        self.live = live && cond != 0;
        let yes = self.comma()?;
        if !self.take(":") {
            return self.error("`:' expected for conditional expression");
        }
        self.live = live && cond == 0;
        let no = self.assignment()?;
        self.live = live;
        Ok(if cond != 0 { yes } else { no })
    }

    fn binary(&mut self, level: usize) -> Result<i64, ArithError> {
        let Some(ops) = LEVELS.get(level) else { return self.power() };
        let mut left = self.binary(level + 1)?;
        loop {
            self.blanks();
            let rest = self.rest();
            let Some(op) = ops.iter().find(|op| is_operator(rest, op)).copied() else {
                return Ok(left);
            };
            self.at += op.len();
            let live = self.live;
            self.live = live
                && match op {
                    "&&" => left != 0,
                    "||" => left == 0,
                    _ => true,
                };
            self.blanks();
            let right_at = self.at;
            let right = self.binary(level + 1)?;
            self.live = live;
            left = self.apply(op, left, right, right_at)?;
        }
    }

    fn power(&mut self) -> Result<i64, ArithError> {
        let base = self.unary()?;
        if !self.take("**") {
            return Ok(base);
        }
        let exponent = self.power()?;
        if exponent < 0 {
            return self.error("exponent less than 0");
        }
        let mut result = 1i64;
        let mut factor = base;
        let mut left = exponent;
        while left > 0 {
            if left & 1 == 1 {
                result = result.wrapping_mul(factor);
            }
            factor = factor.wrapping_mul(factor);
            left >>= 1;
        }
        Ok(result)
    }

    fn unary(&mut self) -> Result<i64, ArithError> {
        self.blanks();
        self.depth += 1;
        if self.depth > MAX_DEPTH * 4 {
            return Err(ArithError::Deep);
        }
        let value = self.unary_inner()?;
        self.depth -= 1;
        Ok(value)
    }

    fn unary_inner(&mut self) -> Result<i64, ArithError> {
        for (token, by) in [("++", 1i64), ("--", -1)] {
            if self.rest().starts_with(token) {
                let before = self.at;
                self.at += 2;
                self.blanks();
                if let Some(place) = self.place()? {
                    let value = self.value_of(&place)?.wrapping_add(by);
                    self.assign(place, value)?;
                    return Ok(value);
                }
                self.at = before;
            }
        }
        let Some(c) = self.rest().bytes().next() else {
            return self.error("syntax error: operand expected");
        };
        self.at += 1;
        match c {
            b'!' => Ok(i64::from(self.unary()? == 0)),
            b'~' => Ok(!self.unary()?),
            b'-' => Ok(self.unary()?.wrapping_neg()),
            b'+' => self.unary(),
            _ => {
                self.at -= 1;
                self.primary()
            }
        }
    }

    fn primary(&mut self) -> Result<i64, ArithError> {
        if self.take("(") {
            let value = self.comma()?;
            if !self.take(")") {
                return self.error("missing `)'");
            }
            return Ok(value);
        }
        if self.rest().starts_with(|c: char| c.is_ascii_digit()) {
            return self.number();
        }
        let Some(place) = self.place()? else {
            return self.error("syntax error: operand expected");
        };
        let value = self.value_of(&place)?;
        for (token, by) in [("++", 1i64), ("--", -1)] {
            if self.take(token) {
                self.assign(place, value.wrapping_add(by))?;
                break;
            }
        }
        Ok(value)
    }

    fn number(&mut self) -> Result<i64, ArithError> {
        let rest = self.rest();
        let len = rest
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b'#' || *b == b'@')
            .count();
        let text = &rest[..len];
        let parsed = if let Some((base, digits)) = text.split_once('#') {
            base.parse().ok().filter(|b| (2..=64).contains(b)).and_then(|b: u32| in_base(digits, b))
        } else if let Some(hex) = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            in_base(hex, 16)
        } else if text.len() > 1 && text.starts_with('0') {
            in_base(text, 8)
        } else {
            in_base(text, 10)
        };
        let Some(value) = parsed else {
            let why = if text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) {
                "value too great for base"
            } else {
                "value too great for base"
            };
            return self.error(why);
        };
        self.at += len;
        Ok(value)
    }

    fn place(&mut self) -> Result<Option<Place>, ArithError> {
        let len = name_len(self.rest());
        if len == 0 {
            return Ok(None);
        }
        let name: Str = self.rest()[..len].into();
        self.at += len;
        if !self.bash || !self.rest().starts_with('[') {
            return Ok(Some(Place { name, key: None }));
        }
        let Some(end) = matching(self.rest()) else { return self.error("bad array subscript") };
        let inner = self.rest()[1..end].to_owned();
        self.at += end + 1;
        let key = if self.names.is_assoc(&name) {
            Key::Text(inner.as_str().into())
        } else {
            Key::Number(eval_nested(&inner, self.names, self.bash, self.depth + 1)?)
        };
        Ok(Some(Place { name, key: Some(key) }))
    }

    fn value_of(&mut self, place: &Place) -> Result<i64, ArithError> {
        let Some(text) = self.names.look(&place.name, place.key.as_ref()) else {
            if self.names.strict() {
                return Err(ArithError::Unbound(place.name.clone()));
            }
            return Ok(0);
        };
        match text.trim().parse::<i64>() {
            Ok(n) if !(text.trim().len() > 1 && text.trim().starts_with('0')) => Ok(n),
            _ => eval_nested(&text, self.names, self.bash, self.depth + 1),
        }
    }

    fn assign(&mut self, place: Place, value: i64) -> Result<(), ArithError> {
        if self.live { self.names.assign(&place.name, place.key, value) } else { Ok(()) }
    }

    fn apply(&self, op: &str, a: i64, b: i64, right_at: usize) -> Result<i64, ArithError> {
        let shift = u32::try_from(b & 63).unwrap_or(0);
        Ok(match op {
            "+" => a.wrapping_add(b),
            "-" => a.wrapping_sub(b),
            "*" => a.wrapping_mul(b),
            "/" | "%" if b == 0 => {
                if self.live {
                    return Err(ArithError::Zero(self.text[right_at..].trim_start().to_owned()));
                }
                0
            }
            "/" => a.wrapping_div(b),
            "%" => a.wrapping_rem(b),
            "<<" => a.wrapping_shl(shift),
            ">>" => a.wrapping_shr(shift),
            "<" => i64::from(a < b),
            ">" => i64::from(a > b),
            "<=" => i64::from(a <= b),
            ">=" => i64::from(a >= b),
            "==" => i64::from(a == b),
            "!=" => i64::from(a != b),
            "&" => a & b,
            "|" => a | b,
            "^" => a ^ b,
            "&&" => i64::from(a != 0 && b != 0),
            _ => i64::from(a != 0 || b != 0),
        })
    }
}

/// Whether this operator is here, and not a longer one that begins alike.
fn is_operator(rest: &str, op: &str) -> bool {
    let Some(after) = rest.strip_prefix(op) else { return false };
    let next = after.bytes().next().unwrap_or(0);
    match op {
        "|" => next != b'|' && next != b'=',
        "&" => next != b'&' && next != b'=',
        "^" | "/" | "%" | "-" | "+" => next != b'=',
        "*" => next != b'=' && next != b'*',
        "<" | ">" => next != op.as_bytes()[0] && next != b'=',
        "<<" | ">>" => next != b'=',
        _ => true,
    }
}

fn matching(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    text.char_indices().find_map(|(i, c)| {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        (depth == 0).then_some(i)
    })
}

fn in_base(digits: &str, base: u32) -> Option<i64> {
    if digits.is_empty() {
        return None;
    }
    let mut value = 0i64;
    for c in digits.chars() {
        let digit = match c {
            '0'..='9' => u32::from(c) - u32::from('0'),
            'a'..='z' => u32::from(c) - u32::from('a') + 10,
            'A'..='Z' => u32::from(c) - u32::from('A') + if base <= 36 { 10 } else { 36 },
            '@' => 62,
            '_' => 63,
            _ => return None,
        };
        if digit >= base {
            return None;
        }
        value = value.wrapping_mul(i64::from(base)).wrapping_add(i64::from(digit));
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Table(BTreeMap<String, String>);

    impl Names for Table {
        fn look(&mut self, name: &str, _: Option<&Key>) -> Option<Str> {
            self.0.get(name).map(|v| v.as_str().into())
        }
        fn assign(&mut self, name: &str, _: Option<Key>, value: i64) -> Result<(), ArithError> {
            self.0.insert(name.to_owned(), value.to_string());
            Ok(())
        }
        fn is_assoc(&self, _: &str) -> bool {
            false
        }
        fn strict(&self) -> bool {
            false
        }
    }

    #[track_caller]
    fn check(text: &str, value: i64) {
        assert_eq!(evaluate(text, &mut Table::default(), true), Ok(value), "{text}");
    }

    #[test]
    fn expressions_have_the_values_of_c() {
        check("1+2*3", 7);
        check("-7/2", -3);
        check("2**3**2", 512);
        check("0x1f + 010 + 2#101", 44);
        check("1 ? 2 : 3/0", 2);
        check("0 && 1/0", 0);
        check("a=5, a*2", 10);
        check("~5 & 0xff | 1 << 8", 506);
        check("x++ + ++x", 2);
        check("9223372036854775807 + 1", i64::MIN);
        check("1 <= 2 == 1", 1);
    }

    #[test]
    fn errors_name_the_rest() {
        let mut t = Table::default();
        assert_eq!(evaluate("1/0", &mut t, true), Err(ArithError::Zero("0".into())));
        assert!(matches!(evaluate("1 +", &mut t, true), Err(ArithError::Syntax(..))));
        t.0.insert("x".into(), "x".into());
        assert_eq!(evaluate("x", &mut t, true), Err(ArithError::Deep));
    }
}
