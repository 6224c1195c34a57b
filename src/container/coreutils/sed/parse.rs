//! Reads a `sed` script.

use std::sync::Arc;

use crate::base::Str;
use crate::container::regex::Regex;

/// Commands of one script.
const MAX_COMMANDS: usize = 10_000;

/// A script that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
    /// Its first line was `#n`.
    pub(super) quiet: bool,
}

/// A command with its addresses.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) from: Option<Address>,
    pub(super) to: Option<End>,
    pub(super) inverted: bool,
    pub(super) verb: Verb,
}

/// Which lines an address means.
#[derive(Clone, Debug)]
pub(super) enum Address {
    Line(u64),
    Last,
    /// Every so many lines from the first.
    Step(u64, u64),
    /// `None` is the last expression used.
    Match(Option<Arc<Regex>>),
}

/// The end of a range.
#[derive(Clone, Debug)]
pub(super) enum End {
    At(Address),
    /// So many lines further.
    More(u64),
}

/// What a command does.
#[derive(Clone, Debug)]
pub(super) enum Verb {
    /// `{`, with the place behind its `}`.
    Block(usize),
    EndBlock,
    Label,
    Append(String),
    Insert(String),
    Change(String),
    Read(Str),
    Write(Str),
    /// `b`, `t`, `T`: where to, or the end of the script.
    Branch(Test, Option<usize>),
    Substitute(Box<Substitute>),
    Translate(Vec<(char, char)>),
    /// `q` and `Q`: the status, and whether the line is printed.
    Quit(u8, bool),
    /// The others, by their letter.
    Plain(char),
}

/// When a branch is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Always,
    /// After a substitution.
    Done,
    /// Without one.
    NotDone,
}

/// `s`
#[derive(Clone, Debug)]
pub(super) struct Substitute {
    pub(super) regex: Option<Arc<Regex>>,
    pub(super) replacement: Vec<Piece>,
    /// Which match; 0 for all.
    pub(super) which: u64,
    pub(super) print: bool,
    pub(super) file: Option<Str>,
}

/// A part of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// A group; 0 is the whole match.
    Group(usize),
    /// `\U`, `\L`, `\u`, `\l`, `\E`
    Case(char),
}

type Parsed<T> = Result<T, String>;

/// Reads the pieces of `-e`, each of which may have several lines.
pub(super) fn script(pieces: &[String], extended: bool, gnu: bool) -> Parsed<Script> {
    let mut script = Script::default();
    let mut labels: Vec<(String, usize)> = Vec::new();
    let mut branches: Vec<(usize, String)> = Vec::new();
    let mut unfinished: Option<String> = None;
    let lines = pieces.iter().flat_map(|p| p.split('\n'));
    for (i, line) in lines.enumerate() {
        let line = match unfinished.take() {
            Some(before) => format!("{before}\n{line}"),
            None => line.to_owned(),
        };
        let slashes = line.bytes().rev().take_while(|b| *b == b'\\').count();
        if slashes % 2 == 1 {
            unfinished = Some(line[..line.len() - 1].to_owned());
            continue;
        }
        script.quiet |= i == 0 && line == "#n";
        read_line(&line, extended, gnu, &mut script, &mut labels, &mut branches)?;
    }
    if let Some(line) = unfinished {
        read_line(&line, extended, gnu, &mut script, &mut labels, &mut branches)?;
    }
    for (at, label) in branches {
        let to = labels.iter().find(|(l, _)| *l == label).map(|(_, to)| *to);
        let Some(to) = to else { return Err(format!("can't find label for jump to '{label}'")) };
        if let Verb::Branch(_, target) = &mut script.commands[at].verb {
            *target = Some(to);
        }
    }
    close_blocks(&mut script)?;
    Ok(script)
}

/// Finds the end of each block.
fn close_blocks(script: &mut Script) -> Parsed<()> {
    let mut open = Vec::new();
    for i in 0..script.commands.len() {
        match script.commands[i].verb {
            Verb::Block(_) => open.push(i),
            Verb::EndBlock => {
                if let Some(start) = open.pop() {
                    script.commands[start].verb = Verb::Block(i + 1);
                }
            }
            _ => {}
        }
    }
    // A block without an end matters only when it is skipped; busybox complains then, this one now,
    // unless nothing is ever skipped.
    if open.iter().any(|&i| script.commands[i].from.is_some() || script.commands[i].inverted) {
        return Err("unterminated {".to_owned());
    }
    Ok(())
}

