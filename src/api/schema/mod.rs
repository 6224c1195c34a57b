//! The Go shapes of the API types: what a field is called, of which Go type it is, when it is written.
//!
//! Much of what the API server does follows from Go's types and from nothing else: which fields an
//! answer always holds (`status: {}`, `resources: {}`), what an error says about a wrong type, what
//! is told apart (an unset pointer and a zero) and what is not (an empty list and none). So the
//! types are a table, `types.txt`, and three things are done with it: [`decode`] reads JSON as Go
//! would, [`encode`] writes it as Go would, and those who need more (the pod template's hash, strict
//! decoding) walk the table themselves.
//!
//! In the *decoded form* an absent key means Go's zero value, lists and maps that were written empty
//! stay empty ones, and nothing unknown is left. Defaulting and validation work on that form.

mod decode;
#[cfg(test)]
mod drawn;
mod encode;
mod same;

use std::sync::OnceLock;

pub(in crate::api) use decode::illegal_base64_at;
pub use decode::{DecodeError, Decoded, decode};
pub use encode::{encode, write};
pub use same::{same, same_struct};

use super::kinds;
use crate::base::Map;

/// A Go struct.
#[derive(Debug)]
pub struct Struct {
    /// Group, version and name: `core/v1.Container`.
    pub key: &'static str,
    /// Every field in Go's order, those of inlined structs not resolved.
    pub fields: Vec<Field>,
    /// The fields JSON sees, in order, those of inlined structs among them.
    flat: Vec<Flat>,
    by_json: Map<&'static str, usize>,
    /// True for what is no object, too.
    namespaced: bool,
}

/// A field as JSON sees it.
#[derive(Debug)]
struct Flat {
    json: &'static str,
    go: &'static str,
    marks: Marks,
    shape: Shape,
}

/// A field of a [`Struct`].
#[derive(Clone, Debug)]
pub struct Field {
    /// The name in Go.
    pub go: &'static str,
    /// The name in JSON; `None` for an inlined struct.
    pub json: Option<&'static str>,
    /// When it is left out.
    pub marks: Marks,
    /// Its type.
    pub shape: Shape,
}

/// When a field is left out of the JSON that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// When it is false, zero, nil or of length zero (`omitempty`; a struct never is).
    pub omit_empty: bool,
    /// When it is the zero value (`omitzero`).
    pub omit_zero: bool,
}

/// A Go type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `string`
    String,
    /// `bool`
    Bool,
    /// `int32`, and `int`
    Int32,
    /// `int64`
    Int64,
    /// `[]byte`, base64 in JSON
    Bytes,
    /// `metav1.Time`: whole seconds
    Time,
    /// `metav1.MicroTime`
    MicroTime,
    /// `resource.Quantity`
    Quantity,
    /// `intstr.IntOrString`
    IntOrString,
    /// `runtime.RawExtension` and `metav1.FieldsV1`: any JSON
    Raw,
    /// A pointer
    Pointer(Box<Self>),
    /// A slice
    List(Box<Self>),
    /// A map from strings
    Map(Box<Self>),
    /// A struct, by its number in the table
    Struct(StructId),
    /// A type with another one below it, such as `v1.Protocol`
    Named(&'static str, Box<Self>),
}

/// A struct's number in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StructId(u16);

impl StructId {
    /// The struct itself.
    pub fn get(self) -> &'static Struct {
        &table().structs[usize::from(self.0)]
    }
}

impl Struct {
    /// The type of the field that JSON calls `name`, of an inlined struct as well.
    pub fn field(&self, name: &str) -> Option<&Shape> {
        self.by_json.get(name).map(|at| &self.flat[*at].shape)
    }

    /// The fields as JSON sees them: name, when left out, type.
    pub fn json_fields(&self) -> impl Iterator<Item = (&'static str, Marks, &Shape)> {
        self.flat.iter().map(|field| (field.json, field.marks, &field.shape))
    }

    /// The fields as JSON sees them, in order: their names in JSON and in Go.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.flat.iter().map(|field| (field.json, field.go))
    }

    /// Whether objects of this kind live in a namespace, as the table of kinds says.
    pub fn is_namespaced(&self) -> bool {
        self.namespaced
    }

    /// The name as Go prints it: `v1.Container`.
    pub fn go_name(&self) -> &'static str {
        self.key.split_once('/').map_or(self.key, |(_, name)| name)
    }
}

