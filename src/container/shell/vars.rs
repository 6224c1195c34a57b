//! Shell variables: scalars, arrays, attributes.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use crate::base::Str;
use crate::container::table::Table;

/// The length of the name at the start of a text; 0 when there is none.
pub(crate) fn name_len(text: &str) -> usize {
    let mut bytes = text.bytes();
    match bytes.next() {
        Some(b) if b.is_ascii_alphabetic() || b == b'_' => {
            1 + bytes.take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count()
        }
        _ => 0,
    }
}

/// Whether a text is a name and nothing else.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty() && name_len(text) == text.len()
}

/// What a variable holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    /// Declared, but without a value.
    Unset,
    Text(Str),
    Array(BTreeMap<i64, Str>),
    Assoc(BTreeMap<Str, Str>),
}

/// A variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Var {
    pub(crate) value: Value,
    pub(crate) exported: bool,
    pub(crate) readonly: bool,
    pub(crate) integer: bool,
    pub(crate) lower: bool,
    pub(crate) upper: bool,
    /// `declare -n`: it stands for another variable.
    pub(crate) reference: bool,
}

impl Var {
    /// An unset one without attributes.
    pub(crate) const fn unset() -> Self {
        Self {
            value: Value::Unset,
            exported: false,
            readonly: false,
            integer: false,
            lower: false,
            upper: false,
            reference: false,
        }
    }

    /// Its text: of an array, that of element 0.
    pub(crate) fn text(&self) -> Option<&Str> {
        match &self.value {
            Value::Unset => None,
            Value::Text(t) => Some(t),
            Value::Array(a) => a.get(&0),
            Value::Assoc(a) => a.get("0"),
        }
    }
}

/// An assignment to a read-only variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReadOnly(pub(crate) Str);

/// A position in an array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Number(i64),
    Text(Str),
}

/// All variables of a shell. Cloning is cheap; the first change after it copies what is the shell's own.
///
/// A container's shell begins with an environment that a hundred others have too, save for the pod's name: the table
/// that they share is the `base`, and `own` has what differs from it, `None` for what is not there any more.
#[derive(Clone, Debug)]
pub(crate) struct Vars {
    base: Arc<Table<Str, Var>>,
    own: Arc<Table<Str, Option<Var>>>,
}

/// Differences from the base of another shell that are put up with; beyond, a shell has a base of its own.
const DIFFERENCES: usize = 8;

impl Default for Vars {
    fn default() -> Self {
        static NONE: LazyLock<Vars> =
            LazyLock::new(|| Vars { base: Arc::default(), own: Arc::default() });
        NONE.clone()
    }
}

impl Vars {
    /// Those that an environment makes: exported texts, of names alone.
    pub(crate) fn of_environment(env: &[(Str, Str)]) -> Self {
        let mut vars = Self::default();
        for (name, value) in env.iter().filter(|(name, _)| is_name(name)) {
            let var = vars.edit_itself(name);
            var.value = Value::Text(value.clone());
            var.exported = true;
        }
        vars.settled()
    }

    /// The same with all that is there as the base.
    pub(crate) fn settled(self) -> Self {
        if self.own.is_empty() {
            return self;
        }
        let all = self.iter().map(|(name, var)| (name.clone(), var.clone())).collect();
        Self { base: Arc::new(all), ..Self::default() }
    }

    /// The same over the base of `other`, unless they differ too much.
    pub(crate) fn built_upon(&self, other: &Self) -> Option<Self> {
        let mut own = Table::default();
        for (name, var) in self.iter() {
            if other.base.get(name.as_str()) != Some(var) {
                own.insert(name.clone(), Some(var.clone()));
            }
            if own.len() > DIFFERENCES {
                return None;
            }
        }
        for (name, _) in other.base.iter().filter(|(name, _)| self.get_itself(name).is_none()) {
            own.insert(name.clone(), None);
            if own.len() > DIFFERENCES {
                return None;
            }
        }
        own.shrink();
        Some(Self { base: Arc::clone(&other.base), own: Arc::new(own) })
    }

    /// Whether both are made upon the same base and differ from it in one variable, and from each other at most in
    /// its text.
    pub(crate) fn differs_only_in(&self, name: &str, other: &Self) -> bool {
        let own = |vars: &Self| {
            let var = vars.own.get(name)?.clone()?;
            let is_text = matches!(var.value, Value::Text(_));
            (is_text && vars.own.len() == 1).then_some(Var { value: Value::Unset, ..var })
        };
        Arc::ptr_eq(&self.base, &other.base) && own(self).is_some_and(|a| own(other) == Some(a))
    }

