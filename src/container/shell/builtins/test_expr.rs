//! The expressions of `test` and `[`, as busybox' `test.c` and bash's `test.c` evaluate them.

use crate::base::Str;
use crate::container::fs::Stat;
use crate::container::os::Sys;
use crate::container::shell::vars::Vars;

/// What a test may look at.
pub(crate) struct TestWorld<'t, 's, 'w> {
    pub(crate) sys: &'t mut Sys<'s, 'w>,
    pub(crate) bash: bool,
    /// ash's `[[`: `&&`, `||`, `<`, `>`, patterns, `=~`.
    pub(crate) extended: bool,
    /// The variables that `-v` looks at.
    pub(crate) vars: Option<&'t Vars>,
}

type Result<T> = std::result::Result<T, String>;

/// Whether the expression holds. `Err` is the text of the message.
pub(crate) fn evaluate(words: &[Str], world: TestWorld<'_, '_, '_>) -> Result<bool> {
    let words: Vec<&str> = words.iter().map(Str::as_str).collect();
    let mut test = Test { words: &words, at: 0, world };
    if test.world.bash && words.len() <= 4 {
        return test.by_count();
    }
    test.whole()
}

struct Test<'t, 's, 'w> {
    words: &'t [&'t str],
    at: usize,
    world: TestWorld<'t, 's, 'w>,
}

fn is_binary(op: &str, extended: bool) -> bool {
    matches!(
        op,
        "=" | "=="
            | "!="
            | "<"
            | ">"
            | "-eq"
            | "-ne"
            | "-lt"
            | "-le"
            | "-gt"
            | "-ge"
            | "-nt"
            | "-ot"
            | "-ef"
    ) || extended && op == "=~"
}

fn is_unary(op: &str) -> bool {
    op.len() == 2 && op.starts_with('-') && "abcdefghkLnNoOGprsStuvwxz".contains(&op[1..])
}

