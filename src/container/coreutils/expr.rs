//! `expr`

use super::lines::bytewise;
use super::{Begun, Call};
use crate::base::Str;
use crate::container::regex::Regex;
use crate::container::text::{byte_len, encode};

/// Nesting of parentheses and keywords.
const MAX_DEPTH: usize = 100;

/// `expr`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let words = match call.args.first() {
        Some(dashes) if dashes == "--" => &call.args[1..],
        _ => call.args,
    };
    if words.is_empty() {
        call.err("too few arguments");
        return call.usage("EXPRESSION", 2);
    }
    let mut parser = Parser { words, at: 0, depth: 0 };
    let value = match parser.or() {
        Ok(_) if parser.at < words.len() => Err("syntax error".to_owned()),
        value => value,
    };
    match value {
        Ok(value) => {
            call.out(&format!("{}\n", value.text()));
            Begun::Exit(u8::from(value.is_null()))
        }
        Err(complaint) => {
            call.err(&complaint);
            Begun::Exit(2)
        }
    }
}

/// A value: a number that was computed, or a word.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(i64),
    Text(String),
}

impl Value {
    fn text(&self) -> String {
        match self {
            Self::Number(n) => n.to_string(),
            Self::Text(t) => t.clone(),
        }
    }

    fn number(&self) -> Option<i64> {
        match self {
            Self::Number(n) => Some(*n),
            Self::Text(t) => t.trim_start().parse().ok(),
        }
    }

    fn is_null(&self) -> bool {
        match self {
            Self::Number(n) => *n == 0,
            Self::Text(t) => t.is_empty() || t == "0",
        }
    }
}

struct Parser<'w> {
    words: &'w [Str],
    at: usize,
    depth: usize,
}

type Parsed = Result<Value, String>;

impl Parser<'_> {
    /// Takes one of these operators.
    fn take(&mut self, operators: &[&str]) -> Option<usize> {
        let word = self.words.get(self.at)?;
        let found = operators.iter().position(|o| o == word)?;
        self.at += 1;
        Some(found)
    }

    fn word(&mut self) -> Result<Str, String> {
        let word = self.words.get(self.at).ok_or("syntax error")?;
        self.at += 1;
        Ok(word.clone())
    }

    fn or(&mut self) -> Parsed {
        let mut left = self.and()?;
        while self.take(&["|"]).is_some() {
            let right = self.and()?;
            if left.is_null() {
                left = right;
            }
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut left = self.comparison()?;
        while self.take(&["&"]).is_some() {
            let right = self.comparison()?;
            if left.is_null() || right.is_null() {
                left = Value::Number(0);
            }
        }
        Ok(left)
    }

    fn comparison(&mut self) -> Parsed {
        let mut left = self.sum()?;
        while let Some(operator) = self.take(&["<", "<=", "=", "==", "!=", ">=", ">"]) {
            let right = self.sum()?;
            let order = match (left.number(), right.number()) {
                (Some(a), Some(b)) => a.cmp(&b),
                _ => encode(&left.text()).cmp(&encode(&right.text())),
            };
            let holds = match operator {
                0 => order.is_lt(),
                1 => order.is_le(),
                2 | 3 => order.is_eq(),
                4 => order.is_ne(),
                5 => order.is_ge(),
                _ => order.is_gt(),
            };
            left = Value::Number(i64::from(holds));
        }
        Ok(left)
    }

    fn sum(&mut self) -> Parsed {
        let mut left = self.product()?;
        while let Some(operator) = self.take(&["+", "-"]) {
            let right = self.product()?;
            let (a, b) = numbers(&left, &right)?;
            left = Value::Number(if operator == 0 { a.wrapping_add(b) } else { a.wrapping_sub(b) });
        }
        Ok(left)
    }

    fn product(&mut self) -> Parsed {
        let mut left = self.matching()?;
        while let Some(operator) = self.take(&["*", "/", "%"]) {
            let right = self.matching()?;
            let (a, b) = numbers(&left, &right)?;
            if operator > 0 && b == 0 {
                return Err("division by zero".to_owned());
            }
            left = Value::Number(match operator {
                0 => a.wrapping_mul(b),
                1 => a.wrapping_div(b),
                _ => a.wrapping_rem(b),
            });
        }
        Ok(left)
    }

    fn matching(&mut self) -> Parsed {
        let mut left = self.keyword()?;
        while self.take(&[":"]).is_some() {
            let right = self.keyword()?;
            left = matched(&left.text(), &right.text())?;
        }
        Ok(left)
    }

    fn keyword(&mut self) -> Parsed {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(format!("the expression is nested more than {MAX_DEPTH} deep"));
        }
        let value = self.operand();
        self.depth -= 1;
        value
    }

    fn operand(&mut self) -> Parsed {
        let word = self.word()?;
        Ok(match word.as_str() {
            "quote" => Value::Text(self.word()?.to_string()),
            "length" => {
                let text = self.keyword()?.text();
                Value::Number(i64::try_from(byte_len(&text)).unwrap_or(i64::MAX))
            }
            "match" => {
                let (text, regex) = (self.keyword()?.text(), self.keyword()?.text());
                matched(&text, &regex)?
            }
            "index" => {
                let (text, chars) = (self.keyword()?.text(), encode(&self.keyword()?.text()));
                let at = encode(&text).iter().position(|b| chars.contains(b)).map_or(0, |i| i + 1);
                Value::Number(i64::try_from(at).unwrap_or(i64::MAX))
            }
            "substr" => {
                let text = encode(&self.keyword()?.text());
                let (from, len) = (self.keyword()?.number(), self.keyword()?.number());
                Value::Text(substring(&text, from, len).unwrap_or_default())
            }
            "(" => {
                let value = self.or()?;
                if self.take(&[")"]).is_none() {
                    return Err("syntax error".to_owned());
                }
                value
            }
            ")" => return Err("syntax error".to_owned()),
            _ => Value::Text(word.to_string()),
        })
    }
}