fn read_line(
    line: &str,
    extended: bool,
    gnu: bool,
    script: &mut Script,
    labels: &mut Vec<(String, usize)>,
    branches: &mut Vec<(usize, String)>,
) -> Parsed<()> {
    let chars: Vec<char> = line.chars().collect();
    let mut reader = Reader { chars: &chars, at: 0, extended, gnu };
    loop {
        reader.skip(|c| c == ';' || c.is_ascii_whitespace());
        match reader.peek() {
            None => return Ok(()),
            Some('#') => reader.skip(|c| c != '\n'),
            Some(_) => {
                let (command, label) = reader.command()?;
                match (&command.verb, label) {
                    (Verb::Label, Some(label)) => labels.push((label, script.commands.len())),
                    (_, Some(label)) => branches.push((script.commands.len(), label)),
                    (_, None) => {}
                }
                script.commands.push(command);
                if script.commands.len() > MAX_COMMANDS {
                    return Err(format!("a script has more than {MAX_COMMANDS} commands"));
                }
            }
        }
    }
}

struct Reader<'c> {
    chars: &'c [char],
    at: usize,
    extended: bool,
    gnu: bool,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn skip(&mut self, mut that: impl FnMut(char) -> bool) {
        while self.peek().is_some_and(&mut that) {
            self.at += 1;
        }
    }

    fn blanks(&mut self) {
        self.skip(|c| c.is_ascii_whitespace());
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        self.at += usize::from(found);
        found
    }

    fn number(&mut self) -> Option<u64> {
        let start = self.at;
        self.skip(|c| c.is_ascii_digit());
        self.chars[start..self.at].iter().collect::<String>().parse().ok()
    }

    fn rest(&mut self) -> String {
        let rest = self.chars[self.at..].iter().collect();
        self.at = self.chars.len();
        rest
    }

    /// A command, and the label that it makes or goes to.
    fn command(&mut self) -> Parsed<(Command, Option<String>)> {
        let from = self.address()?;
        let mut to = None;
        if from.is_some() && self.take(',') {
            if self.peek() == Some('+')
                && self.chars.get(self.at + 1).is_some_and(char::is_ascii_digit)
            {
                self.at += 1;
                to = self.number().map(End::More);
            } else {
                to = self.address()?.map(End::At);
            }
            if to.is_none() {
                return Err("no address after comma".to_owned());
            }
        }
        self.blanks();
        let inverted = self.take('!');
        self.blanks();
        let Some(letter) = self.peek() else { return Err("missing command".to_owned()) };
        self.at += 1;
        if to.is_some() && matches!(letter, 'a' | 'i' | 'r') && !self.gnu {
            return Err(format!("command '{letter}' uses only one address"));
        }
        let (verb, label) = self.verb(letter)?;
        Ok((Command { from, to, inverted, verb }, label))
    }

    fn address(&mut self) -> Parsed<Option<Address>> {
        let delimiter = match self.peek() {
            Some(c) if c.is_ascii_digit() => {
                let first = self.number().unwrap_or(u64::MAX);
                if self.gnu && self.take('~') {
                    return Ok(Some(Address::Step(first, self.number().unwrap_or(0))));
                }
                return Ok(Some(Address::Line(first)));
            }
            Some('$') => {
                self.at += 1;
                return Ok(Some(Address::Last));
            }
            Some('/') => '/',
            Some('\\') => {
                self.at += 1;
                match self.peek() {
                    Some(c) => c,
                    None => return Err("missing command".to_owned()),
                }
            }
            _ => return Ok(None),
        };
        self.at += 1;
        let source = self.delimited(delimiter, true)?;
        let fold = self.gnu && self.take('I');
        Ok(Some(Address::Match(self.regex(&source, fold)?)))
    }

    fn regex(&self, source: &str, fold: bool) -> Parsed<Option<Arc<Regex>>> {
        if source.is_empty() {
            return Ok(None);
        }
        let regex =
            if self.extended { Regex::extended(source, fold) } else { Regex::basic(source, fold) };
        regex.map(|r| Some(Arc::new(r))).map_err(|_| format!("bad regex '{source}'"))
    }

    /// The text up to an unescaped delimiter, which is taken too. In an expression a delimiter within
    /// brackets does not count.
    fn delimited(&mut self, delimiter: char, regex: bool) -> Parsed<String> {
        let mut out = String::new();
        let mut bracket: Option<usize> = None;
        while let Some(c) = self.peek() {
            self.at += 1;
            match (c, bracket) {
                (c, None) if c == delimiter => return Ok(out),
                ('\\', None) => {
                    let Some(next) = self.peek() else { break };
                    self.at += 1;
                    if next == delimiter {
                        out.push(next);
                    } else if next == 'n' && regex {
                        out.push('\n');
                    } else {
                        out.push('\\');
                        out.push(next);
                    }
                    continue;
                }
                ('[', None) if regex => bracket = Some(self.at),
                (']', Some(start)) => {
                    let empty = self.at == start + 1
                        || self.at == start + 2 && self.chars.get(start) == Some(&'^');
                    if !empty {
                        bracket = None;
                    }
                }
                _ => {}
            }
            if bracket.is_some()
                && c == '\\'
                && let Some(escaped) = self.peek().and_then(escape)
            {
                self.at += 1;
                out.push(escaped);
                continue;
            }
            out.push(c);
        }
        Err(format!("unmatched '{delimiter}'"))
    }

    fn verb(&mut self, letter: char) -> Parsed<(Verb, Option<String>)> {
        let verb = match letter {
            '{' => Verb::Block(usize::MAX),
            '}' => Verb::EndBlock,
            ':' | 'b' | 't' | 'T' => return Ok(self.label(letter)),
            's' => Verb::Substitute(Box::new(self.substitute()?)),
            'y' => self.translate()?,
            'a' => Verb::Append(self.text()),
            'i' => Verb::Insert(self.text()),
            'c' => Verb::Change(self.text()),
            'r' => Verb::Read(self.file()?),
            'w' => Verb::Write(self.file()?),
            'q' => Verb::Quit(self.status(), true),
            'Q' if self.gnu => Verb::Quit(self.status(), false),
            'z' | 'F' if self.gnu => Verb::Plain(letter),
            'd' | 'D' | 'g' | 'G' | 'h' | 'H' | 'l' | 'n' | 'N' | 'p' | 'P' | 'x' | '=' => {
                Verb::Plain(letter)
            }
            other => return Err(format!("unsupported command {other}")),
        };
        Ok((verb, None))
    }

    fn status(&mut self) -> u8 {
        if !self.gnu {
            return 0;
        }
        self.blanks();
        self.number().and_then(|n| u8::try_from(n).ok()).unwrap_or(0)
    }

    fn label(&mut self, letter: char) -> (Verb, Option<String>) {
        self.blanks();
        let start = self.at;
        self.skip(|c| c != ';' && !c.is_ascii_whitespace());
        let label: String = self.chars[start..self.at].iter().collect();
        let label = Some(label).filter(|l| !l.is_empty());
        let test = match letter {
            ':' => return (Verb::Label, label),
            't' => Test::Done,
            'T' => Test::NotDone,
            _ => Test::Always,
        };
        (Verb::Branch(test, None), label)
    }

    /// The text of `a`, `i` and `c`: to the end of the line, which continuation lines belong to.
    fn text(&mut self) -> String {
        loop {
            match self.peek() {
                Some('\n' | '\\') => {
                    self.at += 1;
                    break;
                }
                Some(c) if c.is_ascii_whitespace() => self.at += 1,
                _ => break,
            }
        }
        let mut out = String::new();
        let rest = self.rest();
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some(c) => out.push(escape(c).unwrap_or(c)),
                None => out.push('\\'),
            }
        }
        out
    }

    fn file(&mut self) -> Parsed<Str> {
        self.blanks();
        let start = self.at;
        self.skip(|c| c != '\n' && c != ';' && c != '}');
        let name: String = self.chars[start..self.at].iter().collect();
        let name = name.trim_end();
        if name.is_empty() { Err("empty filename".to_owned()) } else { Ok(name.into()) }
    }

    fn substitute(&mut self) -> Parsed<Substitute> {
        let Some(delimiter) = self.peek() else {
            return Err("bad format in substitution expression".to_owned());
        };
        self.at += 1;
        let source = self.delimited(delimiter, true)?;
        let replacement = self.delimited_replacement(delimiter)?;
        let mut substitute =
            Substitute { regex: None, replacement, which: 1, print: false, file: None };
        let mut fold = false;
        loop {
            match self.peek() {
                Some('g') => substitute.which = 0,
                Some('p') => substitute.print = true,
                Some('i' | 'I') => fold = true,
                Some(c) if c.is_ascii_digit() => {
                    substitute.which = self.number().unwrap_or(1);
                    continue;
                }
                Some('w') => {
                    self.at += 1;
                    substitute.file = Some(self.file()?);
                    break;
                }
                Some('#') => {
                    self.skip(|c| c != '\n');
                    break;
                }
                None | Some(';' | '}') => break,
                Some(c) if c.is_ascii_whitespace() => {
                    self.blanks();
                    break;
                }
                Some(_) => return Err("bad option in substitution expression".to_owned()),
            }
            self.at += 1;
        }
        substitute.regex = self.regex(&source, fold)?;
        let groups = substitute.regex.as_ref().map_or(9, |r| r.groups());
        let highest = substitute.replacement.iter().map(|p| match p {
            Piece::Group(n) => *n,
            Piece::Text(_) | Piece::Case(_) => 0,
        });
        if let Some(group) = highest.max().filter(|g| *g > groups && self.gnu) {
            return Err(format!("invalid reference \\{group} on 's' command's RHS"));
        }
        Ok(substitute)
    }

    fn delimited_replacement(&mut self, delimiter: char) -> Parsed<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut push = |text: &mut String, piece: Piece| {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(text)));
            }
            pieces.push(piece);
        };
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                c if c == delimiter => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(text));
                    }
                    return Ok(pieces);
                }
                '&' => push(&mut text, Piece::Group(0)),
                '\\' => {
                    let Some(next) = self.peek() else { break };
                    self.at += 1;
                    match next {
                        next if next == delimiter => text.push(next),
                        '0'..='9' => {
                            let group = next.to_digit(10).and_then(|d| usize::try_from(d).ok());
                            push(&mut text, Piece::Group(group.unwrap_or(0)));
                        }
                        'U' | 'L' | 'u' | 'l' | 'E' if self.gnu => {
                            push(&mut text, Piece::Case(next));
                        }
                        next => text.push(escape(next).unwrap_or(next)),
                    }
                }
                c => text.push(c),
            }
        }
        Err(format!("unmatched '{delimiter}'"))
    }

    fn translate(&mut self) -> Parsed<Verb> {
        let Some(delimiter) = self.peek() else {
            return Err("bad format in substitution expression".to_owned());
        };
        self.at += 1;
        let mut side = || -> Parsed<Vec<char>> {
            let text = self.delimited(delimiter, false)?;
            let mut out = Vec::new();
            let mut chars = text.chars();
            while let Some(c) = chars.next() {
                out.push(match c {
                    '\\' => chars.next().map_or('\\', |c| escape(c).unwrap_or(c)),
                    c => c,
                });
            }
            Ok(out)
        };
        let (from, to) = (side()?, side()?);
        Ok(Verb::Translate(from.into_iter().zip(to).collect()))
    }
}

/// The character of an escape.
const fn escape(c: char) -> Option<char> {
    Some(match c {
        'a' => '\x07',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn error(text: &str) -> String {
        script(&[text.to_owned()], false, false).unwrap_err()
    }

    #[test]
    fn what_is_wrong_with_a_script_is_said() {
        assert_eq!(error("z"), "unsupported command z");
        assert_eq!(error("s/a/b"), "unmatched '/'");
        assert_eq!(error("s/a/b/y"), "bad option in substitution expression");
        assert_eq!(error("b nowhere"), "can't find label for jump to 'nowhere'");
        assert_eq!(error("2,x"), "no address after comma");
        assert_eq!(error("2"), "missing command");
        assert_eq!(error("s/[/b/"), "unmatched '/'");
    }

    #[test]
    fn replacements_have_groups_and_escapes() {
        let script = script(&["s,a\\(b\\),x\\1&\\,\\n\\&,2g".to_owned()], false, false).unwrap();
        let Verb::Substitute(s) = &script.commands[0].verb else { panic!() };
        assert_eq!(
            s.replacement,
            [Piece::Text("x".into()), Piece::Group(1), Piece::Group(0), Piece::Text(",\n&".into())]
        );
        assert_eq!(s.which, 0);
    }
}
