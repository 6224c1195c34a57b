//! POSIX regular expressions, basic and extended, as grep, sed, awk, expr and `[[ =~ ]]` use them.
//!
//! A small backtracking matcher of its own: it knows back-references, and among the ways to match
//! from one position it takes the longest, as POSIX wants and Perl-like engines do not. Work per match
//! is bounded; a match that would take longer counts as none.

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Regex {
    root: Node,
    groups: usize,
    fold: bool,
    /// Whether the longest of several alternatives has to be looked for.
    ambiguous: bool,
}

/// An expression that cannot be read; the text is glibc's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadRegex(pub(crate) &'static str);

#[derive(Clone, Debug)]
enum Node {
    Empty,
    Char(char),
    Any,
    Set(Box<Set>),
    Start,
    End,
    WordStart,
    WordEnd,
    WordBoundary(bool),
    Group(usize, Box<Node>),
    Back(usize),
    Seq(Vec<Node>),
    Alt(Vec<Node>),
    Repeat(Box<Node>, usize, Option<usize>),
}

#[derive(Clone, Debug, Default)]
struct Set {
    negated: bool,
    ranges: Vec<(char, char)>,
    classes: Vec<fn(char) -> bool>,
}

impl Set {
    fn contains(&self, c: char, fold: bool) -> bool {
        let hit = |c: char| {
            self.ranges.iter().any(|&(a, b)| (a..=b).contains(&c))
                || self.classes.iter().any(|f| f(c))
        };
        let found = hit(c) || fold && (hit(c.to_ascii_lowercase()) || hit(c.to_ascii_uppercase()));
        found != self.negated
    }
}

/// Where something matched: byte positions of the whole and of each group.
pub(crate) type Spans = Vec<Option<(usize, usize)>>;

/// Steps of one search before it counts as failed.
const STEPS: usize = 2_000_000;
/// Nesting of groups.
const MAX_DEPTH: usize = 64;
/// The largest count in `{n,m}`.
const MAX_REPEAT: usize = 1000;

impl Regex {
    /// A basic expression (`grep`, `sed`): `\(`, `\{`, `\|`, `\+`, `\?`.
    pub(crate) fn basic(source: &str, fold: bool) -> Result<Self, BadRegex> {
        Self::compile(source, false, fold)
    }

    /// An extended expression (`grep -E`, awk, bash).
    pub(crate) fn extended(source: &str, fold: bool) -> Result<Self, BadRegex> {
        Self::compile(source, true, fold)
    }

    /// An expression that matches this text only.
    pub(crate) fn literal(text: &str, fold: bool) -> Self {
        Self {
            root: Node::Seq(text.chars().map(Node::Char).collect()),
            groups: 0,
            fold,
            ambiguous: false,
        }
    }

    fn compile(source: &str, extended: bool, fold: bool) -> Result<Self, BadRegex> {
        let chars: Vec<char> = source.chars().collect();
        let mut parser =
            Parser { chars: &chars, at: 0, extended, groups: 0, depth: 0, ambiguous: false };
        let root = parser.alternatives()?;
        if parser.at < chars.len() {
            return Err(BadRegex("Unmatched ) or \\)"));
        }
        Ok(Self { root, groups: parser.groups, fold, ambiguous: parser.ambiguous })
    }

    /// How many groups it has.
    pub(crate) const fn groups(&self) -> usize {
        self.groups
    }

    /// Whether it matches anywhere.
    pub(crate) fn is_match(&self, text: &str) -> bool {
        self.find_at(text, 0).is_some()
    }

    /// The texts of the whole match and of each group; a group without a match is empty.
    pub(crate) fn captures<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let spans = self.find_at(text, 0)?;
        Some(spans.iter().map(|s| s.map_or("", |(a, b)| &text[a..b])).collect())
    }

    /// The first match at or after a byte position.
    pub(crate) fn find_at(&self, text: &str, from: usize) -> Option<Spans> {
        let chars: Vec<(usize, char)> = text.char_indices().collect();
        let mut run = Run {
            chars: &chars,
            len: text.len(),
            fold: self.fold,
            steps: STEPS,
            groups: vec![None; self.groups + 1],
            best: None,
            longest: self.ambiguous,
        };
        let first = chars.partition_point(|(i, _)| *i < from);
        for start in first..=chars.len() {
            run.groups.iter_mut().for_each(|g| *g = None);
            run.best = None;
            run.go(&self.root, start, &Next::Done, start);
            if let Some((end, groups)) = run.best.take() {
                let mut spans: Spans =
                    groups.iter().map(|g| g.map(|(a, b)| (run.byte(a), run.byte(b)))).collect();
                spans[0] = Some((run.byte(start), run.byte(end)));
                return Some(spans);
            }
            if run.steps == 0 {
                return None;
            }
        }
        None
    }
}