fn numbers(a: &Value, b: &Value) -> Result<(i64, i64), String> {
    a.number().zip(b.number()).ok_or_else(|| "non-numeric argument".to_owned())
}

fn substring(text: &[u8], from: Option<i64>, len: Option<i64>) -> Option<String> {
    let from = usize::try_from(from?).ok().filter(|f| *f > 0)? - 1;
    let len = usize::try_from(len?).ok().filter(|l| *l > 0)?;
    let part = text.get(from..)?;
    Some(crate::container::text::decode(&part[..len.min(part.len())]))
}

/// `TEXT : REGEX`, anchored at the start: the first group, or the length of the match.
fn matched(text: &str, source: &str) -> Parsed {
    let source = source.strip_prefix('^').unwrap_or(source);
    let text = bytewise(&encode(text));
    let regex = Regex::basic(&format!("^{}", bytewise(&encode(source))), false)
        .map_err(|_| format!("bad regex '{source}'"))?;
    let grouped = regex.groups() > 0;
    let Some(spans) = regex.find_at(&text, 0) else {
        return Ok(if grouped { Value::Text(String::new()) } else { Value::Number(0) });
    };
    let span = |i: usize| spans.get(i).copied().flatten().map_or("", |(a, b)| &text[a..b]);
    if grouped {
        return Ok(Value::Text(crate::container::text::rejoin(span(1))));
    }
    Ok(Value::Number(i64::try_from(byte_len(span(0))).unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, want: Result<&str, &str>) {
        let words: Vec<Str> = expression.split(' ').map(Str::from).collect();
        let mut parser = Parser { words: &words, at: 0, depth: 0 };
        let got = match parser.or() {
            Ok(_) if parser.at < words.len() => Err("syntax error".to_owned()),
            value => value.map(|v| v.text()),
        };
        assert_eq!(got.as_deref().map_err(String::as_str), want, "{expression}");
    }

    #[test]
    fn expressions_have_values() {
        check("1 + 2 * 3", Ok("7"));
        check("( 1 + 2 ) * 3", Ok("9"));
        check("10 / 3", Ok("3"));
        check("-7 % 3", Ok("-1"));
        check("5 > 10", Ok("0"));
        check("a < b", Ok("1"));
        check("abc : a\\(.*\\)", Ok("bc"));
        check("abc : b", Ok("0"));
        check("abc : .*", Ok("3"));
        check("length hello", Ok("5"));
        check("substr hello 2 3", Ok("ell"));
        check("index hello lo", Ok("3"));
        check("match abcd ab", Ok("2"));
        check("0 | x", Ok("x"));
        check("a & 0", Ok("0"));
        check("quote length", Ok("length"));
    }

    #[test]
    fn wrong_expressions_are_said_to_be() {
        check("1 +", Err("syntax error"));
        check("1 / 0", Err("division by zero"));
        check("a + 1", Err("non-numeric argument"));
        check("1 2", Err("syntax error"));
        check("( 1", Err("syntax error"));
    }
}
