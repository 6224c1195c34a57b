//! `dc`: a stack of numbers and strings, by signs in reverse Polish order.

use std::collections::BTreeMap;

use super::number::{Fault, MAX_SCALE, Number};
use crate::container::text::push;

/// Steps of one program.
const MAX_STEPS: usize = 1_000_000;
/// Bytes that it prints.
const MAX_OUTPUT: usize = 4 << 20;
/// Macros that run macros.
const MAX_DEPTH: usize = 200;

#[derive(Clone, Debug)]
enum Item {
    Number(Number),
    Text(String),
}

/// A calculator.
#[derive(Debug)]
pub(super) struct Dc {
    stack: Vec<Item>,
    registers: BTreeMap<char, Vec<Item>>,
    scale: usize,
    input: u32,
    output: u32,
    steps: usize,
    /// What it printed.
    pub(super) out: String,
    /// What it complained of.
    pub(super) errors: String,
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At its end.
    Done,
    /// By `q`.
    Quit,
}

impl Dc {
    pub(super) const fn new() -> Self {
        Self {
            stack: Vec::new(),
            registers: BTreeMap::new(),
            scale: 0,
            input: 10,
            output: 10,
            steps: 0,
            out: String::new(),
            errors: String::new(),
        }
    }

    /// Runs a program; faults are noted, and it goes on.
    pub(super) fn run(&mut self, program: &str, depth: usize) -> End {
        if depth > MAX_DEPTH {
            self.errors.push_str("dc: macros nested more than 200 deep\n");
            return End::Quit;
        }
        let mut rest = program.chars().peekable();
        while let Some(c) = rest.next() {
            self.steps = self.steps.saturating_add(1 + self.burden());
            if self.steps > MAX_STEPS || self.out.len() > MAX_OUTPUT {
                self.errors.push_str("dc: more than 1000000 steps\n");
                return End::Quit;
            }
            match c {
                c if c.is_whitespace() => {}
                '#' => while rest.next_if(|c| *c != '\n').is_some() {},
                '0'..='9' | 'A'..='F' | '.' | '_' => {
                    let mut text = if c == '_' { String::new() } else { String::from(c) };
                    while let Some(digit) =
                        rest.next_if(|c| c.is_ascii_digit() || ('A'..='F').contains(c) || *c == '.')
                    {
                        text.push(digit);
                    }
                    match Number::read(&text, self.input) {
                        Ok(n) => self.push(if c == '_' { n.negated() } else { n }),
                        Err(fault) => self.fault(fault),
                    }
                }
                '[' => {
                    let mut text = String::new();
                    let mut open = 1;
                    for c in rest.by_ref() {
                        open += i32::from(c == '[') - i32::from(c == ']');
                        if open == 0 {
                            break;
                        }
                        text.push(c);
                    }
                    self.stack.push(Item::Text(text));
                }
                'q' => return End::Quit,
                's' | 'S' | 'l' | 'L' => {
                    if let Some(name) = rest.next() {
                        self.register(c, name);
                    }
                }
                '>' | '<' | '=' | '!' => {
                    let negate = c == '!';
                    let Some(sign) = (if negate { rest.next() } else { Some(c) }) else { break };
                    let Some(name) = rest.next() else { break };
                    if self.compare(sign, negate, name, depth) == End::Quit {
                        return End::Quit;
                    }
                }
                'x' => match self.stack.pop() {
                    Some(Item::Text(text)) => {
                        if self.run(&text, depth + 1) == End::Quit {
                            return End::Quit;
                        }
                    }
                    Some(item) => self.stack.push(item),
                    None => self.fault("stack has too few elements"),
                },
                c => {
                    if let Err(fault) = self.command(c) {
                        self.fault(fault);
                    }
                }
            }
        }
        End::Done
    }

    /// How much work the next sign may be, by what is on the stack.
    fn burden(&self) -> usize {
        let length = |item: &Item| match item {
            Item::Number(n) => n.words(),
            Item::Text(text) => text.len() / 64,
        };
        let words: usize =
            self.stack.iter().rev().take(2).map(length).sum::<usize>() + self.scale / 16;
        words.saturating_mul(words) / 64
    }

    fn fault(&mut self, fault: Fault) {
        push(&mut self.errors, format_args!("dc: {fault}\n"));
    }

    fn push(&mut self, number: Number) {
        self.stack.push(Item::Number(number));
    }

    fn number(&mut self) -> Result<Number, Fault> {
        match self.stack.pop() {
            Some(Item::Number(n)) => Ok(n),
            Some(item) => {
                self.stack.push(item);
                Err("non-numeric value")
            }
            None => Err("stack has too few elements"),
        }
    }

    fn two(&mut self) -> Result<(Number, Number), Fault> {
        if self.stack.len() < 2 {
            return Err("stack has too few elements");
        }
        let right = self.number()?;
        let left = self.number()?;
        Ok((left, right))
    }

