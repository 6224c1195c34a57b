//! What containers of one template have in common, and hold once: syntax trees of scripts, first variables of
//! shells, arguments, bounds.
//!
//! Everything in here follows from texts alone, so that it makes no difference to a run whether something was found
//! or computed anew. It is bounded; what was not used for long is forgotten.

use std::collections::VecDeque;
use std::sync::Arc;

use super::environment::{CommonVariables, Environment, Parts, merge};
use super::fs::{Stamp, Tree, WITH_TREE};
use super::limits::Limits;
use super::shell::vars::Value;
use super::shell::{Dialect, FirstVariables, Script, Vars};
use crate::base::{Map, Str};

/// Bytes of script texts that are kept parsed.
const SCRIPT_BYTES: usize = 4 << 20;
/// Bytes of short lists of words that are kept.
const WORD_BYTES: usize = 1 << 20;
/// Lists of more words are left to whoever has them.
const FEW_WORDS: usize = 8;
/// Environments that are kept as tables: one for each namespace whose containers are started just now.
const ENVIRONMENTS: usize = 128;
/// Images with mount points that are kept: one for each template whose containers are started just now.
const MOUNTED: usize = 128;
/// The variable in which containers of a template differ.
const HOSTNAME: &str = Parts::HOSTNAME;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared {
    scripts: Map<(Dialect, u32, Str), Arc<Script>>,
    script_bytes: usize,
    environments: VecDeque<(Vec<(Str, Str)>, Vars)>,
    /// The same by what they were put together from.
    given: VecDeque<((Vec<(Str, Str)>, Arc<CommonVariables>), Vars)>,
    first: VecDeque<(FirstVariables, Vars)>,
    mounted: VecDeque<Mounted>,
    words: Map<Arc<[Str]>, ()>,
    word_bytes: usize,
    limits: Option<Arc<Limits>>,
}

/// An image in which mount points were made, each a directory or not.
#[derive(Clone, Debug)]
struct Mounted {
    image: Arc<Tree>,
    points: Vec<(Str, bool)>,
    tree: Arc<Tree>,
}

impl Shared {
    /// An image with mount points, each an absolute path and whether a directory is there. What is made for them is
    /// [`WITH_TREE`]. Points that cannot be made are left out.
    pub(crate) fn mount_points(
        &mut self,
        image: &Arc<Tree>,
        points: Vec<(Str, bool)>,
    ) -> Arc<Tree> {
        let is_it = |m: &&Mounted| Arc::ptr_eq(&m.image, image) && m.points == points;
        if let Some(known) = self.mounted.iter().find(is_it) {
            return Arc::clone(&known.tree);
        }
        let by = Stamp { at: WITH_TREE, uid: 0, gid: 0 };
        let mut tree = Tree::over(image, WITH_TREE);
        for (path, is_dir) in &points {
            // A mount point inside another mount needs no directory here.
            let _made = if *is_dir {
                tree.make_dirs(path, by).map(drop)
            } else if tree.find(path).is_none() {
                tree.put_as(path, 0o644, b"", by)
            } else {
                Ok(())
            };
        }
        let tree = Arc::new(tree);
        if self.mounted.len() == MOUNTED {
            self.mounted.pop_back();
        }
        let image = Arc::clone(image);
        self.mounted.push_front(Mounted { image, points, tree: Arc::clone(&tree) });
        tree
    }

    /// The commands of a script whose first line has this number.
    pub(crate) fn script(&mut self, dialect: Dialect, line: u32, text: &Str) -> Arc<Script> {
        let key = (dialect, line, text.clone());
        if let Some(script) = self.scripts.get(&key) {
            return Arc::clone(script);
        }
        let script = Arc::new(Script::read(dialect, line, text));
        self.script_bytes += text.len();
        if self.script_bytes > SCRIPT_BYTES {
            self.scripts.clear();
            self.script_bytes = text.len();
        }
        self.scripts.insert(key, Arc::clone(&script));
        script
    }

