//! Commands as text again: for `BASH_COMMAND`, `jobs`, `declare -f`, and "blocked at `sleep 3`".

use super::ast::{
    Assign, AssignValue, CaseEnd, Cond, Node, NodeKind, NodeRef, Redirect, RedirectKind, Simple,
    Word,
};
use crate::container::text::push;

/// A command on one line.
pub(crate) fn command(node: &Node) -> String {
    let mut out = String::new();
    inline(node, &mut out);
    out
}

/// A function's body as bash prints it.
pub(crate) fn function_body(node: &NodeRef) -> String {
    let mut printer = Printer { out: String::new(), indent: 0 };
    match &node.kind {
        NodeKind::Group(inner) => printer.braces(inner),
        _ => {
            printer.out.push_str("{ \n");
            printer.indent = 4;
            printer.line(node);
            printer.out.push_str("\n}");
        }
    }
    printer.out
}

fn words(words: &[Word]) -> String {
    words.iter().map(|w| w.raw.as_str()).collect::<Vec<_>>().join(" ")
}

fn simple(simple: &Simple, out: &mut String) {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(
        simple
            .assigns
            .iter()
            .filter(|a| simple.words.is_empty() || !matches!(a.value, AssignValue::Array(_)))
            .map(assign),
    );
    if !simple.words.is_empty() {
        parts.push(words(&simple.words));
    }
    parts.extend(simple.redirects.iter().map(redirect));
    out.push_str(&parts.join(" "));
}

fn assign(a: &Assign) -> String {
    let sign = if a.append { "+=" } else { "=" };
    let index = a.index.as_ref().map(|w| format!("[{}]", w.raw)).unwrap_or_default();
    match &a.value {
        AssignValue::Word(w) => format!("{}{index}{sign}{}", a.name, w.raw),
        AssignValue::Array(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|(k, v)| {
                    k.as_ref()
                        .map_or_else(|| v.raw.to_string(), |k| format!("[{}]={}", k.raw, v.raw))
                })
                .collect();
            format!("{}{sign}({})", a.name, items.join(" "))
        }
    }
}

fn redirect(r: &Redirect) -> String {
    let fd =
        r.fd.map(|n| n.to_string())
            .or_else(|| r.var.as_ref().map(|v| format!("{{{v}}}")))
            .unwrap_or_default();
    match &r.kind {
        RedirectKind::Read(w) => format!("{fd}< {}", w.raw),
        RedirectKind::Write(w) => format!("{fd}> {}", w.raw),
        RedirectKind::Clobber(w) => format!("{fd}>| {}", w.raw),
        RedirectKind::Append(w) => format!("{fd}>> {}", w.raw),
        RedirectKind::Update(w) => format!("{fd}<> {}", w.raw),
        RedirectKind::DupIn(w) => format!("{}<&{}", if fd.is_empty() { "0" } else { &fd }, w.raw),
        RedirectKind::DupOut(w) => format!("{}>&{}", if fd.is_empty() { "1" } else { &fd }, w.raw),
        RedirectKind::Both(w, append) => format!("&>{} {}", if *append { ">" } else { "" }, w.raw),
        RedirectKind::Here(_, tag) => {
            format!("{fd}<<{}{}", if tag.strip_tabs { "-" } else { "" }, tag.word)
        }
        RedirectKind::HereString(w) => format!("{fd}<<< {}", w.raw),
    }
}

fn cond(c: &Cond) -> String {
    match c {
        Cond::And(a, b) => format!("{} && {}", cond(a), cond(b)),
        Cond::Or(a, b) => format!("{} || {}", cond(a), cond(b)),
        Cond::Not(a) => format!("! {}", cond(a)),
        Cond::Unary(op, w) => format!("{op} {}", w.raw),
        Cond::Binary(a, op, b) => format!("{} {op} {}", a.raw, b.raw),
        Cond::Word(w) => w.raw.to_string(),
    }
}

fn body(node: &Node, out: &mut String) {
    inline(node, out);
    if !out.ends_with('&') {
        out.push(';');
    }
    out.push(' ');
}

fn inline(node: &Node, out: &mut String) {
    match &node.kind {
        NodeKind::Simple(s) => simple(s, out),
        NodeKind::Pipeline(nodes) => {
            for (i, n) in nodes.iter().enumerate() {
                if i > 0 {
                    out.push_str(" | ");
                }
                inline(n, out);
            }
        }
        NodeKind::Not(n) => {
            out.push_str("! ");
            inline(n, out);
        }
        NodeKind::Time(n, posix) => {
            out.push_str(if *posix { "time -p " } else { "time " });
            inline(n, out);
        }
        NodeKind::And(a, b) | NodeKind::Or(a, b) => {
            inline(a, out);
            out.push_str(if matches!(node.kind, NodeKind::And(..)) { " && " } else { " || " });
            inline(b, out);
        }
        NodeKind::List(items) => {
            for (i, n) in items.iter().enumerate() {
                inline(n, out);
                if i + 1 < items.len() {
                    out.push_str(if out.ends_with('&') { " " } else { "; " });
                }
            }
        }
        NodeKind::Background(n) => {
            inline(n, out);
            out.push_str(" &");
        }
        NodeKind::Subshell(n) => {
            out.push_str("( ");
            inline(n, out);
            out.push_str(" )");
        }
        NodeKind::Group(n) => {
            out.push_str("{ ");
            body(n, out);
            out.push('}');
        }
        NodeKind::Redirected(n, redirects) => {
            inline(n, out);
            for r in redirects {
                push(out, format_args!(" {}", redirect(r)));
            }
        }
        NodeKind::Function { name, body: inner } => {
            push(out, format_args!("{name} () "));
            inline(inner, out);
        }
        NodeKind::Arith(w) => push(out, format_args!("(({}))", w.raw)),
        NodeKind::Cond(c) => push(out, format_args!("[[ {} ]]", cond(c))),
        NodeKind::Coproc(name, n) => {
            push(out, format_args!("coproc {name} "));
            inline(n, out);
        }
        NodeKind::If(..)
        | NodeKind::While { .. }
        | NodeKind::For { .. }
        | NodeKind::ArithFor { .. }
        | NodeKind::Select { .. }
        | NodeKind::Case { .. } => inline_loop(node, out),
    }
}

