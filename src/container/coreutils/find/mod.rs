//! `find`
//!
//! [`parse`] reads the expression; here the tree is walked, one entry at a step, so that a command of
//! `-exec` may wait in between.

mod parse;

use std::sync::Arc;
use std::time::Duration;

use super::processes;
use super::{Begun, Call, Waiting};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::container::environment::Environment;
use crate::container::fs::{Errno, Stat};
use crate::container::os::Sys;
use crate::container::process::{Pid, Step, Wait};
use crate::container::shell::pattern::Pattern;
use crate::container::text::encode;
use parse::{Action, Amount, Expression, Node, Stamp};

/// Directories below one that are gone into.
const MAX_DEPTH: usize = 200;

/// `find`
pub(super) fn start(call: &mut Call<'_, '_, '_>) -> Begun {
    let mut rest = call.args;
    let (mut follow, mut follow_roots) = (false, false);
    while let Some(option @ ("-L" | "-H" | "-P")) = rest.first().map(Str::as_str) {
        (follow, follow_roots) = (option == "-L", option != "-P");
        rest = &rest[1..];
    }
    let split = rest
        .iter()
        .position(|a| a.starts_with('-') && a.len() > 1 || matches!(a.as_str(), "(" | "!" | ")"))
        .unwrap_or(rest.len());
    let mut roots: Vec<Str> = rest[..split].to_vec();
    if roots.is_empty() {
        roots.push(".".into());
    }
    let expression = match parse::expression(call, &rest[split..]) {
        Ok(expression) => expression,
        Err(complaint) => {
            call.err(&complaint);
            return Begun::Exit(1);
        }
    };
    let groups = vec![Vec::new(); expression.commands];
    let find = Find {
        follow: follow || expression.follow,
        follow_roots: follow_roots || expression.follow,
        expression: Arc::new(expression),
        roots: roots.into_iter().rev().collect(),
        environment: call.environment.clone(),
        todo: Vec::new(),
        device: None,
        running: None,
        groups,
        quit: false,
        status: 0,
    };
    Begun::Wait(Waiting::Find(Box::new(find)))
}

/// An entry that is to be looked at.
#[derive(Clone, Debug)]
struct Entry {
    path: String,
    depth: usize,
    /// Its contents were gone through (`-depth`).
    after: bool,
}

/// An entry under way: how much of the expression is done.
#[derive(Clone, Debug)]
struct Running {
    entry: Entry,
    stat: Stat,
    /// The results of commands that have run, in order.
    results: Vec<bool>,
    child: Option<Pid>,
    prune: bool,
}

/// `find` under way.
#[derive(Clone, Debug)]
pub(crate) struct Find {
    expression: Arc<Expression>,
    follow: bool,
    follow_roots: bool,
    roots: Vec<Str>,
    environment: Environment,
    /// A stack: the next entry is the last.
    todo: Vec<Entry>,
    device: Option<crate::container::fs::VolumeId>,
    running: Option<Running>,
    /// Files collected for each `-exec ... +`.
    groups: Vec<Vec<Str>>,
    quit: bool,
    status: u8,
}

/// Says that a command cannot be run; busybox' status does not tell of it.
fn cannot_run(sys: &mut Sys<'_, '_>, name: &str, e: Errno) {
    sys.err(&format!("find: {name}: {e}\n"));
}

/// Why an evaluation stops.
enum Stop {
    /// A command is running.
    Wait,
}

impl Find {
    pub(super) fn resume(&mut self, sys: &mut Sys<'_, '_>) -> Step {
        loop {
            if sys.must_stop() || !sys.tick() {
                return Step::Yield;
            }
            if let Some(mut running) = self.running.take() {
                if let Some(child) = running.child {
                    match sys.reap(Some(child)) {
                        Some((_, ended)) => {
                            running.results.push(ended.code() == 0);
                            running.child = None;
                        }
                        None => {
                            self.running = Some(running);
                            return Step::Block(Wait::Child(None));
                        }
                    }
                }
                self.evaluate(sys, running);
                continue;
            }
            if self.quit {
                self.todo.clear();
                self.roots.clear();
            }
            match self.todo.pop() {
                Some(entry) => self.visit(sys, entry),
                None => match self.roots.pop() {
                    Some(root) => {
                        self.device = sys.stat(&root, true).ok().and_then(|s| s.id.volume);
                        self.todo.push(Entry { path: root.to_string(), depth: 0, after: false });
                    }
                    None => match self.run_group(sys) {
                        Some(step) => return step,
                        None => return Step::Exit(self.status),
                    },
                },
            }
        }
    }

