//! Expansion of parameters: `$x`, `${x:-v}`, `${x#p}`, `${a[@]}` and all the others.

use super::Shell;
use super::ast::{Anchor, Case, Index, Param, ParamOp, Part, Word};
use super::expand::{Ctx, Expander, Failure, Result, Seg, Stop};
use super::pattern::Pattern;
use super::vars::{Key, Value, Var, Vars};
use crate::base::Str;
use crate::container::os::Sys;
use crate::container::text::byte_len;

/// What a parameter holds.
#[derive(Clone, Debug)]
enum Held {
    /// Nothing.
    Unset,
    /// A text.
    One(Str),
    /// Several, one field each (`$@`, `${a[@]}`), or joined when the flag is set (`$*`).
    Many(Vec<Str>, bool),
}

impl Shell {
    /// The text of a parameter, variable or array element.
    pub(super) fn element(
        &self,
        vars: &Vars,
        sys: &Sys<'_, '_>,
        name: &str,
        key: Option<&Key>,
    ) -> Option<Str> {
        let Some(key) = key else { return self.lookup(vars, sys, name) };
        if let Some(list) = self.dynamic_array(sys, name) {
            let Key::Number(n) = key else { return None };
            return usize::try_from(*n).ok().and_then(|n| list.get(n).cloned());
        }
        match (&vars.get(name)?.value, key) {
            (Value::Array(a), Key::Number(n)) => {
                let n = if *n < 0 { a.keys().next_back().map_or(0, |l| l + 1) + n } else { *n };
                a.get(&n).cloned()
            }
            (Value::Assoc(a), Key::Text(k)) => a.get(k).cloned(),
            (Value::Assoc(a), Key::Number(n)) => a.get(n.to_string().as_str()).cloned(),
            (Value::Text(t), Key::Number(0 | -1)) => Some(t.clone()),
            (Value::Text(_) | Value::Unset | Value::Array(_), _) => None,
        }
    }

    /// The text of a parameter or variable by name.
    pub(super) fn lookup(&self, vars: &Vars, sys: &Sys<'_, '_>, name: &str) -> Option<Str> {
        if let Some(text) = self.special(vars, sys, name) {
            return text;
        }
        if vars.get_itself(name).is_none()
            || vars.get_itself(name).is_some_and(|v| v.value == Value::Unset)
        {
            if let Some(text) = self.dynamic(sys, name) {
                return Some(text);
            }
        }
        vars.text(name).cloned()
    }

    /// Special and positional parameters; the outer `None` means that the name is none of them.
    fn special(&self, vars: &Vars, sys: &Sys<'_, '_>, name: &str) -> Option<Option<Str>> {
        let number = |n: u64| Some(Some(Str::from(n.to_string())));
        match name {
            "#" => number(self.params.len() as u64),
            "?" => number(u64::from(self.status)),
            "$" => number(u64::from(self.root_pid)),
            "!" => Some(self.last_background.map(|p| p.to_string().into())),
            "-" => Some(Some(self.options.letters(self).into())),
            "0" => Some(Some(self.name.clone())),
            "_" if self.last_argument.is_some() => Some(self.last_argument.clone()),
            "@" | "*" => {
                if self.params.is_empty() {
                    return Some(None);
                }
                let sep = if name == "@" { " ".to_owned() } else { separator(vars) };
                let texts: Vec<&str> = self.params.iter().map(Str::as_str).collect();
                Some(Some(texts.join(&sep).into()))
            }
            "LINENO" => number(u64::from(self.lineno())),
            "PPID" => number(u64::from(sys.me().parent.min(self.parent_pid))),
            _ if name.starts_with(|c: char| c.is_ascii_digit()) => {
                let n: usize = name.parse().ok()?;
                Some(self.params.get(n.checked_sub(1)?).cloned())
            }
            _ => None,
        }
    }