impl Shape {
    /// The type as Go prints it: `[]v1.Container`, `map[string]string`.
    pub fn go_name(&self) -> String {
        match self {
            Self::String => "string".into(),
            Self::Bool => "bool".into(),
            Self::Int32 => "int32".into(),
            Self::Int64 => "int64".into(),
            Self::Bytes => "[]uint8".into(),
            Self::Time => "v1.Time".into(),
            Self::MicroTime => "v1.MicroTime".into(),
            Self::Quantity => "resource.Quantity".into(),
            Self::IntOrString => "intstr.IntOrString".into(),
            Self::Raw => "runtime.RawExtension".into(),
            Self::Pointer(to) => format!("*{}", to.go_name()),
            Self::List(of) => format!("[]{}", of.go_name()),
            Self::Map(to) => format!("map[string]{}", to.go_name()),
            Self::Struct(id) => id.get().go_name().into(),
            Self::Named(key, _) => key.split_once('/').map_or(*key, |(_, name)| name).into(),
        }
    }

    /// The type below names.
    pub fn underlying(&self) -> &Self {
        if let Self::Named(_, below) = self { below.underlying() } else { self }
    }
}

/// The Go struct of an object's `apiVersion` and `kind`, of the kinds in the table.
pub fn kind(api_version: &str, kind: &str) -> Option<&'static Struct> {
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let group = group.split('.').next().unwrap_or(group);
    named(&format!("{group}/{version}.{kind}")).filter(|s| s.field("apiVersion").is_some())
}

/// The struct with a key such as `core/v1.PodSpec`.
pub fn named(key: &str) -> Option<&'static Struct> {
    table().by_key.get(key).map(|id| id.get())
}

/// Whether a struct of `package` is not one of the kinds that stand outside namespaces.
fn is_namespaced(package: &str, name: &str) -> bool {
    let group = package.split_once('/').map_or(package, |(group, _)| group);
    let group = if group == "core" { "" } else { group };
    let first = |dotted: &'static str| dotted.split('.').next().unwrap_or(dotted);
    !kinds::all()
        .iter()
        .any(|info| !info.namespaced && info.kind == name && first(info.group) == group)
}

struct Table {
    structs: Vec<Struct>,
    by_key: Map<&'static str, StructId>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Reader::read(include_str!("types.txt")))
}

/// Reads `types.txt`. The table is part of the program: a mistake in it is a bug, and a test reads it.
struct Reader {
    ids: Map<&'static str, StructId>,
    names: Map<&'static str, (&'static str, &'static str)>,
    /// Composed keys (`core/v1.Pod`), each allocated once for the life of the program.
    keys: Map<String, &'static str>,
}

impl Reader {
    fn read(text: &'static str) -> Table {
        let mut this = Self { ids: Map::default(), names: Map::default(), keys: Map::default() };
        let sections: Vec<(&'static str, &'static str)> = {
            let mut package = "";
            let lines = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#'));
            lines
                .filter_map(|line| {
                    if let Some(name) = line.strip_prefix("package ") {
                        package = name;
                        return None;
                    }
                    Some((package, line))
                })
                .collect()
        };
        this.declare(&sections);
        let mut structs: Vec<Struct> = Vec::with_capacity(this.ids.len());
        for (package, line) in &sections {
            if let Some(name) = line.strip_prefix("struct ") {
                structs.push(Struct {
                    key: this.key(package, name),
                    namespaced: is_namespaced(package, name),
                    fields: Vec::new(),
                    flat: Vec::new(),
                    by_json: Map::default(),
                });
            } else if let Some(field) = line.strip_prefix("  ") {
                let field = this.field(package, field);
                structs.last_mut().expect("a field follows its struct").fields.push(field);
            }
        }
        for i in 0..structs.len() {
            let mut flat = Vec::new();
            flatten(&structs, &structs[i].fields, &mut flat);
            let this = &mut structs[i];
            for (json, field) in flat {
                this.by_json.insert(json, this.flat.len());
                let Field { go, marks, shape, .. } = field;
                this.flat.push(Flat { json, go, marks, shape });
            }
        }
        Table { structs, by_key: this.ids }
    }

