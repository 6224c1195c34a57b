//! The hashes that name what a workload makes: `pod-template-hash` and the revision's.
//!
//! The first is FNV-32a over a dump of the template as a Go value, every field of it in Go's order,
//! nil pointers included (`pkg/controller/controller_utils.go`, `ComputeHash`;
//! `k8s.io/utils/dump`, `ForHash`); the dump is a walk over the table of Go's types in `api::schema`.
//! The second, of StatefulSets alone, is FNV-32 over the bytes of the revision's data
//! (`pkg/controller/history/controller_history.go`, `HashControllerRevision`).
//!
//! Left out: times inside a template, which dump Go's time zone tables.

use std::fmt::Write as _;

use serde_json::Value;

use crate::api::schema::{self, Shape, Struct};
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::base::rng::SUFFIX_ALPHABET;
use crate::model::wire;

/// The hash of a pod template, the label's value (`ComputeHash`).
pub fn template_hash(template: &wire::core::PodTemplateSpec, collisions: Option<i32>) -> Str {
    let mut hash = fnv_1a(FNV_BEGIN, dump(template).as_bytes());
    if let Some(count) = collisions {
        // Eight bytes are written, of which the number fills four.
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&count.to_le_bytes());
        hash = fnv_1a(hash, &bytes);
    }
    safe_encode(&hash.to_string())
}

/// The hash of a ControllerRevision's data (`HashControllerRevision`).
pub fn revision_hash(data: &[u8], collisions: Option<i32>) -> Str {
    let mut hash = fnv_1(FNV_BEGIN, data);
    if let Some(count) = collisions {
        hash = fnv_1(hash, count.to_string().as_bytes());
    }
    safe_encode(&hash.to_string())
}

/// The text with each character replaced by one of the suffix alphabet
/// (`k8s.io/apimachinery/pkg/util/rand`, `SafeEncodeString`).
pub fn safe_encode(text: &str) -> Str {
    text.bytes()
        .map(|b| char::from(SUFFIX_ALPHABET[usize::from(b) % SUFFIX_ALPHABET.len()]))
        .collect()
}

/// The template as Go's value dump prints it (`dump.ForHash`).
///
/// # Panics
/// Never: the table of types holds the template.
pub fn dump(template: &wire::core::PodTemplateSpec) -> String {
    let of = schema::named("core/v1.PodTemplateSpec").expect("the table holds the pod template");
    let value = serde_json::to_value(template).expect("API types always serialise");
    let mut out = String::with_capacity(8 << 10);
    out.push_str("(v1.PodTemplateSpec)");
    dump_struct(of, &value, &mut out);
    out
}

const FNV_BEGIN: u32 = 0x811c_9dc5;
const FNV_PRIME: u32 = 0x0100_0193;

fn fnv_1(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |h, b| h.wrapping_mul(FNV_PRIME) ^ u32::from(*b))
}

fn fnv_1a(hash: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(hash, |h, b| (h ^ u32::from(*b)).wrapping_mul(FNV_PRIME))
}

fn dump_struct(of: &'static Struct, value: &Value, out: &mut String) {
    out.push('{');
    for (i, field) in of.fields.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        out.push_str(field.go);
        out.push(':');
        // The fields of an embedded struct stand in the outer JSON.
        let inner = field.json.map_or(Some(value), |name| value.get(name));
        dump_typed(&field.shape, inner.filter(|v| !v.is_null()), out);
    }
    out.push('}');
}

/// A value with its type before it, as fields show theirs.
fn dump_typed(shape: &Shape, value: Option<&Value>, out: &mut String) {
    let _ = write!(out, "({})", shape.go_name());
    dump_value(shape, value, out);
}