    /// Variables that have a value of their own unless one is assigned.
    fn dynamic(&self, sys: &Sys<'_, '_>, name: &str) -> Option<Str> {
        let bash = self.dialect.is_bash();
        let now = sys.now();
        let text = match name {
            // Drawn where it is expanded; here it only counts as set.
            "RANDOM" => "0".to_owned(),
            "EPOCHSECONDS" => now.as_secs().to_string(),
            "EPOCHREALTIME" => {
                format!("{}.{:06}", now.as_secs(), now.as_nanos() / 1000 % 1_000_000)
            }
            "SECONDS" if bash => now.since(self.started).as_secs().to_string(),
            "UID" | "EUID" if bash => sys.me().uid.to_string(),
            "BASHPID" if bash => sys.pid.to_string(),
            "BASH_COMMAND" if bash => self.bash_command().to_string(),
            "BASH_SUBSHELL" if bash => self.subshells.to_string(),
            _ => return self.dynamic_array(sys, name).and_then(|a| a.first().cloned()),
        };
        Some(text.into())
    }

    /// Arrays of bash that are made when they are looked at.
    pub(super) fn dynamic_array(&self, sys: &Sys<'_, '_>, name: &str) -> Option<Vec<Str>> {
        if !self.dialect.is_bash() {
            return None;
        }
        match name {
            "PIPESTATUS" => Some(self.pipe_status.iter().map(|s| s.to_string().into()).collect()),
            "FUNCNAME" => Some(self.function_names()).filter(|f| !f.is_empty()),
            "BASH_SOURCE" => Some(self.source_names()).filter(|f| !f.is_empty()),
            "BASH_LINENO" if self.dialect.is_bash() => Some(
                self.rare
                    .calls
                    .iter()
                    .rev()
                    .map(|c| c.line.to_string().into())
                    .collect::<Vec<Str>>(),
            )
            .filter(|l| !l.is_empty()),
            "GROUPS" => Some(vec![sys.me().gid.to_string().into()]),
            "DIRSTACK" => {
                let rest = self.rare.dir_stack.iter().rev().cloned();
                Some(std::iter::once(sys.me().cwd.clone()).chain(rest).collect())
            }
            _ => None,
        }
    }
}

/// The first character of IFS, which joins `$*`.
pub(super) fn separator(vars: &Vars) -> String {
    match vars.text("IFS") {
        None => " ".to_owned(),
        Some(ifs) => ifs.chars().next().map(String::from).unwrap_or_default(),
    }
}