fn inline_loop(node: &Node, out: &mut String) {
    match &node.kind {
        NodeKind::If(c, then, other) => {
            out.push_str("if ");
            body(c, out);
            out.push_str("then ");
            body(then, out);
            if let Some(other) = other {
                out.push_str("else ");
                body(other, out);
            }
            out.push_str("fi");
        }
        NodeKind::While { cond, body: inner, until } => {
            out.push_str(if *until { "until " } else { "while " });
            body(cond, out);
            out.push_str("do ");
            body(inner, out);
            out.push_str("done");
        }
        NodeKind::For { name, words: list, body: inner }
        | NodeKind::Select { name, words: list, body: inner } => {
            push(
                out,
                format_args!(
                    "{} {name}",
                    if matches!(node.kind, NodeKind::For { .. }) { "for" } else { "select" }
                ),
            );
            if let Some(list) = list {
                push(out, format_args!(" in {}", words(list)));
            }
            out.push_str("; do ");
            body(inner, out);
            out.push_str("done");
        }
        NodeKind::ArithFor { init, cond, step, body: inner } => {
            push(out, format_args!("for (({}; {}; {})); do ", init.raw, cond.raw, step.raw));
            body(inner, out);
            out.push_str("done");
        }
        NodeKind::Case { word, items } => {
            push(out, format_args!("case {} in ", word.raw));
            for item in items {
                let patterns: Vec<&str> = item.patterns.iter().map(|p| p.raw.as_str()).collect();
                push(out, format_args!("{}) ", patterns.join(" | ")));
                if let Some(b) = &item.body {
                    inline(b, out);
                }
                push(out, format_args!(" {} ", case_end(item.end)));
            }
            out.push_str("esac");
        }
        _ => {}
    }
}

const fn case_end(end: CaseEnd) -> &'static str {
    match end {
        CaseEnd::Leave => ";;",
        CaseEnd::FallThrough => ";&",
        CaseEnd::TestNext => ";;&",
    }
}

/// Prints commands over several lines with bash's indentation.
struct Printer {
    out: String,
    indent: usize,
}

impl Printer {
    fn start(&mut self) {
        self.out.push_str(&" ".repeat(self.indent));
    }

    fn braces(&mut self, inner: &Node) {
        self.out.push_str("{ \n");
        self.indent += 4;
        self.block(inner, false);
        self.indent -= 4;
        self.start();
        self.out.push('}');
    }

    /// The commands of a list, one per line; with a semicolon after the last where asked.
    fn block(&mut self, node: &Node, last_semicolon: bool) {
        let single = [std::sync::Arc::new(node.clone())];
        let items: &[NodeRef] =
            if let NodeKind::List(items) = &node.kind { items } else { &single };
        for (i, item) in items.iter().enumerate() {
            self.line(item);
            let last = i + 1 == items.len();
            if (!last || last_semicolon) && !self.out.ends_with('&') {
                self.out.push(';');
            }
            self.out.push('\n');
        }
    }

    fn line(&mut self, node: &Node) {
        self.start();
        self.node(node);
    }

    fn node(&mut self, node: &Node) {
        match &node.kind {
            NodeKind::Group(inner) => self.braces(inner),
            NodeKind::If(c, then, other) => {
                self.out.push_str("if ");
                inline(c, &mut self.out);
                self.out.push_str("; then\n");
                self.nested(then);
                if let Some(other) = other {
                    self.start();
                    self.out.push_str("else\n");
                    self.nested(other);
                }
                self.start();
                self.out.push_str("fi");
            }
            NodeKind::While { cond, body, until } => {
                self.out.push_str(if *until { "until " } else { "while " });
                inline(cond, &mut self.out);
                self.out.push_str("; do\n");
                self.nested(body);
                self.start();
                self.out.push_str("done");
            }
            NodeKind::For { name, words: list, body } => {
                push(
                    &mut self.out,
                    format_args!(
                        "for {name} in {};\n",
                        list.as_ref().map_or("\"$@\"".to_owned(), |l| words(l))
                    ),
                );
                self.start();
                self.out.push_str("do\n");
                self.nested(body);
                self.start();
                self.out.push_str("done");
            }
            NodeKind::Redirected(inner, redirects) => {
                self.node(inner);
                for r in redirects {
                    push(&mut self.out, format_args!(" {}", redirect(r)));
                }
            }
            _ => inline(node, &mut self.out),
        }
    }

    fn nested(&mut self, node: &Node) {
        self.indent += 4;
        self.block(node, true);
        self.indent -= 4;
    }
}
