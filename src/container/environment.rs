//! The environment of a process, written out when something reads it.
//!
//! Where Services are many, so are the variables that tell of them, and hardly a program looks at any: what a shell
//! would hand to `sleep` need not be listed.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use super::Variables;
use super::shell::{Dialect, Function, Vars};
use crate::base::Str;

/// Variables that many containers share.
pub type CommonVariables = BTreeMap<Str, Str>;

/// The environment of a container by where its variables come from. None of them is in two of these, but for those
/// that the container's own replace.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The name of its host, which is `HOSTNAME`.
    pub hostname: Str,
    /// Its own, by name.
    pub own: Vec<(Str, Str)>,
    /// Those that it shares with others.
    pub common: Arc<CommonVariables>,
}

impl Parts {
    /// The variable that has the name of the host.
    pub const HOSTNAME: &'static str = "HOSTNAME";

    /// The value of a variable.
    fn get(&self, name: &str) -> Option<&Str> {
        if name == Self::HOSTNAME {
            return Some(&self.hostname);
        }
        let own = self.own.iter().find(|(known, _)| known == name).map(|(_, value)| value);
        own.or_else(|| self.common.get(name))
    }

    /// All of them: the host's name, the others by name.
    fn list(&self) -> Vec<(Str, Str)> {
        let mut all = Vec::with_capacity(1 + self.own.len() + self.common.len());
        all.push((Str::new_static(Self::HOSTNAME), self.hostname.clone()));
        merge(&self.own, &self.common, &mut all);
        all
    }
}

/// Adds variables by name; `own` ones, which are in order, replace common ones.
pub fn merge(own: &[(Str, Str)], common: &CommonVariables, all: &mut Vec<(Str, Str)>) {
    let mut own = own.iter().peekable();
    for (name, value) in common {
        while let Some(before) = own.next_if(|(known, _)| known < name) {
            all.push(before.clone());
        }
        if own.peek().is_none_or(|(known, _)| known != name) {
            all.push((name.clone(), value.clone()));
        }
    }
    all.extend(own.cloned());
}

/// See the module. It reads as a list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(Option<Arc<Written>>);

#[derive(Debug)]
struct Written {
    source: Source,
    list: OnceLock<Vec<(Str, Str)>>,
}

#[derive(Debug)]
enum Source {
    /// It was given as a list.
    List,
    /// What a container begins with.
    Container(Parts),
    /// What a shell exports.
    Shell { vars: Vars, functions: Arc<BTreeMap<Str, Function>>, dialect: Dialect },
}

impl Environment {
    /// That of a container.
    pub(crate) fn of_container(variables: &dyn Variables) -> Self {
        match variables.parts() {
            Some(parts) => Self::of(Source::Container(parts)),
            None => variables.all().into(),
        }
    }

    /// What a shell exports.
    pub(crate) fn of_shell(
        vars: &Vars,
        functions: &Arc<BTreeMap<Str, Function>>,
        dialect: Dialect,
    ) -> Self {
        let (vars, functions) = (vars.clone(), Arc::clone(functions));
        Self::of(Source::Shell { vars, functions, dialect })
    }

    fn of(source: Source) -> Self {
        Self(Some(Arc::new(Written { source, list: OnceLock::new() })))
    }

    /// What a container begins with, if it is that.
    pub(crate) fn parts(&self) -> Option<&Parts> {
        match &self.0.as_ref()?.source {
            Source::Container(parts) => Some(parts),
            Source::List | Source::Shell { .. } => None,
        }
    }

    /// The value of a variable.
    pub(crate) fn value(&self, name: &str) -> Option<&Str> {
        match self.parts() {
            Some(parts) => parts.get(name),
            None => self.iter().find(|(known, _)| known == name).map(|(_, value)| value),
        }
    }
}

impl Written {
    fn make(&self) -> Vec<(Str, Str)> {
        match &self.source {
            Source::List => Vec::new(),
            Source::Container(parts) => parts.list(),
            Source::Shell { vars, functions, dialect } => {
                vars.environment_with(functions, *dialect)
            }
        }
    }
}

impl Deref for Environment {
    type Target = [(Str, Str)];

    fn deref(&self) -> &Self::Target {
        self.0.as_ref().map_or(&[], |written| written.list.get_or_init(|| written.make()))
    }
}

impl From<Vec<(Str, Str)>> for Environment {
    fn from(list: Vec<(Str, Str)>) -> Self {
        Self(Some(Arc::new(Written { source: Source::List, list: OnceLock::from(list) })))
    }
}