    fn register(&mut self, command: char, name: char) {
        let values = self.registers.entry(name).or_default();
        match command {
            's' | 'S' => match self.stack.pop() {
                Some(item) => {
                    if command == 's' {
                        values.pop();
                    }
                    values.push(item);
                }
                None => self.fault("stack has too few elements"),
            },
            'l' => {
                let item = values.last().cloned();
                self.stack.push(item.unwrap_or_else(|| Item::Number(Number::whole(0))));
            }
            _ => match values.pop() {
                Some(item) => self.stack.push(item),
                None => self.fault("stack register is empty"),
            },
        }
    }

    /// Runs a register's macro if the second number stands so to the first.
    fn compare(&mut self, sign: char, negate: bool, name: char, depth: usize) -> End {
        let (left, right) = match self.two() {
            Ok(two) => two,
            Err(fault) => {
                self.fault(fault);
                return End::Done;
            }
        };
        let order = right.compare(&left);
        let holds = match sign {
            '>' => order.is_gt(),
            '<' => order.is_lt(),
            _ => order.is_eq(),
        };
        match self.registers.get(&name).and_then(|r| r.last()).cloned() {
            Some(Item::Text(text)) if holds != negate => self.run(&text, depth + 1),
            _ => End::Done,
        }
    }

    fn command(&mut self, c: char) -> Result<(), Fault> {
        let scale = self.scale;
        match c {
            '+' | '-' | '*' | '/' | '%' | '^' => {
                let (a, b) = self.two()?;
                self.push(match c {
                    '+' => a.plus(&b)?,
                    '-' => a.minus(&b)?,
                    '*' => a.times(&b, scale)?,
                    '/' => a.over(&b, scale)?,
                    '%' => a.modulo(&b, scale)?,
                    _ => a.power(&b, scale)?,
                });
            }
            '~' => {
                let (a, b) = self.two()?;
                let (quotient, rest) = (a.over(&b, scale)?, a.modulo(&b, scale)?);
                self.push(quotient);
                self.push(rest);
            }
            'v' => {
                let root = self.number()?.root(scale)?;
                self.push(root);
            }
            'p' | 'n' | 'P' => {
                let item = self.stack.last().cloned().ok_or("stack has too few elements")?;
                if c != 'p' {
                    self.stack.pop();
                }
                self.show(&item);
                if c == 'p' {
                    self.out.push('\n');
                }
            }
            'f' => {
                self.steps = self.steps.saturating_add(self.stack.len().saturating_mul(64));
                for item in self.stack.clone().iter().rev() {
                    self.show(item);
                    self.out.push('\n');
                }
            }
            'c' => self.stack.clear(),
            'd' => {
                let item = self.stack.last().cloned().ok_or("stack has too few elements")?;
                self.stack.push(item);
            }
            'r' => {
                let n = self.stack.len();
                if n < 2 {
                    return Err("stack has too few elements");
                }
                self.stack.swap(n - 1, n - 2);
            }
            'z' => self.push(Number::whole(i64::try_from(self.stack.len()).unwrap_or(i64::MAX))),
            'k' => {
                let n = self.number()?.small().and_then(|n| usize::try_from(n).ok());
                self.scale = n.filter(|n| *n <= MAX_SCALE).ok_or("bad scale; must be [0, 1000]")?;
            }
            'i' | 'o' => {
                let most = if c == 'i' { 16 } else { 256 };
                let n = self.number()?.small().and_then(|n| u32::try_from(n).ok());
                let base = n.filter(|n| (2..=most).contains(n)).ok_or("bad base")?;
                if c == 'i' { self.input = base } else { self.output = base }
            }
            'K' => self.push(Number::whole(i64::try_from(scale).unwrap_or(0))),
            'I' => self.push(Number::whole(i64::from(self.input))),
            'O' => self.push(Number::whole(i64::from(self.output))),
            _ => return Err("bad character"),
        }
        Ok(())
    }

    fn show(&mut self, item: &Item) {
        match item {
            Item::Number(n) => self.out.push_str(&n.shown(self.output)),
            Item::Text(text) => self.out.push_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_run_in_reverse_polish_order() {
        let run = |text: &str| {
            let mut dc = Dc::new();
            dc.run(text, 0);
            (dc.out, dc.errors)
        };
        assert_eq!(run("2 3 + p").0, "5\n");
        assert_eq!(run("2k 10 3 / p").0, "3.33\n");
        assert_eq!(run("16o 255 p").0, "FF\n");
        assert_eq!(run("[la1+dsap 3>x]sx 0sa lxx").0, "1\n2\n3\n");
        assert_eq!(run("+").1, "dc: stack has too few elements\n");
        assert!(run("[lxx]sx lxx").1.contains("200 deep"));
    }
}