    /// Runs what `-exec ... +` has collected, one command after the other.
    fn run_group(&mut self, sys: &mut Sys<'_, '_>) -> Option<Step> {
        let index = self.groups.iter().position(|g| !g.is_empty())?;
        let files = std::mem::take(&mut self.groups[index]);
        let argv = self.expression.group(index, &files);
        match processes::spawn(sys, &argv, &self.environment) {
            Ok(child) => {
                // The result of the whole only matters to the status.
                let stat = sys.stat("/", true).ok()?;
                let entry = Entry { path: String::new(), depth: usize::MAX, after: true };
                self.running = Some(Running {
                    entry,
                    stat,
                    results: Vec::new(),
                    child: Some(child),
                    prune: false,
                });
            }
            Err(e) => cannot_run(sys, &argv[0], e),
        }
        Some(Step::Yield)
    }

    fn visit(&mut self, sys: &mut Sys<'_, '_>, entry: Entry) {
        let follow = if entry.depth == 0 { self.follow_roots } else { self.follow };
        let stat = sys
            .stat(&entry.path, follow)
            .or_else(|e| if follow { sys.stat(&entry.path, false) } else { Err(e) });
        let stat = match stat {
            Ok(stat) => stat,
            Err(e) => {
                sys.err(&format!("find: {}: {e}\n", entry.path));
                self.status = 1;
                return;
            }
        };
        let expression = &self.expression;
        let enter = stat.kind == 'd' && expression.max_depth.is_none_or(|m| entry.depth < m);
        if expression.depth_first && !entry.after && enter {
            self.todo.push(Entry { after: true, ..entry.clone() });
            self.enter(sys, &entry, &stat);
            return;
        }
        if entry.depth < expression.min_depth {
            if enter && !expression.depth_first {
                self.enter(sys, &entry, &stat);
            }
            return;
        }
        let running = Running { entry, stat, results: Vec::new(), child: None, prune: false };
        self.evaluate(sys, running);
    }

    fn enter(&mut self, sys: &mut Sys<'_, '_>, entry: &Entry, stat: &Stat) {
        if self.expression.one_device && stat.id.volume != self.device {
            return;
        }
        if entry.depth >= MAX_DEPTH {
            sys.complain(format!("find: directories are nested more than {MAX_DEPTH} deep"));
            return;
        }
        match sys.list(&entry.path) {
            Ok(names) => {
                let base = entry.path.trim_end_matches('/');
                let base = if base.is_empty() && !entry.path.is_empty() { "" } else { base };
                sys.work(names.len());
                for name in names.iter().rev() {
                    let path = format!("{base}/{name}");
                    self.todo.push(Entry { path, depth: entry.depth + 1, after: false });
                }
            }
            Err(e) => {
                sys.err(&format!("find: {}: {e}\n", entry.path));
                self.status = 1;
            }
        }
    }

    fn evaluate(&mut self, sys: &mut Sys<'_, '_>, mut running: Running) {
        if running.entry.depth == usize::MAX {
            if running.results.first() == Some(&false) {
                self.status = 1;
            }
            return;
        }
        let expression = Arc::clone(&self.expression);
        let mut used = 0;
        let done = self.holds(sys, &expression.root, &mut running, &mut used);
        if done.is_err() {
            self.running = Some(running);
            return;
        }
        let Running { entry, stat, prune, .. } = running;
        let enter = stat.kind == 'd' && expression.max_depth.is_none_or(|m| entry.depth < m);
        if enter && !prune && !expression.depth_first {
            self.enter(sys, &entry, &stat);
        }
    }

    fn holds(
        &mut self,
        sys: &mut Sys<'_, '_>,
        node: &Node,
        running: &mut Running,
        used: &mut usize,
    ) -> Result<bool, Stop> {
        Ok(match node {
            Node::True => true,
            Node::Not(inner) => !self.holds(sys, inner, running, used)?,
            Node::And(all) => {
                for one in all {
                    if self.quit || !self.holds(sys, one, running, used)? {
                        return Ok(false);
                    }
                }
                true
            }
            Node::Or(all) => {
                for one in all {
                    if self.holds(sys, one, running, used)? {
                        return Ok(true);
                    }
                }
                false
            }
            Node::Action(action) => return self.act(sys, action, running, used),
        })
    }