    /// Numbers the structs and notes the named types, so that every reference can be resolved.
    fn declare(&mut self, sections: &[(&'static str, &'static str)]) {
        let mut next = 0;
        for (package, line) in sections {
            if let Some(name) = line.strip_prefix("struct ") {
                let key = self.key(package, name);
                self.ids.insert(key, StructId(next));
                next += 1;
            } else if let Some((name, below)) = line.split_once(" = ") {
                let key = self.key(package, name);
                self.names.insert(key, (package, below));
            }
        }
    }

    fn key(&mut self, package: &str, name: &str) -> &'static str {
        let key = if name.contains('.') { name.to_owned() } else { format!("{package}.{name}") };
        self.keys.entry(key).or_insert_with_key(|key| Box::leak(key.clone().into_boxed_str()))
    }

    fn field(&mut self, package: &'static str, line: &'static str) -> Field {
        let mut words = line.split(' ');
        let mut word = || words.next().expect("a field has three words");
        let (go, json, shape) = (word(), word(), word());
        let shape = self.shape(package, shape);
        let bare = json.trim_end_matches(['?', '!']);
        Field {
            go,
            json: (bare != "<").then_some(bare),
            marks: Marks { omit_empty: json.contains('?'), omit_zero: json.contains('!') },
            shape,
        }
    }

    fn shape(&mut self, package: &'static str, text: &'static str) -> Shape {
        if let Some(to) = text.strip_prefix('*') {
            return Shape::Pointer(Box::new(self.shape(package, to)));
        }
        if let Some(of) = text.strip_prefix("[]") {
            return Shape::List(Box::new(self.shape(package, of)));
        }
        if let Some((_, to)) = text.strip_prefix("map[").and_then(|t| t.split_once(']')) {
            return Shape::Map(Box::new(self.shape(package, to)));
        }
        match text {
            "string" | "Duration" => Shape::String,
            "bool" => Shape::Bool,
            "int32" | "int" => Shape::Int32,
            "int64" => Shape::Int64,
            "bytes" => Shape::Bytes,
            "Time" | "meta/v1.Time" => Shape::Time,
            "MicroTime" | "meta/v1.MicroTime" => Shape::MicroTime,
            "resource.Quantity" => Shape::Quantity,
            "intstr.IntOrString" => Shape::IntOrString,
            "types.UID" => Shape::Named("types.UID", Box::new(Shape::String)),
            "runtime.RawExtension" | "FieldsV1" => Shape::Raw,
            name => {
                let key = self.key(package, name);
                if let Some(id) = self.ids.get(key) {
                    return Shape::Struct(*id);
                }
                let known = self.names.get(key);
                let (package, below) =
                    *known.unwrap_or_else(|| panic!("{key} is no type of the table"));
                Shape::Named(key, Box::new(self.shape(package, below)))
            }
        }
    }
}

fn flatten(structs: &[Struct], fields: &[Field], out: &mut Vec<(&'static str, Field)>) {
    for field in fields {
        match (field.json, &field.shape) {
            (Some(name), _) => out.push((name, field.clone())),
            (None, Shape::Struct(id)) => {
                flatten(structs, &structs[usize::from(id.0)].fields, out);
            }
            (None, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_whole() {
        assert!(table().structs.len() > 300);
        for s in &table().structs {
            assert_eq!(s.flat.len(), s.by_json.len(), "{}", s.key);
            assert!(
                s.fields.iter().all(|f| f.json.is_some() || matches!(f.shape, Shape::Struct(_)))
            );
        }
    }

    #[test]
    fn inlined_fields_are_fields_of_the_outer_struct() {
        let volume = named("core/v1.Volume").unwrap();
        assert_eq!(volume.json_fields().next().map(|(n, ..)| n), Some("name"));
        assert_eq!(volume.field("emptyDir").unwrap().go_name(), "*v1.EmptyDirVolumeSource");
    }

    #[test]
    fn kinds_are_found_by_their_version() {
        assert_eq!(kind("v1", "Pod").map(|s| s.key), Some("core/v1.Pod"));
        assert_eq!(
            kind("storage.k8s.io/v1", "StorageClass").map(|s| s.key),
            Some("storage/v1.StorageClass")
        );
        assert!(kind("v1", "Container").is_none());
        assert!(kind("batch/v1beta1", "CronJob").is_none());
    }
}