impl Expander<'_, '_, '_> {
    /// Expands one parameter.
    pub(super) fn param(&mut self, param: &Param, ctx: Ctx, out: &mut Vec<Seg>) -> Result<()> {
        let (name, index) = if param.indirect {
            self.indirect(param)?
        } else {
            (param.name.clone(), param.index.clone())
        };
        match &param.op {
            ParamOp::Bad => return Err(Stop::Fail(Failure::BadSubstitution(param.raw.clone()))),
            ParamOp::Names { at } => {
                let names: Vec<Str> = self
                    .vars
                    .iter()
                    .map(|(k, _)| k.clone())
                    .filter(|k| k.starts_with(name.as_str()))
                    .collect();
                self.emit(Held::Many(names, !at), ctx, out);
                return Ok(());
            }
            ParamOp::Keys => {
                let keys = self.keys(&name);
                let star = matches!(index, Some(Index::Star));
                self.emit(Held::Many(keys, star), ctx, out);
                return Ok(());
            }
            _ => {}
        }
        let held = self.held(&name, index.as_ref())?;
        let new = match &param.op {
            ParamOp::Default { colon, word } => {
                if is_missing(&held, *colon) {
                    return self.word_segs(word, ctx, out);
                }
                held
            }
            ParamOp::Alternative { colon, word } => {
                if !is_missing(&held, *colon) {
                    return self.word_segs(word, ctx, out);
                }
                Held::One(Str::default())
            }
            ParamOp::Assign { colon, word } => {
                if is_missing(&held, *colon) {
                    let text = self.text(word, Ctx { assign: false, ..ctx })?;
                    self.assign_default(&name, index.as_ref(), &text)?;
                    Held::One(text.into())
                } else {
                    held
                }
            }
            ParamOp::Error { colon, word } => {
                if is_missing(&held, *colon) {
                    let message =
                        if word.parts.is_empty() { None } else { Some(self.text(word, ctx)?) };
                    let failure =
                        Failure::Unset { name: display_name(param), message, colon: *colon };
                    return Err(Stop::Fail(failure));
                }
                held
            }
            _ => {
                self.check_set(&held, param)?;
                self.transform(param, &name, index.as_ref(), held)?
            }
        };
        self.emit(new, ctx, out);
        Ok(())
    }

    fn check_set(&self, held: &Held, param: &Param) -> Result<()> {
        let missing = match held {
            Held::Unset => true,
            Held::One(_) | Held::Many(..) => false,
        };
        if missing && self.shell.options.nounset && !matches!(param.name.as_str(), "@" | "*") {
            return Err(Stop::Fail(Failure::Unbound(display_name(param))));
        }
        Ok(())
    }

    fn transform(
        &mut self,
        param: &Param,
        name: &str,
        index: Option<&Index>,
        held: Held,
    ) -> Result<Held> {
        let held = if self.shell.dialect.is_bash() { held } else { self.joined_in_ash(name, held) };
        match &param.op {
            ParamOp::Length => Ok(Held::One(self.length(&held))),
            ParamOp::Slice { offset, length } => self.slice(name, held, offset, length.as_ref()),
            ParamOp::Prefix { longest, pattern } => {
                let pattern = Pattern::new(&self.pattern(pattern)?, self.shell.options.extglob);
                Ok(map(held, |t| pattern.prefix(t, *longest).map_or(t.into(), |n| t[n..].into())))
            }
            ParamOp::Suffix { longest, pattern } => {
                let pattern = Pattern::new(&self.pattern(pattern)?, self.shell.options.extglob);
                Ok(map(held, |t| pattern.suffix(t, *longest).map_or(t.into(), |n| t[..n].into())))
            }
            ParamOp::Replace { anchor, pattern, with } => {
                let source = self.pattern(pattern)?;
                let with = self.text(with, Ctx::PLAIN)?;
                // Nothing is found nowhere, but at an end it is always there.
                if source.is_empty() && matches!(anchor, Anchor::First | Anchor::All) {
                    return Ok(held);
                }
                let pattern = Pattern::new(&source, self.shell.options.extglob);
                Ok(map(held, |t| replace(t, &pattern, &with, *anchor).into()))
            }
            ParamOp::Case { to, all, pattern } => {
                let source = self.pattern(pattern)?;
                let pattern =
                    (!source.is_empty()).then(|| Pattern::new(&source, self.shell.options.extglob));
                Ok(map(held, |t| change_case(t, *to, *all, pattern.as_ref()).into()))
            }
            ParamOp::Transform(op) => Ok(self.at_operator(*op, name, index, held)),
            _ => Ok(held),
        }
    }

    /// ash looks at `$*` as one text when it cuts or measures it.
    fn joined_in_ash(&self, name: &str, held: Held) -> Held {
        match held {
            Held::Many(items, _) if name == "*" => {
                let texts: Vec<&str> = items.iter().map(Str::as_str).collect();
                Held::One(texts.join(&separator(&self.vars)).into())
            }
            other => other,
        }
    }

    fn at_operator(&self, op: char, name: &str, index: Option<&Index>, held: Held) -> Held {
        match op {
            'Q' => map(held, |t| super::quoting::at_q(t).into()),
            'U' => map(held, |t| t.to_uppercase().into()),
            'L' => map(held, |t| t.to_lowercase().into()),
            'u' => map(held, |t| change_case(t, Case::Upper, false, None).into()),
            'E' => map(held, |t| super::escapes::ansi(t, true).into()),
            'a' => Held::One(self.vars.get(name).map(attributes).unwrap_or_default().into()),
            'A' => {
                let line = self.vars.get(name).map(|v| match &v.value {
                    Value::Text(text) if attributes(v).is_empty() => {
                        format!("{name}={}", super::quoting::at_q(text))
                    }
                    _ => super::builtins::declare::definition(name, v, index.is_some()),
                });
                line.map_or(Held::Unset, |l| Held::One(l.into()))
            }
            _ => held,
        }
    }

    fn word_segs(&mut self, word: &Word, ctx: Ctx, out: &mut Vec<Seg>) -> Result<()> {
        let segs = self.segs(&word.parts, ctx)?;
        // Text of the word of an unquoted `${x-a b}` is split like a result.
        out.extend(segs.into_iter().map(|s| match s {
            Seg::Literal(t) => Seg::Split(t),
            other => other,
        }));
        if ctx.quoted && word.parts.is_empty() {
            out.push(Seg::Quoted(String::new()));
        }
        Ok(())
    }

    fn indirect(&mut self, param: &Param) -> Result<(Str, Option<Index>)> {
        // `${!ref}` of a name reference is the name it stands for.
        let held = self.held(&param.name, param.index.as_ref())?;
        let target = match held {
            Held::One(t) => t,
            Held::Many(items, _) => items.first().cloned().unwrap_or_default(),
            Held::Unset => return Err(Stop::Fail(Failure::BadIndirect(param.name.clone()))),
        };
        if let Some((name, rest)) = target.split_once('[')
            && let Some(index) = rest.strip_suffix(']')
        {
            let index = match index {
                "@" => Index::At,
                "*" => Index::Star,
                text => Index::Word(Word { parts: vec![Part::Lit(text.into())], raw: text.into() }),
            };
            return Ok((name.into(), Some(index)));
        }
        let ok = super::vars::is_name(&target)
            || target.bytes().all(|b| b.is_ascii_digit())
            || matches!(target.as_str(), "@" | "*" | "#" | "?" | "$" | "!");
        if ok && !target.is_empty() {
            Ok((target, None))
        } else {
            Err(Stop::Fail(Failure::BadIndirect(target)))
        }
    }

    /// The key that a subscript means.
    pub(super) fn key(&mut self, name: &str, index: &Word) -> Result<Key> {
        if self.vars.get(name).is_some_and(|v| matches!(v.value, Value::Assoc(_))) {
            return Ok(Key::Text(self.text(index, Ctx::PLAIN)?.into()));
        }
        Ok(Key::Number(self.arith(index)?))
    }

    fn held(&mut self, name: &str, index: Option<&Index>) -> Result<Held> {
        let one = |text: Option<Str>| text.map_or(Held::Unset, Held::One);
        match index {
            None if name == "@" => Ok(Held::Many(self.shell.params.to_vec(), false)),
            None if name == "*" => Ok(Held::Many(self.shell.params.to_vec(), true)),
            None => {
                let drawn = super::expand::draw(&self.vars, self.sys, name);
                Ok(one(drawn.or_else(|| self.shell.lookup(&self.vars, self.sys, name))))
            }
            Some(Index::Word(word)) => {
                let key = self.key(name, word)?;
                Ok(one(self.shell.element(&self.vars, self.sys, name, Some(&key))))
            }
            Some(index) => Ok(Held::Many(self.elements(name), matches!(index, Index::Star))),
        }
    }

    fn elements(&self, name: &str) -> Vec<Str> {
        if let Some(list) = self.shell.dynamic_array(self.sys, name) {
            return list;
        }
        match self.vars.get(name).map(|v| &v.value) {
            Some(Value::Array(a)) => a.values().cloned().collect(),
            Some(Value::Assoc(a)) => a.values().cloned().collect(),
            Some(Value::Text(t)) => vec![t.clone()],
            Some(Value::Unset) | None => {
                self.shell.lookup(&self.vars, self.sys, name).into_iter().collect()
            }
        }
    }

    fn keys(&self, name: &str) -> Vec<Str> {
        if let Some(list) = self.shell.dynamic_array(self.sys, name) {
            return (0..list.len()).map(|i| i.to_string().into()).collect();
        }
        match self.vars.get(name).map(|v| &v.value) {
            Some(Value::Array(a)) => a.keys().map(|k| k.to_string().into()).collect(),
            Some(Value::Assoc(a)) => a.keys().cloned().collect(),
            Some(Value::Text(_)) => vec!["0".into()],
            Some(Value::Unset) | None => Vec::new(),
        }
    }

    fn assign_default(&mut self, name: &str, index: Option<&Index>, text: &str) -> Result<()> {
        if let Some(Index::Word(word)) = index {
            let key = self.key(name, word)?;
            self.vars.set_element(name, key, text.into())?;
            return Ok(());
        }
        if !super::vars::is_name(name) {
            return Err(Stop::Fail(Failure::BadSubstitution(name.into())));
        }
        self.vars.set(name, text)?;
        if self.shell.options.allexport {
            self.vars.edit(name).exported = true;
        }
        Ok(())
    }

    fn length(&self, held: &Held) -> Str {
        let n = match held {
            Held::Unset => 0,
            Held::One(t) => byte_len(t),
            Held::Many(items, _) => items.len(),
        };
        n.to_string().into()
    }

    fn slice(
        &mut self,
        name: &str,
        held: Held,
        offset: &Word,
        length: Option<&Word>,
    ) -> Result<Held> {
        let from = self.arith(offset)?;
        let len = match length {
            Some(word) => Some(self.arith(word)?),
            None => None,
        };
        let raw = length.map(|w| w.raw.to_string()).unwrap_or_default();
        match held {
            Held::Unset => Ok(Held::Unset),
            Held::One(text) => {
                let chars: Vec<char> = text.chars().collect();
                let (a, b) = bounds(chars.len(), from, len)
                    .ok_or_else(|| Stop::Fail(Failure::NegativeLength(raw)))?;
                Ok(Held::One(chars[a..b].iter().collect::<String>().into()))
            }
            Held::Many(items, star) => {
                let positional = matches!(name, "@" | "*");
                let all: Vec<Str> = if positional && self.shell.dialect.is_bash() {
                    [self.shell.name.clone()].into_iter().chain(items).collect()
                } else {
                    items
                };
                // A slice of positional parameters that begins at 1 or later leaves $0 out.
                let (a, b) = bounds(all.len(), from, len)
                    .ok_or_else(|| Stop::Fail(Failure::NegativeLength(raw)))?;
                Ok(Held::Many(all[a..b].to_vec(), star))
            }
        }
    }

    fn emit(&self, held: Held, ctx: Ctx, out: &mut Vec<Seg>) {
        let seg = |t: Str| {
            if ctx.quoted { Seg::Quoted(t.to_string()) } else { Seg::Split(t.to_string()) }
        };
        match held {
            Held::Unset => {
                if ctx.quoted {
                    out.push(Seg::Quoted(String::new()));
                }
            }
            Held::One(text) => out.push(seg(text)),
            Held::Many(items, true) if ctx.quoted || ctx.assign => {
                let sep = separator(&self.vars);
                let texts: Vec<&str> = items.iter().map(Str::as_str).collect();
                out.push(Seg::Quoted(texts.join(&sep)));
            }
            // bash joins by a separator that is no blank, and splits again: an empty one in between counts.
            Held::Many(items, _)
                if !ctx.quoted
                    && self.shell.dialect.is_bash()
                    && !separator(&self.vars).trim().is_empty() =>
            {
                let texts: Vec<&str> = items.iter().map(Str::as_str).collect();
                out.push(Seg::Split(texts.join(&separator(&self.vars))));
            }
            Held::Many(items, _) => {
                for (i, item) in items.into_iter().enumerate() {
                    if i > 0 {
                        out.push(Seg::Break);
                    }
                    // An empty field counts inside quotes only.
                    if ctx.quoted || !item.is_empty() {
                        out.push(seg(item));
                    }
                }
            }
        }
    }
}