struct Parser<'c> {
    chars: &'c [char],
    at: usize,
    extended: bool,
    groups: usize,
    depth: usize,
    ambiguous: bool,
}

type Parsed<T> = Result<T, BadRegex>;

impl Parser<'_> {
    fn peek(&self, offset: usize) -> Option<char> {
        self.chars.get(self.at + offset).copied()
    }

    fn alternatives(&mut self) -> Parsed<Node> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(BadRegex("Regular expression too big"));
        }
        let mut all = vec![self.sequence()?];
        while self.take_bar() {
            all.push(self.sequence()?);
        }
        self.depth -= 1;
        if all.len() > 1 {
            self.ambiguous = true;
            return Ok(Node::Alt(all));
        }
        Ok(all.pop().expect("there is one"))
    }

    fn take_bar(&mut self) -> bool {
        let bar = if self.extended {
            self.peek(0) == Some('|')
        } else {
            self.peek(0) == Some('\\') && self.peek(1) == Some('|')
        };
        if bar {
            self.at += if self.extended { 1 } else { 2 };
        }
        bar
    }

    fn at_end_of_sequence(&self) -> bool {
        match (self.peek(0), self.peek(1)) {
            (None, _) => true,
            (Some('|' | ')'), _) if self.extended => self.peek(0) == Some('|') || self.depth > 1,
            (Some('\\'), Some('|')) if !self.extended => true,
            (Some('\\'), Some(')')) if !self.extended => self.depth > 1,
            _ => false,
        }
    }

    fn sequence(&mut self) -> Parsed<Node> {
        let mut items = Vec::new();
        while !self.at_end_of_sequence() {
            let first = items.is_empty();
            let atom = self.atom(first)?;
            items.push(self.repeated(atom)?);
        }
        Ok(match items.len() {
            0 => Node::Empty,
            1 => items.pop().expect("one item"),
            _ => Node::Seq(items),
        })
    }

    fn repeated(&mut self, atom: Node) -> Parsed<Node> {
        let mut node = atom;
        loop {
            let (min, max, len) = match (self.peek(0), self.peek(1), self.extended) {
                (Some('*'), _, _) => (0, None, 1),
                (Some('+'), _, true) => (1, None, 1),
                (Some('?'), _, true) => (0, Some(1), 1),
                (Some('\\'), Some('+'), false) => (1, None, 2),
                (Some('\\'), Some('?'), false) => (0, Some(1), 2),
                (Some('{'), _, true) => match self.bounds(1)? {
                    Some(b) => b,
                    None => return Ok(node),
                },
                (Some('\\'), Some('{'), false) => match self.bounds(2)? {
                    Some(b) => b,
                    None => return Err(BadRegex("Unmatched \\{")),
                },
                _ => return Ok(node),
            };
            if matches!(node, Node::Start) && !self.extended {
                return Ok(node);
            }
            self.at += len;
            if !matches!(node, Node::Char(_) | Node::Any | Node::Set(_)) {
                self.ambiguous = true;
            }
            node = Node::Repeat(Box::new(node), min, max);
        }
    }

    /// `{n,m}` behind an opening of this length: the counts and the whole length.
    fn bounds(&self, open: usize) -> Parsed<Option<(usize, Option<usize>, usize)>> {
        let mut i = self.at + open;
        let mut number = || {
            let start = i;
            while self.chars.get(i).is_some_and(char::is_ascii_digit) {
                i += 1;
            }
            let text: String = self.chars[start..i].iter().collect();
            text.parse::<usize>().ok()
        };
        let min = number();
        let (max, comma) = if self.chars.get(i) == Some(&',') {
            i += 1;
            let mut number = || {
                let start = i;
                while self.chars.get(i).is_some_and(char::is_ascii_digit) {
                    i += 1;
                }
                let text: String = self.chars[start..i].iter().collect();
                text.parse::<usize>().ok()
            };
            (number(), true)
        } else {
            (min, false)
        };
        let close: &[char] = if self.extended { &['}'] } else { &['\\', '}'] };
        if self.chars.get(i..i + close.len()) != Some(close) || min.is_none() && !comma {
            return Ok(None);
        }
        let low = min.unwrap_or(0);
        if low > MAX_REPEAT || max.is_some_and(|m| m > MAX_REPEAT) {
            return Err(BadRegex("Regular expression too big"));
        }
        if max.is_some_and(|m| m < low) {
            return Err(BadRegex("Invalid content of \\{\\}"));
        }
        Ok(Some((low, max, i + close.len() - self.at)))
    }

    fn atom(&mut self, first: bool) -> Parsed<Node> {
        let c = self.peek(0).expect("the caller saw a character");
        self.at += 1;
        Ok(match c {
            '.' => Node::Any,
            '[' => Node::Set(Box::new(self.set()?)),
            '^' if self.extended || first => Node::Start,
            '$' if self.extended || self.at_end_of_sequence() => Node::End,
            '(' if self.extended => self.group()?,
            '\\' => self.escape()?,
            c => Node::Char(c),
        })
    }

    fn group(&mut self) -> Parsed<Node> {
        self.groups += 1;
        let number = self.groups;
        let inner = self.alternatives()?;
        let len = if self.extended { 1 } else { 2 };
        let closed = if self.extended {
            self.peek(0) == Some(')')
        } else {
            self.peek(0) == Some('\\') && self.peek(1) == Some(')')
        };
        if !closed {
            return Err(BadRegex("Unmatched ( or \\("));
        }
        self.at += len;
        Ok(Node::Group(number, Box::new(inner)))
    }

    fn escape(&mut self) -> Parsed<Node> {
        let Some(c) = self.peek(0) else { return Err(BadRegex("Trailing backslash")) };
        self.at += 1;
        Ok(match c {
            '(' if !self.extended => self.group()?,
            '1'..='9' => {
                let n = usize::try_from(u32::from(c) - u32::from('0')).unwrap_or(0);
                if n > self.groups {
                    return Err(BadRegex("Invalid back reference"));
                }
                self.ambiguous = true;
                Node::Back(n)
            }
            '<' => Node::WordStart,
            '>' => Node::WordEnd,
            'b' => Node::WordBoundary(true),
            'B' => Node::WordBoundary(false),
            'w' | 'W' => Node::Set(Box::new(Set {
                negated: c == 'W',
                classes: vec![is_word],
                ..Set::default()
            })),
            's' | 'S' => Node::Set(Box::new(Set {
                negated: c == 'S',
                classes: vec![is_space],
                ..Set::default()
            })),
            'n' => Node::Char('\n'),
            't' => Node::Char('\t'),
            '`' => Node::Start,
            '\'' => Node::End,
            c => Node::Char(c),
        })
    }

    fn set(&mut self) -> Parsed<Set> {
        let mut set = Set::default();
        if self.peek(0) == Some('^') {
            set.negated = true;
            self.at += 1;
        }
        let start = self.at;
        loop {
            let Some(c) = self.peek(0) else {
                return Err(BadRegex("Unmatched [, [^, [:, [., or [="));
            };
            if c == ']' && self.at > start {
                self.at += 1;
                return Ok(set);
            }
            if c == '[' && self.peek(1) == Some(':') {
                let rest: String = self.chars[self.at + 2..].iter().collect();
                if let Some(len) = rest.find(":]") {
                    let name = &rest[..len];
                    set.classes.push(class(name).ok_or(BadRegex("Invalid character class name"))?);
                    self.at += 2 + name.chars().count() + 2;
                    continue;
                }
            }
            let low = self.set_char();
            if self.peek(0) == Some('-') && self.peek(1).is_some_and(|c| c != ']') {
                self.at += 1;
                let high = self.set_char();
                if low > high {
                    return Err(BadRegex("Invalid range end"));
                }
                set.ranges.push((low, high));
            } else {
                set.ranges.push((low, low));
            }
        }
    }

    /// A character of a set; `[.x.]` and `[=x=]` are `x`.
    fn set_char(&mut self) -> char {
        let c = self.peek(0).unwrap_or('\0');
        if c == '['
            && matches!(self.peek(1), Some('.' | '='))
            && self.peek(3) == self.peek(1)
            && self.peek(4) == Some(']')
        {
            let inner = self.peek(2).unwrap_or('\0');
            self.at += 5;
            return inner;
        }
        self.at += 1;
        c
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn is_space(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\x0b'
}

fn class(name: &str) -> Option<fn(char) -> bool> {
    Some(match name {
        "alnum" => |c| c.is_ascii_alphanumeric(),
        "alpha" => |c| c.is_ascii_alphabetic(),
        "blank" => |c| c == ' ' || c == '\t',
        "cntrl" => |c| c.is_ascii_control(),
        "digit" => |c| c.is_ascii_digit(),
        "graph" => |c| c.is_ascii_graphic(),
        "lower" => |c| c.is_ascii_lowercase(),
        "print" => |c| c.is_ascii_graphic() || c == ' ',
        "punct" => |c| c.is_ascii_punctuation(),
        "space" => is_space,
        "upper" => |c| c.is_ascii_uppercase(),
        "xdigit" => |c| c.is_ascii_hexdigit(),
        _ => return None,
    })
}

/// What is to match after a node: a list on the stack.
enum Next<'n> {
    Done,
    /// The rest of a sequence.
    Seq(&'n [Node], &'n Next<'n>),
    /// The end of a group that began at this position.
    Close(usize, usize, &'n Next<'n>),
    /// More of a repetition: how often so far, and where the last round began.
    Again(&'n Node, usize, usize, Option<usize>, usize, &'n Next<'n>),
}

struct Run<'t> {
    chars: &'t [(usize, char)],
    len: usize,
    fold: bool,
    steps: usize,
    groups: Vec<Option<(usize, usize)>>,
    best: Option<(usize, Vec<Option<(usize, usize)>>)>,
    longest: bool,
}

impl Run<'_> {
    fn byte(&self, at: usize) -> usize {
        self.chars.get(at).map_or(self.len, |c| c.0)
    }

    fn char(&self, at: usize) -> Option<char> {
        self.chars.get(at).map(|c| c.1)
    }

    fn same(&self, a: char, b: char) -> bool {
        a == b || self.fold && a.eq_ignore_ascii_case(&b)
    }

    fn single(&self, node: &Node, at: usize) -> bool {
        let Some(c) = self.char(at) else { return false };
        match node {
            Node::Char(want) => self.same(*want, c),
            Node::Any => true,
            Node::Set(set) => set.contains(c, self.fold),
            _ => false,
        }
    }

    fn word_at(&self, at: usize) -> bool {
        self.char(at).is_some_and(is_word)
    }

    /// Matches `node` here and then `next`. True when the search is over.
    fn go(&mut self, node: &Node, at: usize, next: &Next<'_>, start: usize) -> bool {
        if self.steps == 0 {
            return true;
        }
        self.steps -= 1;
        let before = at.checked_sub(1).is_some_and(|b| self.word_at(b));
        match node {
            Node::Empty => self.then(next, at, start),
            Node::Char(_) | Node::Any | Node::Set(_) => {
                self.single(node, at) && self.then(next, at + 1, start)
            }
            Node::Start => at == 0 && self.then(next, at, start),
            Node::End => at == self.chars.len() && self.then(next, at, start),
            Node::WordStart => !before && self.word_at(at) && self.then(next, at, start),
            Node::WordEnd => before && !self.word_at(at) && self.then(next, at, start),
            Node::WordBoundary(yes) => {
                (before != self.word_at(at)) == *yes && self.then(next, at, start)
            }
            Node::Group(number, inner) => {
                self.go(inner, at, &Next::Close(*number, at, next), start)
            }
            Node::Back(number) => {
                let Some((a, b)) = self.groups[*number] else { return false };
                let same =
                    (a..b).enumerate().all(|(i, k)| match (self.char(at + i), self.char(k)) {
                        (Some(x), Some(y)) => self.same(x, y),
                        _ => false,
                    });
                same && self.then(next, at + (b - a), start)
            }
            Node::Seq(items) => match items.split_first() {
                Some((first, rest)) => self.go(first, at, &Next::Seq(rest, next), start),
                None => self.then(next, at, start),
            },
            Node::Alt(all) => {
                let saved = self.groups.clone();
                for one in all {
                    if self.go(one, at, next, start) {
                        return true;
                    }
                    self.groups.clone_from(&saved);
                }
                false
            }
            Node::Repeat(inner, min, max) => self.repeat(inner, *min, *max, at, next, start),
        }
    }

    fn repeat(
        &mut self,
        inner: &Node,
        min: usize,
        max: Option<usize>,
        at: usize,
        next: &Next<'_>,
        start: usize,
    ) -> bool {
        if matches!(inner, Node::Char(_) | Node::Any | Node::Set(_)) {
            let limit = max.unwrap_or(usize::MAX);
            let mut n = 0;
            while n < limit && self.single(inner, at + n) {
                n += 1;
                self.steps = self.steps.saturating_sub(1);
            }
            while n >= min {
                if self.then(next, at + n, start) {
                    return true;
                }
                let Some(less) = n.checked_sub(1) else { break };
                n = less;
            }
            return false;
        }
        self.again(inner, 0, min, max, usize::MAX, at, next, start)
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the state of a repetition, passed down instead of kept in a heap"
    )]
    fn again(
        &mut self,
        inner: &Node,
        count: usize,
        min: usize,
        max: Option<usize>,
        last: usize,
        at: usize,
        next: &Next<'_>,
        start: usize,
    ) -> bool {
        let saved = self.groups.clone();
        // An empty round would repeat for ever.
        if max.is_none_or(|m| count < m) && (at != last || count < min) {
            if self.go(inner, at, &Next::Again(inner, count + 1, min, max, at, next), start) {
                return true;
            }
            self.groups = saved;
        }
        count >= min && self.then(next, at, start)
    }

    fn then(&mut self, next: &Next<'_>, at: usize, start: usize) -> bool {
        match next {
            Next::Done => {
                if self.best.as_ref().is_none_or(|(end, _)| at > *end) {
                    self.best = Some((at, self.groups.clone()));
                }
                // The first way found is the longest unless there are alternatives.
                !self.longest || at == self.chars.len()
            }
            Next::Seq(items, rest) => match items.split_first() {
                Some((first, more)) => self.go(first, at, &Next::Seq(more, rest), start),
                None => self.then(rest, at, start),
            },
            Next::Close(number, from, rest) => {
                let old = self.groups[*number];
                self.groups[*number] = Some((*from, at));
                let done = self.then(rest, at, start);
                if !done {
                    self.groups[*number] = old;
                }
                done
            }
            Next::Again(inner, count, min, max, last, rest) => {
                self.again(inner, *count, *min, *max, *last, at, rest, start)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(source: &str, text: &str, want: Option<&str>) {
        let regex = Regex::extended(source, false).unwrap();
        assert_eq!(regex.captures(text).map(|c| c[0]), want, "{source} on {text}");
    }

    #[test]
    fn extended_expressions_take_the_longest() {
        check("a|ab", "xab", Some("ab"));
        check("(a|ab)(c|bcd)", "abcd", Some("abcd"));
        check("x*", "aaa", Some(""));
        check("^[0-9]+$", "123", Some("123"));
        check("^(a|b)*c", "ababc", Some("ababc"));
        check("a{2,3}", "aaaa", Some("aaa"));
        check("[[:space:]]+", "a \tb", Some(" \t"));
        check("a.c$", "abc", Some("abc"));
        check("()", "", Some(""));
        check("b", "aac", None);
        check(r"(.)\1", "abccd", Some("cc"));
    }

    #[test]
    fn basic_expressions_escape_their_operators() {
        let find = |source: &str, text: &str| {
            Regex::basic(source, false)
                .unwrap()
                .captures(text)
                .map(|c| c.last().unwrap().to_string())
        };
        assert_eq!(find(r"a\(b*\)c", "xabbc"), Some("bb".into()));
        assert_eq!(find("a+b", "a+b"), Some("a+b".into()));
        assert_eq!(find(r"a\+b", "aab"), Some("aab".into()));
        assert_eq!(find("a^b$c", "a^b$c"), Some("a^b$c".into()));
        assert_eq!(find("*a", "*a"), Some("*a".into()));
        assert!(Regex::basic(r"\(a", false).is_err());
        assert!(Regex::basic("[a", false).is_err());
    }
}
