//! Reads the expression of a `find`.

use std::time::Duration;

use super::super::{Call, modes};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::fs::NodeId;
use crate::container::regex::Regex;

/// Nesting of parentheses.
const MAX_DEPTH: usize = 60;

/// What a whole command line asks for.
#[derive(Clone, Debug, Default)]
pub(super) struct Expression {
    pub(super) root: Node,
    pub(super) max_depth: Option<usize>,
    pub(super) min_depth: usize,
    pub(super) depth_first: bool,
    pub(super) one_device: bool,
    pub(super) follow: bool,
    /// How many `-exec ... +` there are.
    pub(super) commands: usize,
    groups: Vec<Vec<Str>>,
}

impl Expression {
    /// The command of a group with its files in place of `{}`.
    pub(super) fn group(&self, index: usize, files: &[Str]) -> Vec<Str> {
        let mut argv = Vec::new();
        for word in &self.groups[index] {
            if word == "{}" {
                argv.extend_from_slice(files);
            } else {
                argv.push(word.clone());
            }
        }
        argv
    }
}

/// A part of an expression.
#[derive(Clone, Debug, Default)]
pub(super) enum Node {
    #[default]
    True,
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
    Action(Action),
}

/// A test or an action.
#[derive(Clone, Debug)]
pub(super) enum Action {
    /// With the byte behind the name.
    Print(u8),
    Exec(Vec<Str>),
    /// `-exec ... +`, by its number.
    ExecGroup(usize),
    Delete,
    Prune,
    Quit,
    /// A pattern, and whether case does not matter.
    Name(Str, bool),
    Path(Str, bool),
    Regex(Box<Regex>),
    Kind(Vec<char>),
    Perm(char, u16),
    Executable,
    Age(Stamp, Duration, Amount),
    Newer(SimTime),
    Size(u64, Amount),
    Links(Amount),
    Inode(Amount),
    SameFile(NodeId),
    User(u32),
    Group(u32),
    /// Whether it is the user that has no name, or the group.
    Nobody(bool),
    Empty,
}

/// Which time of a file. Times of access are not kept; the last change stands for them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    Modified,
    Changed,
}

/// A number with a sign that says how it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
    Less(u64),
    More(u64),
    Exactly(u64),
}

impl Amount {
    fn read(text: &str) -> Option<(Self, &str)> {
        let (make, rest): (fn(u64) -> Self, &str) = match text.as_bytes().first()? {
            b'+' => (Self::More, &text[1..]),
            b'-' => (Self::Less, &text[1..]),
            _ => (Self::Exactly, text),
        };
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        Some((make(rest[..digits].parse().ok()?), &rest[digits..]))
    }
}

/// Reads the words behind the paths; `Err` is the complaint.
pub(super) fn expression(call: &mut Call<'_, '_, '_>, words: &[Str]) -> Result<Expression, String> {
    let mut reader =
        Reader { call, words, at: 0, depth: 0, acts: false, out: Expression::default() };
    let root = if words.is_empty() { Node::True } else { reader.or()? };
    if reader.at < words.len() {
        return Err("unpaired ')'".to_owned());
    }
    let acts = reader.acts;
    let mut out = reader.out;
    out.root = if acts { root } else { Node::And(vec![root, Node::Action(Action::Print(b'\n'))]) };
    Ok(out)
}

struct Reader<'r, 'c, 's, 'w> {
    call: &'r mut Call<'c, 's, 'w>,
    words: &'r [Str],
    at: usize,
    depth: usize,
    /// There is an action, so that names are not printed by themselves.
    acts: bool,
    out: Expression,
}

impl Reader<'_, '_, '_, '_> {
    fn peek(&self) -> Option<&str> {
        self.words.get(self.at).map(Str::as_str)
    }

    fn or(&mut self) -> Result<Node, String> {
        let mut all = vec![self.and()?];
        while matches!(self.peek(), Some("-o" | "-or")) {
            self.at += 1;
            all.push(self.and()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::Or(all) })
    }