impl Test<'_, '_, '_> {
    /// POSIX' rules by the number of arguments, which bash follows up to four.
    fn by_count(&mut self) -> Result<bool> {
        let words = self.words;
        match words {
            [] => Ok(false),
            [one] => Ok(!one.is_empty()),
            ["!", one] => Ok(one.is_empty()),
            [op, operand] => {
                if is_unary(op) || *op == "-R" {
                    self.unary(op, operand)
                } else {
                    Err(format!("{op}: unary operator expected"))
                }
            }
            [a, op, b] if is_binary(op, false) || matches!(*op, "-a" | "-o") => match *op {
                "-a" => Ok(!a.is_empty() && !b.is_empty()),
                "-o" => Ok(!a.is_empty() || !b.is_empty()),
                _ => self.binary(a, op, b),
            },
            ["!", rest @ ..] if rest.len() == 2 || rest.len() == 3 => {
                let mut inner = Test {
                    words: rest,
                    at: 0,
                    world: TestWorld { sys: self.world.sys, ..self.world },
                };
                inner.by_count().map(|v| !v)
            }
            ["(", one, ")"] => Ok(!one.is_empty()),
            ["(", a, b, ")"] => {
                let inner = [*a, *b];
                let mut test = Test {
                    words: &inner,
                    at: 0,
                    world: TestWorld { sys: self.world.sys, ..self.world },
                };
                test.by_count()
            }
            [_, op, _] => Err(format!("{op}: binary operator expected")),
            _ => self.whole(),
        }
    }

    fn whole(&mut self) -> Result<bool> {
        if self.words.is_empty() {
            return Ok(false);
        }
        let value = self.or()?;
        match self.words.get(self.at) {
            None => Ok(value),
            Some(_) if self.world.bash => Err("too many arguments".to_owned()),
            Some(word) => Err(format!("{word}: unknown operand")),
        }
    }

    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).copied()
    }

    fn or(&mut self) -> Result<bool> {
        let mut value = self.and()?;
        while matches!(self.peek(), Some("-o"))
            || self.world.extended && matches!(self.peek(), Some("||"))
        {
            self.at += 1;
            let right = self.and()?;
            value = value || right;
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<bool> {
        let mut value = self.not()?;
        while matches!(self.peek(), Some("-a"))
            || self.world.extended && matches!(self.peek(), Some("&&"))
        {
            self.at += 1;
            let right = self.not()?;
            value = value && right;
        }
        Ok(value)
    }

    fn not(&mut self) -> Result<bool> {
        // `! = x` compares; only otherwise is it a negation.
        if self.peek() == Some("!") && !self.next_is_binary() {
            if self.at + 1 == self.words.len() {
                self.at += 1;
                return Ok(true);
            }
            self.at += 1;
            return self.not().map(|v| !v);
        }
        self.primary()
    }

    fn next_is_binary(&self) -> bool {
        self.words.get(self.at + 1).is_some_and(|op| is_binary(op, self.world.extended))
            && self.at + 2 < self.words.len()
    }

    fn primary(&mut self) -> Result<bool> {
        let Some(first) = self.peek() else {
            return Err(if self.world.bash {
                "argument expected".to_owned()
            } else {
                "argument expected".to_owned()
            });
        };
        let first = first.to_owned();
        if self.next_is_binary() {
            let (op, b) = (self.words[self.at + 1].to_owned(), self.words[self.at + 2].to_owned());
            self.at += 3;
            return self.binary(&first, &op, &b);
        }
        if first == "(" {
            self.at += 1;
            if self.peek() == Some(")") {
                self.at += 1;
                return Ok(false);
            }
            if self.peek().is_none() && !self.world.bash {
                return Ok(true);
            }
            let value = self.or()?;
            if self.peek() != Some(")") {
                return Err(if self.world.bash {
                    "`)' expected".to_owned()
                } else {
                    "closing paren expected".to_owned()
                });
            }
            self.at += 1;
            return Ok(value);
        }
        // What only bash has is a mere text to ash.
        let foreign = !self.world.bash && matches!(first.as_str(), "-a" | "-o" | "-v" | "-N");
        if is_unary(&first) && !foreign {
            if self.at + 1 >= self.words.len() {
                // A lone operator is a text that is not empty.
                self.at += 1;
                return Ok(true);
            }
            let operand = self.words[self.at + 1].to_owned();
            let joins = !self.world.bash
                && self.at + 2 < self.words.len()
                && matches!(operand.as_str(), "-a" | "-o" | ")");
            if !joins {
                self.at += 2;
                return self.unary(&first, &operand);
            }
        }
        // A binary operator whose right side is missing.
        if !self.world.bash
            && let Some(op) = self.words.get(self.at + 1)
            && is_binary(op, self.world.extended)
        {
            return Err(format!("{op}: argument expected"));
        }
        self.at += 1;
        Ok(!first.is_empty())
    }

    fn number(&self, text: &str) -> Result<i64> {
        let trimmed = text.trim();
        trimmed.parse::<i64>().map_err(|_| {
            if self.world.bash {
                format!("{text}: integer expression expected")
            } else {
                format!("{text}: bad number")
            }
        })
    }

    fn binary(&mut self, a: &str, op: &str, b: &str) -> Result<bool> {
        let ordering = |t: &Self| Ok::<_, String>(t.number(a)?.cmp(&t.number(b)?));
        Ok(match op {
            "=" | "==" if self.world.extended => matches_pattern(a, b),
            "!=" if self.world.extended => !matches_pattern(a, b),
            "=~" => {
                let regex = crate::container::regex::Regex::extended(b, false)
                    .map_err(|_| format!("{b}: bad regex"))?;
                regex.is_match(a)
            }
            "=" | "==" => a == b,
            "!=" => a != b,
            "<" => a < b,
            ">" => a > b,
            "-eq" => ordering(self)?.is_eq(),
            "-ne" => ordering(self)?.is_ne(),
            "-lt" => ordering(self)?.is_lt(),
            "-le" => ordering(self)?.is_le(),
            "-gt" => ordering(self)?.is_gt(),
            "-ge" => ordering(self)?.is_ge(),
            "-nt" | "-ot" | "-ef" => self.files(a, op, b),
            _ => return Err(format!("{op}: binary operator expected")),
        })
    }

    fn files(&self, a: &str, op: &str, b: &str) -> bool {
        let (a, b) = (self.world.sys.stat(a, true).ok(), self.world.sys.stat(b, true).ok());
        match (op, a, b) {
            ("-ef", Some(a), Some(b)) => a.id == b.id,
            ("-nt", Some(a), Some(b)) => a.mtime > b.mtime,
            ("-ot", Some(a), Some(b)) => a.mtime < b.mtime,
            ("-nt", Some(_), None) | ("-ot", None, Some(_)) => self.world.bash,
            _ => false,
        }
    }

    fn unary(&mut self, op: &str, operand: &str) -> Result<bool> {
        let stat = |t: &Self| t.world.sys.stat(operand, true).ok();
        let kind = |t: &Self, k: char| stat(t).is_some_and(|s: Stat| s.kind == k);
        let bit = |t: &Self, b: u16| stat(t).is_some_and(|s: Stat| s.mode & b != 0);
        let access = |t: &Self, want| t.world.sys.access(operand, want).unwrap_or(false);
        Ok(match op {
            "-n" => !operand.is_empty(),
            "-z" => operand.is_empty(),
            "-e" | "-a" => stat(self).is_some(),
            "-f" => kind(self, '-'),
            "-d" => kind(self, 'd'),
            "-p" => kind(self, 'p'),
            "-S" => kind(self, 's'),
            "-c" => kind(self, 'c'),
            "-b" => false,
            "-h" | "-L" => self.world.sys.stat(operand, false).is_ok_and(|s| s.kind == 'l'),
            "-s" => stat(self).is_some_and(|s| s.size > 0),
            "-r" => access(self, 4),
            "-w" => access(self, 2),
            "-x" => access(self, 1),
            "-u" => bit(self, 0o4000),
            "-g" => bit(self, 0o2000),
            "-k" => bit(self, 0o1000),
            "-O" => stat(self).is_some_and(|s| s.uid == self.world.sys.me().uid),
            "-G" => stat(self).is_some_and(|s| s.gid == self.world.sys.me().gid),
            "-N" => stat(self).is_some(),
            // No descriptor is a terminal.
            "-t" => {
                self.number(operand)?;
                false
            }
            "-v" => self.world.vars.and_then(|v| v.text(operand)).is_some(),
            _ => false,
        })
    }
}

fn matches_pattern(text: &str, pattern: &str) -> bool {
    crate::container::shell::pattern::Pattern::new(pattern, false).matches(text)
}
