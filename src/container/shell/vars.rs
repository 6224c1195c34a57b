//! Shell variables: scalars, arrays, attributes.

use std::collections::BTreeMap;
use std::sync::Arc;

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

/// All variables of a shell. Cloning is cheap; the first change after it copies.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vars {
    all: Arc<Table<Str, Var>>,
}

impl Vars {
    /// The variable that a name stands for, through references.
    pub(crate) fn resolve<'n>(&'n self, name: &'n str) -> &'n str {
        let mut name = name;
        for _ in 0..8 {
            match self.all.get(name) {
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
        self.all.get(self.resolve(name))
    }

    /// The same without following references.
    pub(crate) fn get_itself(&self, name: &str) -> Option<&Var> {
        self.all.get(name)
    }

    /// The text of a variable that has one.
    pub(crate) fn text(&self, name: &str) -> Option<&Str> {
        self.get(name)?.text()
    }

    /// A variable to be changed; made if it is not there.
    pub(crate) fn edit(&mut self, name: &str) -> &mut Var {
        let name: Str = self.resolve(name).into();
        Arc::make_mut(&mut self.all).get_or_insert_with(name, Var::unset)
    }

    /// The same without following references.
    pub(crate) fn edit_itself(&mut self, name: &str) -> &mut Var {
        Arc::make_mut(&mut self.all).get_or_insert_with(name.into(), Var::unset)
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

    /// Gives back room that is not used: most scripts add few variables to the first ones.
    pub(crate) fn shrink(&mut self) {
        Arc::make_mut(&mut self.all).shrink();
    }

    /// Takes a variable away.
    pub(crate) fn unset(&mut self, name: &str) -> Result<(), ReadOnly> {
        if self.get(name).is_some_and(|v| v.readonly) {
            return Err(ReadOnly(name.into()));
        }
        let name: Str = self.resolve(name).into();
        Arc::make_mut(&mut self.all).remove(name.as_str());
        Ok(())
    }

    /// Puts a variable back to what it was.
    pub(crate) fn restore(&mut self, name: &str, var: Option<Var>) {
        let all = Arc::make_mut(&mut self.all);
        match var {
            Some(var) => drop(all.insert(name.into(), var)),
            None => drop(all.remove(name)),
        }
    }

    /// All of them by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Str, &Var)> {
        self.all.iter()
    }

    /// What children get as environment.
    pub(crate) fn environment(&self) -> Vec<(Str, Str)> {
        self.all
            .iter()
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
    pub(super) fn environment_with(
        &self,
        functions: &BTreeMap<Str, super::Function>,
        dialect: super::Dialect,
    ) -> Vec<(Str, Str)> {
        let mut env = self.environment();
        if dialect.is_bash() {
            for (name, function) in functions {
                if self.all.contains_key(exported_function(name).as_str()) {
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