    fn and(&mut self) -> Result<Node, String> {
        let mut all = Vec::new();
        loop {
            match self.peek() {
                None | Some(")" | "-o" | "-or") => break,
                Some("-a" | "-and") => self.at += 1,
                Some(_) => all.push(self.not()?),
            }
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Node::And(all) })
    }

    fn not(&mut self) -> Result<Node, String> {
        let mut negated = false;
        while matches!(self.peek(), Some("!" | "-not")) {
            self.at += 1;
            negated = !negated;
        }
        let Some(word) = self.words.get(self.at).cloned() else {
            return Err("unrecognized: !".to_owned());
        };
        self.at += 1;
        let node = if word == "(" {
            self.depth += 1;
            if self.depth > MAX_DEPTH {
                return Err(format!("the expression is nested more than {MAX_DEPTH} deep"));
            }
            let inner = self.or()?;
            self.depth -= 1;
            if self.peek() != Some(")") {
                return Err("unpaired '('".to_owned());
            }
            self.at += 1;
            inner
        } else {
            self.primary(&word)?
        };
        Ok(if negated { Node::Not(Box::new(node)) } else { node })
    }

    fn argument(&mut self, word: &str) -> Result<Str, String> {
        let Some(argument) = self.words.get(self.at) else {
            return Err(format!("{word} requires an argument"));
        };
        self.at += 1;
        Ok(argument.clone())
    }

    fn amount(&mut self, word: &str) -> Result<Amount, String> {
        let argument = self.argument(word)?;
        match Amount::read(&argument) {
            Some((amount, "")) => Ok(amount),
            _ => Err(format!("invalid number '{argument}'")),
        }
    }

    fn primary(&mut self, word: &str) -> Result<Node, String> {
        if let Some(node) = self.option(word)? {
            return Ok(node);
        }
        if let Some(action) = self.action(word)? {
            self.acts = true;
            return Ok(Node::Action(action));
        }
        self.test(word).map(Node::Action)
    }

    /// What holds for the whole walk.
    fn option(&mut self, word: &str) -> Result<Option<Node>, String> {
        match word {
            "-maxdepth" | "-mindepth" => {
                let argument = self.argument(word)?;
                let n = argument.parse().map_err(|_| format!("invalid number '{argument}'"))?;
                if word == "-maxdepth" {
                    self.out.max_depth = Some(n);
                } else {
                    self.out.min_depth = n;
                }
            }
            "-depth" | "-d" => self.out.depth_first = true,
            "-xdev" | "-mount" => self.out.one_device = true,
            "-follow" => self.out.follow = true,
            "-noleaf" | "-daystart" | "-true" => {}
            "-false" => return Ok(Some(Node::Not(Box::new(Node::True)))),
            _ => return Ok(None),
        }
        Ok(Some(Node::True))
    }

    fn action(&mut self, word: &str) -> Result<Option<Action>, String> {
        Ok(Some(match word {
            "-print" => Action::Print(b'\n'),
            "-print0" => Action::Print(0),
            "-delete" => {
                self.out.depth_first = true;
                Action::Delete
            }
            "-quit" => Action::Quit,
            "-exec" | "-ok" | "-execdir" => {
                let rest = &self.words[self.at..];
                let Some(len) = rest
                    .iter()
                    .enumerate()
                    .position(|(i, w)| w == ";" || w == "+" && i > 0 && rest[i - 1] == "{}")
                else {
                    return Err(format!("{word} requires an argument"));
                };
                if len == 0 {
                    return Err(format!("{word} requires an argument"));
                }
                let words = rest[..len].to_vec();
                let group = rest[len] == "+";
                self.at += len + 1;
                if group {
                    self.out.groups.push(words);
                    self.out.commands += 1;
                    Action::ExecGroup(self.out.commands - 1)
                } else {
                    Action::Exec(words)
                }
            }
            _ => return Ok(None),
        }))
    }

    fn test(&mut self, word: &str) -> Result<Action, String> {
        const DAY: Duration = Duration::from_secs(86_400);
        const MINUTE: Duration = Duration::from_secs(60);
        Ok(match word {
            "-prune" => Action::Prune,
            "-name" | "-iname" => Action::Name(self.argument(word)?, word == "-iname"),
            "-path" | "-wholename" | "-ipath" => {
                Action::Path(self.argument(word)?, word == "-ipath")
            }
            "-regex" => {
                let source = self.argument(word)?;
                let regex = Regex::basic(&format!("^{source}$"), false);
                Action::Regex(Box::new(regex.map_err(|_| format!("bad regex '{source}'"))?))
            }
            "-type" => {
                let argument = self.argument(word)?;
                let kinds: Vec<char> =
                    argument.split(',').filter_map(|k| k.chars().next()).collect();
                if kinds.is_empty() || kinds.iter().any(|k| !"fdlbcsp".contains(*k)) {
                    return Err(format!("invalid argument '{argument}' to '-type'"));
                }
                Action::Kind(kinds.into_iter().map(|k| if k == 'f' { '-' } else { k }).collect())
            }
            "-perm" => {
                let argument = self.argument(word)?;
                let (how, mode) = match argument.chars().next() {
                    Some(c @ ('-' | '/')) => (c, &argument[1..]),
                    Some('+') => ('/', &argument[1..]),
                    _ => ('=', argument.as_str()),
                };
                let mode = modes::apply(mode, 0, false, 0);
                Action::Perm(how, mode.ok_or_else(|| format!("invalid mode '{argument}'"))?)
            }
            "-executable" => Action::Executable,
            "-mtime" | "-atime" => Action::Age(Stamp::Modified, DAY, self.amount(word)?),
            "-ctime" => Action::Age(Stamp::Changed, DAY, self.amount(word)?),
            "-mmin" | "-amin" => Action::Age(Stamp::Modified, MINUTE, self.amount(word)?),
            "-cmin" => Action::Age(Stamp::Changed, MINUTE, self.amount(word)?),
            "-newer" => {
                let file = self.argument(word)?;
                let stat = self.call.sys.stat(&file, true).map_err(|e| format!("{file}: {e}"))?;
                Action::Newer(stat.mtime)
            }
            "-size" => self.size(word)?,
            "-links" => Action::Links(self.amount(word)?),
            "-inum" => Action::Inode(self.amount(word)?),
            "-samefile" => {
                let file = self.argument(word)?;
                let stat = self.call.sys.stat(&file, true).map_err(|e| format!("{file}: {e}"))?;
                Action::SameFile(stat.id)
            }
            "-user" => Action::User(self.owner(word, true)?),
            "-group" => Action::Group(self.owner(word, false)?),
            "-nouser" => Action::Nobody(true),
            "-nogroup" => Action::Nobody(false),
            "-empty" => Action::Empty,
            _ => return Err(format!("unrecognized: {word}")),
        })
    }

    fn size(&mut self, word: &str) -> Result<Action, String> {
        let argument = self.argument(word)?;
        let read = Amount::read(&argument);
        let unit = match read {
            Some((_, "" | "b")) => 512,
            Some((_, "c")) => 1,
            Some((_, "k")) => 1024,
            Some((_, "M")) => 1 << 20,
            Some((_, "G")) => 1 << 30,
            _ => return Err(format!("invalid number '{argument}'")),
        };
        let amount = read.map_or(Amount::Exactly(0), |(amount, _)| amount);
        Ok(Action::Size(unit, amount))
    }

    fn owner(&mut self, word: &str, user: bool) -> Result<u32, String> {
        let name = self.argument(word)?;
        if let Ok(id) = name.parse() {
            return Ok(id);
        }
        let fits = |f: &[String]| f.first().is_some_and(|n| *n == name.as_str());
        let found = if user { self.call.sys.passwd(fits) } else { self.call.sys.group(fits) };
        let what = if user { "user" } else { "group" };
        found
            .and_then(|f| f.get(2).and_then(|n| n.parse().ok()))
            .ok_or_else(|| format!("unknown {what} {name}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_signs() {
        assert_eq!(Amount::read("+5k"), Some((Amount::More(5), "k")));
        assert_eq!(Amount::read("-1"), Some((Amount::Less(1), "")));
        assert_eq!(Amount::read("7"), Some((Amount::Exactly(7), "")));
        assert_eq!(Amount::read("x"), None);
    }
}