fn display_name(param: &Param) -> Str {
    match &param.index {
        Some(Index::At) => format!("{}[@]", param.name).into(),
        Some(Index::Star) => format!("{}[*]", param.name).into(),
        Some(Index::Word(w)) => format!("{}[{}]", param.name, w.raw).into(),
        None => param.name.clone(),
    }
}

fn is_missing(held: &Held, colon: bool) -> bool {
    match held {
        Held::Unset => true,
        Held::One(t) => colon && t.is_empty(),
        Held::Many(items, _) => items.is_empty() || colon && items.iter().all(Str::is_empty),
    }
}

fn map(held: Held, change: impl Fn(&str) -> Str) -> Held {
    match held {
        Held::Unset => Held::Unset,
        Held::One(t) => Held::One(change(&t)),
        Held::Many(items, star) => Held::Many(items.iter().map(|t| change(t)).collect(), star),
    }
}

/// The part that an offset and a length mean; `None` when the length is negative beyond the start.
fn bounds(len: usize, offset: i64, length: Option<i64>) -> Option<(usize, usize)> {
    let total = i64::try_from(len).unwrap_or(i64::MAX);
    let start = if offset < 0 { total + offset } else { offset };
    if start < 0 || start > total {
        return Some((len, len));
    }
    let end = match length {
        None => total,
        Some(n) if n < 0 => total + n,
        Some(n) => start.saturating_add(n).min(total),
    };
    if end < start {
        return None;
    }
    Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
}

