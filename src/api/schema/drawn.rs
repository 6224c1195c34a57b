//! Objects drawn at random from the table of types, to hold reading against writing.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Shape, Struct, decode, encode, kind};
use crate::api::kinds;
use crate::api::typed::Typed;

/// How deep an object goes; schemas of custom resources hold themselves.
const DEPTH_MAX: u32 = 7;

/// A source of choices that runs dry into zeros, which mean "nothing": shorter tapes make smaller objects,
/// so that proptest's shrinking works.
struct Tape(std::vec::IntoIter<u8>);

impl Tape {
    fn byte(&mut self) -> u8 {
        self.0.next().unwrap_or(0)
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::from(self.byte()) % from.len()]
    }

    fn object(&mut self, of: &'static Struct, depth: u32) -> Value {
        let mut out = Map::new();
        // Of a kind that stands in another, such as a claim's template, the right name or none.
        let is_kind = of.field("metadata").is_some();
        for (name, _, shape) in of.json_fields() {
            if is_kind && matches!(name, "apiVersion" | "kind") {
                continue;
            }
            // A time that must be there is no time when it is absent, which no client can read.
            let needed = matches!(shape, Shape::Time | Shape::MicroTime);
            if needed || depth < DEPTH_MAX && self.byte() > 160 {
                out.insert(name.to_owned(), self.value(shape, depth + 1));
            }
        }
        Value::Object(out)
    }

    fn value(&mut self, shape: &Shape, depth: u32) -> Value {
        match shape {
            Shape::String => json!(self.pick(&["", "a", "yes", "é\n", "0x1f"])),
            Shape::Bool => json!(self.byte() % 2 == 1),
            Shape::Int32 => json!(i64::from(self.byte()) - 128),
            Shape::Int64 => json!((i64::from(self.byte()) - 128) << 40),
            Shape::Bytes => json!(self.pick(&["", "aGk=", "AAECAw=="])),
            Shape::Time => json!(self.pick(&["2026-01-02T03:04:05Z", "1970-01-01T00:00:00Z"])),
            Shape::MicroTime => json!("2026-01-02T03:04:05.000006Z"),
            Shape::Quantity => json!(self.pick(&["0", "250m", "1", "3Gi", "1e3"])),
            Shape::IntOrString if self.byte() % 2 == 0 => json!(self.byte()),
            Shape::IntOrString => json!(self.pick(&["25%", "http"])),
            Shape::Raw => json!({"any": [self.byte(), null]}),
            Shape::Pointer(to) => self.value(to, depth),
            Shape::Named(_, below) => self.value(below, depth),
            Shape::List(of) => {
                (0..self.byte() % 3).map(|_| self.value(of, depth)).collect::<Vec<_>>().into()
            }
            Shape::Map(to) => {
                let keys = ["a", "b.c/d"].into_iter().take(usize::from(self.byte() % 3));
                let fields = keys.map(|key| (key.to_owned(), self.value(to, depth)));
                Value::Object(fields.collect())
            }
            Shape::Struct(id) => self.object(id.get(), depth),
        }
    }
}

/// The kinds of the table that have a type.
fn types() -> Vec<(String, &'static str, &'static Struct)> {
    let versions = kinds::all().iter().flat_map(|info| {
        info.versions.iter().map(|version| (kinds::join(info.group, version), info.kind))
    });
    versions
        .filter_map(|(version, name)| Some((version.clone(), name, kind(&version, name)?)))
        .collect()
}

/// An object of any kind as the API server would write it, and its type.
fn object() -> impl Strategy<Value = (&'static Struct, Value)> {
    let tape = prop::collection::vec(any::<u8>(), 0..600);
    (prop::sample::select(types()), tape).prop_map(|((version, name, of), tape)| {
        let mut object = Tape(tape.into_iter()).object(of, 0);
        object["apiVersion"] = version.into();
        object["kind"] = name.into();
        let decoded = decode(of, &object).expect("every value is of its type");
        (of, encode(of, &decoded.value))
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back_the_same((of, written) in object()) {
        let read = decode(of, &written).unwrap();
        prop_assert!(read.unknown.is_empty(), "{:?}", read.unknown);
        prop_assert_eq!(encode(of, &read.value), written);
    }

    /// Required structs that a manifest leaves out come into being, so the first writing may add.
    #[test]
    fn typed_objects_are_written_as_they_were_read((_, object) in object()) {
        let written = Typed::decode(&object).unwrap().to_value();
        prop_assert_eq!(Typed::decode(&written).unwrap().to_value(), written);
    }
}

#[test]
fn every_kind_that_is_kept_has_a_type() {
    let without: Vec<&str> = kinds::all()
        .iter()
        .filter(|info| info.treatment != kinds::Treatment::Review)
        .filter(|info| kind(&info.api_version(), info.kind).is_none())
        .map(|info| info.kind)
        .collect();
    assert_eq!(without, ["ComponentStatus"], "a status of the control plane, which has none here");
}