    fn act(
        &mut self,
        sys: &mut Sys<'_, '_>,
        action: &Action,
        running: &mut Running,
        used: &mut usize,
    ) -> Result<bool, Stop> {
        let path = running.entry.path.clone();
        // What was done before a command was waited for is not done again.
        let effect = matches!(
            action,
            Action::Print(_) | Action::Delete | Action::Exec(_) | Action::ExecGroup(_)
        );
        if effect {
            *used += 1;
            if let Some(result) = running.results.get(*used - 1) {
                return Ok(*result);
            }
        }
        let result = match action {
            Action::Print(end) => {
                let mut out = encode(&path);
                out.push(*end);
                sys.out(&out);
                true
            }
            Action::Delete => self.delete(sys, &path, &running.stat),
            Action::Exec(words) => {
                let argv: Vec<Str> = words.iter().map(|w| w.replace("{}", &path).into()).collect();
                match processes::spawn(sys, &argv, &self.environment) {
                    Ok(child) => {
                        running.child = Some(child);
                        return Err(Stop::Wait);
                    }
                    Err(e) => {
                        cannot_run(sys, &argv[0], e);
                        false
                    }
                }
            }
            Action::ExecGroup(index) => {
                self.groups[*index].push(path.into());
                true
            }
            Action::Prune => {
                running.prune = true;
                true
            }
            Action::Quit => {
                self.quit = true;
                true
            }
            test => self.test(sys, test, &running.entry, &running.stat),
        };
        if effect {
            running.results.push(result);
        }
        Ok(result)
    }

    fn delete(&mut self, sys: &mut Sys<'_, '_>, path: &str, stat: &Stat) -> bool {
        if path == "." {
            return true;
        }
        match sys.unlink(path, stat.kind == 'd') {
            Ok(()) => true,
            Err(e) => {
                sys.err(&format!("find: {path}: {e}\n"));
                self.status = 1;
                false
            }
        }
    }

    fn test(&self, sys: &mut Sys<'_, '_>, test: &Action, entry: &Entry, stat: &Stat) -> bool {
        match test {
            Action::Name(pattern, fold) => {
                let trimmed = entry.path.trim_end_matches('/');
                let name = trimmed.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or("/");
                matches(pattern, name, *fold)
            }
            Action::Path(pattern, fold) => matches(pattern, &entry.path, *fold),
            Action::Regex(regex) => regex.is_match(&entry.path),
            Action::Kind(kinds) => kinds.contains(&stat.kind),
            Action::Perm(how, mode) => match how {
                '-' => stat.mode & mode == *mode,
                '/' => *mode == 0 || stat.mode & mode != 0,
                _ => stat.mode == *mode,
            },
            Action::Executable => sys.access(&entry.path, 0o1).unwrap_or(false),
            Action::Age(stamp, unit, amount) => {
                let at = if *stamp == Stamp::Changed { stat.ctime } else { stat.mtime };
                amount.holds(age(sys.now(), at, *unit))
            }
            Action::Newer(than) => stat.mtime > *than,
            Action::Size(unit, amount) => {
                let size = if *unit == 1 { stat.size } else { stat.size.div_ceil(*unit) };
                amount.holds(size)
            }
            Action::Links(amount) => amount.holds(u64::from(stat.links)),
            Action::Inode(amount) => amount.holds(u64::from(stat.id.ino.0)),
            Action::SameFile(id) => stat.id == *id,
            Action::User(uid) => stat.uid == *uid,
            Action::Group(gid) => stat.gid == *gid,
            Action::Nobody(user) => {
                let id = if *user { stat.uid } else { stat.gid };
                let fits = |f: &[String]| f.get(2).and_then(|n| n.parse().ok()) == Some(id);
                (if *user { sys.passwd(fits) } else { sys.group(fits) }).is_none()
            }
            Action::Empty => match stat.kind {
                'd' => sys.list(&entry.path).is_ok_and(|names| names.is_empty()),
                '-' => stat.size == 0,
                _ => false,
            },
            _ => true,
        }
    }
}

fn matches(pattern: &str, name: &str, fold: bool) -> bool {
    if fold {
        return Pattern::new(&pattern.to_lowercase(), false).matches(&name.to_lowercase());
    }
    Pattern::new(pattern, false).matches(name)
}

fn age(now: SimTime, at: SimTime, unit: Duration) -> u64 {
    now.since(at).as_secs() / unit.as_secs().max(1)
}

impl Amount {
    const fn holds(self, n: u64) -> bool {
        match self {
            Self::Less(than) => n < than,
            Self::More(than) => n > than,
            Self::Exactly(what) => n == what,
        }
    }
}