    /// Words, as one of many holders: the arguments of a program, the items of a loop.
    pub(crate) fn words(&mut self, words: &[Str]) -> Arc<[Str]> {
        if let Some((known, ())) = self.words.get_key_value(words) {
            return Arc::clone(known);
        }
        let shared: Arc<[Str]> = words.into();
        let bytes = words.iter().map(|w| size_of::<Str>() + w.len()).sum::<usize>();
        if words.len() <= FEW_WORDS && bytes <= WORD_BYTES {
            self.word_bytes += bytes;
            if self.word_bytes > WORD_BYTES {
                self.words.clear();
                self.word_bytes = bytes;
            }
            self.words.insert(Arc::clone(&shared), ());
        }
        shared
    }

    /// The variables that a shell makes of its environment. Containers of a template have the same, save for the
    /// name of their host.
    pub(crate) fn environment(&mut self, env: &Environment) -> Vars {
        let Some(parts) = env.parts() else { return self.listed_environment(env) };
        let is_it = |(own, common): &(Vec<(Str, Str)>, Arc<CommonVariables>)| {
            Arc::ptr_eq(common, &parts.common) && *own == parts.own
        };
        let known = self.given.iter().find(|(known, _)| is_it(known)).map(|(_, vars)| vars.clone());
        let mut vars = known.unwrap_or_else(|| {
            let mut list = Vec::new();
            merge(&parts.own, &parts.common, &mut list);
            let vars = self.listed_environment(&list);
            let given = (parts.own.clone(), Arc::clone(&parts.common));
            remember(&mut self.given, given, vars.clone());
            vars
        });
        let var = vars.edit_itself(HOSTNAME);
        (var.value, var.exported) = (Value::Text(parts.hostname.clone()), true);
        vars
    }

    /// The same of a list, in which the name of the host stands first.
    fn listed_environment(&mut self, env: &[(Str, Str)]) -> Vars {
        let host = env.first().filter(|(name, _)| name == HOSTNAME);
        let common = if host.is_some() { &env[1..] } else { env };
        let known = self.environments.iter().find(|(known, _)| known == common);
        let mut vars = match known {
            Some((_, vars)) => vars.clone(),
            None => {
                let vars = Vars::of_environment(common);
                remember(&mut self.environments, common.to_vec(), vars.clone());
                vars
            }
        };
        if let Some((name, value)) = host
            && common.iter().all(|(other, _)| other != name)
        {
            let var = vars.edit_itself(name);
            (var.value, var.exported) = (Value::Text(value.clone()), true);
        }
        vars
    }

    /// A shell's variables when its script begins. `make` finds them out; those of another shell that differ little
    /// are built upon.
    pub(crate) fn first_variables(
        &mut self,
        facts: FirstVariables,
        make: impl FnOnce() -> Vars,
    ) -> Vars {
        if let Some((_, vars)) = self.first.iter().find(|(known, _)| *known == facts) {
            return vars.clone();
        }
        // Of the name of the host, which is the container's own, nothing else depends.
        if let Some(name) = facts.environment.text(HOSTNAME).cloned()
            && let Some((_, vars)) = self.first.iter().find(|(known, _)| known.is_like(&facts))
        {
            let mut vars = vars.clone();
            vars.edit_itself(HOSTNAME).value = Value::Text(name);
            return vars;
        }
        let made = make();
        let like = self.first.iter().find_map(|(_, known)| made.built_upon(known));
        let vars = like.unwrap_or_else(|| made.settled());
        remember(&mut self.first, facts, vars.clone());
        vars
    }

    /// Bounds, as one of many holders.
    pub(crate) fn limits(&mut self, limits: &Limits) -> Arc<Limits> {
        match &self.limits {
            Some(known) if **known == *limits => Arc::clone(known),
            Some(_) | None => Arc::clone(self.limits.insert(Arc::new(*limits))),
        }
    }
}

impl FirstVariables {
    /// Whether all is the same but the name of the host.
    fn is_like(&self, other: &Self) -> bool {
        self.dialect == other.dialect
            && self.cwd == other.cwd
            && self.uid == other.uid
            && self.environment.differs_only_in(HOSTNAME, &other.environment)
    }
}

fn remember<K>(list: &mut VecDeque<(K, Vars)>, key: K, vars: Vars) {
    if list.len() == ENVIRONMENTS {
        list.pop_back();
    }
    list.push_front((key, vars));
}