fn replace(text: &str, pattern: &Pattern, with: &str, anchor: Anchor) -> String {
    match anchor {
        Anchor::Start => pattern
            .prefix(text, true)
            .map_or_else(|| text.to_owned(), |n| format!("{with}{}", &text[n..])),
        Anchor::End => pattern
            .suffix(text, true)
            .map_or_else(|| text.to_owned(), |n| format!("{}{with}", &text[..n])),
        Anchor::First | Anchor::All => {
            let mut out = String::new();
            let mut at = 0;
            while let Some((start, end)) = pattern.find(text, at) {
                if end == start {
                    // An empty match moves on by one character.
                    let Some(c) = text[at..].chars().next() else { break };
                    out.push(c);
                    at += c.len_utf8();
                    continue;
                }
                out.push_str(&text[at..start]);
                out.push_str(with);
                at = end;
                if anchor == Anchor::First {
                    break;
                }
            }
            out.push_str(&text[at..]);
            out
        }
    }
}

fn change_case(text: &str, to: Case, all: bool, pattern: Option<&Pattern>) -> String {
    let mut out = String::with_capacity(text.len());
    for (i, c) in text.chars().enumerate() {
        let hit = (all || i == 0) && pattern.is_none_or(|p| p.matches(c.encode_utf8(&mut [0; 4])));
        match (hit, to) {
            (true, Case::Upper) => out.extend(c.to_uppercase()),
            (true, Case::Lower) => out.extend(c.to_lowercase()),
            (true, Case::Other) if c.is_uppercase() => out.extend(c.to_lowercase()),
            (true, Case::Other) => out.extend(c.to_uppercase()),
            (false, _) => out.push(c),
        }
    }
    out
}

/// The letters of `declare` for a variable's attributes.
pub(super) fn attributes(var: &Var) -> String {
    let flags = [
        (matches!(var.value, Value::Array(_)), 'a'),
        (matches!(var.value, Value::Assoc(_)), 'A'),
        (var.integer, 'i'),
        (var.lower, 'l'),
        (var.reference, 'n'),
        (var.readonly, 'r'),
        (var.upper, 'u'),
        (var.exported, 'x'),
    ];
    flags.into_iter().filter(|(on, _)| *on).map(|(_, c)| c).collect()
}