fn dump_value(shape: &Shape, value: Option<&Value>, out: &mut String) {
    match shape {
        Shape::Named(_, below) => dump_value(below, value, out),
        Shape::String => out.push_str(value.and_then(Value::as_str).unwrap_or_default()),
        Shape::Bool => {
            let _ = write!(out, "{}", value.and_then(Value::as_bool).unwrap_or_default());
        }
        Shape::Int32 | Shape::Int64 => {
            let _ = write!(out, "{}", value.and_then(Value::as_i64).unwrap_or_default());
        }
        Shape::Pointer(to) => match value {
            None => out.push_str("<nil>"),
            Some(_) => dump_value(to, value, out),
        },
        // What is empty comes from the server as nil.
        Shape::List(of) => match value.and_then(Value::as_array).filter(|l| !l.is_empty()) {
            None => out.push_str("<nil>"),
            Some(items) => {
                let items = items.iter().map(|item| (None, of.as_ref(), item));
                dump_items(out, "[", items);
            }
        },
        Shape::Map(to) => match value.and_then(Value::as_object).filter(|m| !m.is_empty()) {
            None => out.push_str("<nil>"),
            Some(entries) => {
                let mut entries: Vec<_> = entries.iter().collect();
                entries.sort_by_key(|(key, _)| *key);
                let items = entries.into_iter().map(|(k, v)| (Some(k.as_str()), to.as_ref(), v));
                dump_items(out, "map[", items);
            }
        },
        Shape::Struct(id) => dump_struct(id.get(), value.unwrap_or(&Value::Null), out),
        Shape::Quantity => dump_quantity(value, out),
        Shape::IntOrString => dump_int_or_string(value, out),
        Shape::Bytes | Shape::Raw => out.push_str("<nil>"),
        Shape::Time | Shape::MicroTime => out
            .push_str("{Time:(time.Time){wall:(uint64)0 ext:(int64)0 loc:(*time.Location)<nil>}}"),
    }
}

fn dump_items<'a>(
    out: &mut String,
    open: &str,
    items: impl Iterator<Item = (Option<&'a str>, &'a Shape, &'a Value)>,
) {
    out.push_str(open);
    for (i, (key, shape, value)) in items.enumerate() {
        if i > 0 {
            out.push(' ');
        }
        if let Some(key) = key {
            out.push_str(key);
            out.push(':');
        }
        dump_value(shape, Some(value), out);
    }
    out.push(']');
}

fn dump_quantity(value: Option<&Value>, out: &mut String) {
    let text = value.and_then(Value::as_str).unwrap_or("0");
    let quantity = text.parse::<Quantity>().unwrap_or_default();
    // As the server stores it: in canonical form, then read again.
    let quantity = quantity.to_string().parse::<Quantity>().unwrap_or_default();
    let (value, scale) = quantity.as_small().unwrap_or_default();
    let _ = write!(
        out,
        "{{i:(resource.int64Amount){{value:(int64){value} scale:(resource.Scale){scale}}} \
         d:(resource.infDecAmount){{Dec:(*inf.Dec)"
    );
    if quantity.as_small().is_some() {
        out.push_str("<nil>");
    } else {
        let (digits, exponent) = quantity.parts();
        let (negative, words) = (digits.starts_with('-'), words(digits.trim_start_matches('-')));
        let scale = -exponent;
        let _ = write!(
            out,
            "{{unscaled:(big.Int){{neg:(bool){negative} abs:(big.nat)[{words}]}} \
             scale:(inf.Scale){scale}}}"
        );
    }
    let (text, format) = (quantity.kept_text(), quantity.format().as_str());
    let _ = write!(out, "}} s:(string){text} Format:(resource.Format){format}}}");
}

/// A long number in 64-bit words, the least first, as `big.Int` holds it.
fn words(digits: &str) -> String {
    let mut words: Vec<u64> = Vec::new();
    for digit in digits.bytes().filter(u8::is_ascii_digit) {
        let mut carry = u128::from(digit - b'0');
        for word in &mut words {
            let wide = u128::from(*word) * 10 + carry;
            *word = u64::try_from(wide & u128::from(u64::MAX)).expect("masked to 64 bits");
            carry = wide >> 64;
        }
        if carry > 0 {
            words.push(u64::try_from(carry).expect("a carry of times ten is small"));
        }
    }
    words.iter().map(u64::to_string).collect::<Vec<_>>().join(" ")
}

fn dump_int_or_string(value: Option<&Value>, out: &mut String) {
    let (kind, number, text) = match value {
        Some(Value::String(s)) => (1, 0, s.as_str()),
        Some(v) => (0, v.as_i64().unwrap_or_default(), ""),
        None => (0, 0, ""),
    };
    let _ =
        write!(out, "{{Type:(intstr.Type){kind} IntVal:(int32){number} StrVal:(string){text}}}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_encoded_without_vowels() {
        assert_eq!(safe_encode("2084823967"), "64d8d67fbc");
    }
}