    /// Whether both are the very same tables.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.base, &other.base) && Arc::ptr_eq(&self.own, &other.own)
    }

    /// The variable that a name stands for, through references.
    pub(crate) fn resolve<'n>(&'n self, name: &'n str) -> &'n str {
        let mut name = name;
        for _ in 0..8 {
            match self.get_itself(name) {
                Some(Var { reference: true, value: Value::Text(to), .. }) if !to.is_empty() => {
                    name = to
                }
                _ => break,
            }
        }
        name
    }

    /// A variable, set or not.
    pub(crate) fn get(&self, name: &str) -> Option<&Var> {
        self.get_itself(self.resolve(name))
    }

    /// The same without following references.
    pub(crate) fn get_itself(&self, name: &str) -> Option<&Var> {
        match self.own.get(name) {
            Some(own) => own.as_ref(),
            None => self.base.get(name),
        }
    }

    /// The text of a variable that has one.
    pub(crate) fn text(&self, name: &str) -> Option<&Str> {
        self.get(name)?.text()
    }

    /// A variable to be changed; made if it is not there.
    pub(crate) fn edit(&mut self, name: &str) -> &mut Var {
        let name: Str = self.resolve(name).into();
        self.edit_as(name)
    }

    /// The same without following references.
    pub(crate) fn edit_itself(&mut self, name: &str) -> &mut Var {
        self.edit_as(name.into())
    }

    fn edit_as(&mut self, name: Str) -> &mut Var {
        let base = &self.base;
        Arc::make_mut(&mut self.own)
            .get_or_insert_with(name.clone(), || base.get(name.as_str()).cloned())
            .get_or_insert_with(Var::unset)
    }

    /// Gives a variable a text.
    pub(crate) fn set(&mut self, name: &str, text: impl Into<Str>) -> Result<(), ReadOnly> {
        let var = self.edit(name);
        if var.readonly {
            return Err(ReadOnly(name.into()));
        }
        let text = cased(var, text.into());
        match &mut var.value {
            Value::Array(a) => drop(a.insert(0, text)),
            Value::Assoc(a) => drop(a.insert("0".into(), text)),
            Value::Unset | Value::Text(_) => var.value = Value::Text(text),
        }
        Ok(())
    }

    /// Gives an element of an array a text; a scalar becomes an array.
    pub(crate) fn set_element(&mut self, name: &str, key: Key, text: Str) -> Result<(), ReadOnly> {
        let var = self.edit(name);
        if var.readonly {
            return Err(ReadOnly(name.into()));
        }
        let text = cased(var, text);
        match (&mut var.value, key) {
            (Value::Assoc(a), Key::Text(k)) => drop(a.insert(k, text)),
            (Value::Assoc(a), Key::Number(n)) => drop(a.insert(n.to_string().into(), text)),
            (Value::Array(a), Key::Number(n)) => {
                let n = if n < 0 { a.keys().next_back().map_or(0, |l| l + 1) + n } else { n };
                a.insert(n, text);
            }
            (value, key) => {
                let mut array = BTreeMap::new();
                if let Value::Text(old) = value {
                    array.insert(0, old.clone());
                }
                array.insert(if let Key::Number(n) = key { n } else { 0 }, text);
                *value = Value::Array(array);
            }
        }
        Ok(())
    }

    /// Takes a variable away.
    pub(crate) fn unset(&mut self, name: &str) -> Result<(), ReadOnly> {
        if self.get(name).is_some_and(|v| v.readonly) {
            return Err(ReadOnly(name.into()));
        }
        let name: Str = self.resolve(name).into();
        self.remove(&name);
        Ok(())
    }

    fn remove(&mut self, name: &str) {
        if self.base.contains_key(name) {
            Arc::make_mut(&mut self.own).insert(name.into(), None);
        } else if self.own.contains_key(name) {
            Arc::make_mut(&mut self.own).remove(name);
        }
    }

    /// Puts a variable back to what it was.
    pub(crate) fn restore(&mut self, name: &str, var: Option<Var>) {
        match var {
            Some(var) => drop(Arc::make_mut(&mut self.own).insert(name.into(), Some(var))),
            None => self.remove(name),
        }
    }

    /// All of them by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Str, &Var)> {
        let mut base =
            self.base.iter().filter(|(k, _)| !self.own.contains_key(k.as_str())).peekable();
        let mut own = self.own.iter().filter_map(|(k, v)| Some((k, v.as_ref()?))).peekable();
        std::iter::from_fn(move || match (base.peek(), own.peek()) {
            (Some((a, _)), Some((b, _))) if a < b => base.next(),
            (Some(_), None) => base.next(),
            (_, Some(_)) => own.next(),
            (None, None) => None,
        })
    }

    /// What children get as environment.
    pub(crate) fn environment(&self) -> Vec<(Str, Str)> {
        self.iter()
            .filter(|(_, v)| v.exported)
            .filter_map(|(k, v)| Some((k.clone(), v.text()?.clone())))
            .collect()
    }
}

fn cased(var: &Var, text: Str) -> Str {
    if var.lower {
        text.to_lowercase().into()
    } else if var.upper {
        text.to_uppercase().into()
    } else {
        text
    }
}

impl Vars {
    /// The environment with bash's exported functions.
    pub(crate) fn environment_with(
        &self,
        functions: &BTreeMap<Str, super::Function>,
        dialect: super::Dialect,
    ) -> Vec<(Str, Str)> {
        let mut env = self.environment();
        if dialect.is_bash() {
            for (name, function) in functions {
                if self.get_itself(exported_function(name).as_str()).is_some() {
                    let body = super::print::function_body(&function.body);
                    env.push((format!("BASH_FUNC_{name}%%").into(), format!("() {body}").into()));
                }
            }
        }
        env
    }
}

/// The entry of the table that marks a function as exported; no variable can have this name.
pub(super) fn exported_function(name: &str) -> String {
    format!("{name}()")
}
