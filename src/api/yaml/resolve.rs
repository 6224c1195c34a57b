//! What the text of a scalar means: YAML 1.1 as kubectl's reader has it.
//!
//! Follows vendor/go.yaml.in/yaml/v2/resolve.go (`resolve`). `yes`, `on`, `y` are truth values, a
//! leading 0 means octal, `_` may part digits, `1:30` is text. Also here: numbers as Go's JSON encoder
//! writes them, since that is the text the API server gets.

use serde_json::Number;

use crate::api::tree::Data;
use crate::base::Str;

/// What `!!` stands for.
pub(super) const TAG_PREFIX: &str = "tag:yaml.org,2002:";

/// The meaning of a scalar.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    /// An integer above the largest signed one.
    Big(u64),
    Float(f64),
    Text(Str),
}

impl Scalar {
    /// Its type as error texts name it.
    fn tag(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Big(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Text(_) => "!!str",
        }
    }

    /// The value as JSON has it, or the error of Go's JSON encoder.
    pub(super) fn into_data(self) -> Result<Data, String> {
        Ok(match self {
            Self::Null => Data::Null,
            Self::Bool(value) => Data::Bool(value),
            Self::Int(value) => Data::Number(value.into(), value.to_string().into()),
            Self::Big(value) => Data::Number(value.into(), value.to_string().into()),
            Self::Text(text) => Data::String(text),
            Self::Float(value) => match go_float(value) {
                Ok(text) => number(&text),
                Err(name) => return Err(format!("json: unsupported value: {name}")),
            },
        })
    }

    /// The value as a key of a JSON object; `None` for what cannot be one.
    pub(super) fn into_key(self) -> Option<Str> {
        Some(match self {
            Self::Text(text) => text,
            Self::Int(value) => value.to_string().into(),
            Self::Bool(value) => value.to_string().into(),
            Self::Float(value) => go_float_g32(value).into(),
            Self::Null | Self::Big(_) => return None,
        })
    }
}

/// The number written as JSON `text`.
pub(in crate::api) fn number(text: &str) -> Data {
    let value =
        text.parse::<i64>().map(Number::from).or_else(|_| text.parse::<u64>().map(Number::from));
    let value = value.ok().or_else(|| Number::from_f64(text.parse().ok()?));
    Data::Number(value.unwrap_or_else(|| Number::from(0)), text.into())
}

/// Resolves `text`, written plainly or with `tag`.
///
/// # Errors
/// A text that does not fit its tag, in the words of kubectl.
pub(super) fn resolve(tag: &str, text: &Str, plain: bool) -> Result<Scalar, String> {
    if tag.is_empty() && !plain {
        return Ok(Scalar::Text(text.clone()));
    }
    let kind = match tag.strip_prefix(TAG_PREFIX) {
        _ if tag.is_empty() => "",
        Some("binary") => return binary(text),
        Some(kind @ ("str" | "bool" | "int" | "float" | "null" | "timestamp")) => kind,
        _ => return Ok(Scalar::Text(text.clone())),
    };
    let value = match kind {
        "str" => return Ok(Scalar::Text(text.clone())),
        _ => meaning(text).unwrap_or_else(|| Scalar::Text(text.clone())),
    };
    match (kind, value) {
        ("", value) => Ok(value),
        ("timestamp", _) if looks_like_timestamp(text) => Ok(Scalar::Text(text.clone())),
        #[expect(clippy::cast_precision_loss, reason = "the conversion that !!float asks for")]
        ("float", Scalar::Int(value)) => Ok(Scalar::Float(value as f64)),
        (kind, value) if value.tag()[2..] == *kind => Ok(value),
        (kind, value) => Err(format!("cannot decode {} `{text}` as a !!{kind}", value.tag())),
    }
}

/// What a plain text means, if not itself.
fn meaning(text: &str) -> Option<Scalar> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Some(Scalar::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Some(Scalar::Bool(true));
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Some(Scalar::Bool(false));
        }
        ".nan" | ".NaN" | ".NAN" => return Some(Scalar::Float(f64::NAN)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Some(Scalar::Float(f64::INFINITY));
        }
        "-.inf" | "-.Inf" | "-.INF" => return Some(Scalar::Float(f64::NEG_INFINITY)),
        _ => {}
    }
    match text.as_bytes().first()? {
        b'.' => float(text),
        b'0'..=b'9' | b'+' | b'-' => {
            let digits: String = text.chars().filter(|c| *c != '_').collect();
            integer(&digits).or_else(|| float(&digits))
        }
        _ => None,
    }
}

/// An integer as Go's `strconv.ParseInt` reads it with base 0, or an unsigned one.
fn integer(text: &str) -> Option<Scalar> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = digits.len() < text.len();
    let (radix, digits) = match digits.get(..2).map(str::to_ascii_lowercase).as_deref() {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ if digits.len() > 1 && digits.starts_with('0') => (8, &digits[1..]),
        _ => (10, digits),
    };
    if !digits.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let value = u64::from_str_radix(digits, radix).ok()?;
    match (negative, i64::try_from(value)) {
        (false, Ok(value)) => Some(Scalar::Int(value)),
        (false, Err(_)) if !signed => Some(Scalar::Big(value)),
        (true, _) => 0_i64.checked_sub_unsigned(value).map(Scalar::Int),
        (false, Err(_)) => None,
    }
}

/// A decimal fraction: `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`, if it is in range.
fn float(text: &str) -> Option<Scalar> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let exponent_fits = exponent.is_none_or(|exponent| {
        let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        !exponent.is_empty() && digits(exponent)
    });
    if !digits(whole) || !digits(fraction) || whole.len() + fraction.len() == 0 || !exponent_fits {
        return None;
    }
    text.parse::<f64>().ok().filter(|value| value.is_finite()).map(Scalar::Float)
}

/// Whether a text is a date or a time as YAML 1.1 has them: `2006-1-2`, `2006-1-2T15:4:5Z`, …
fn looks_like_timestamp(text: &str) -> bool {
    let Some((year, rest)) = text.split_once('-') else { return false };
    let number = |text: &str, most: usize| {
        (1..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let Some((month, rest)) = rest.split_once('-') else { return false };
    let day_end = rest.find(['T', 't', ' ']).unwrap_or(rest.len());
    let (day, clock) = rest.split_at(day_end);
    let date = year.len() == 4 && number(year, 4) && number(month, 2) && number(day, 2);
    date && (clock.is_empty() || clock[1..].split(':').count() >= 3)
}

/// `!!binary`: base64 of text.
fn binary(text: &str) -> Result<Scalar, String> {
    let mut bytes = Vec::new();
    let mut bits = 0_u32;
    let mut count = 0;
    let clean: Vec<u8> = text.bytes().filter(|byte| !matches!(byte, b'\r' | b'\n')).collect();
    let data = clean.strip_suffix(b"==").or_else(|| clean.strip_suffix(b"=")).unwrap_or(&clean);
    let wrong = || "!!binary value contains invalid base64 data".to_owned();
    for byte in data {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return Err(wrong()),
        };
        bits = (bits << 6 | u32::from(value)) & 0xFF_FFFF;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
        }
    }
    if !clean.len().is_multiple_of(4) || data.len() % 4 == 1 {
        return Err(wrong());
    }
    Ok(Scalar::Text(String::from_utf8_lossy(&bytes).into()))
}

/// A float as Go's `encoding/json` writes it; the name of what JSON cannot hold as the error.
pub(in crate::api) fn go_float(value: f64) -> Result<String, &'static str> {
    if value.is_nan() {
        return Err("NaN");
    }
    if value.is_infinite() {
        return Err(if value > 0.0 { "+Inf" } else { "-Inf" });
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        return Ok(go_exponent(&format!("{value:e}")));
    }
    Ok(format!("{value}"))
}

/// `1e23` as Go writes it in JSON: `1e+23`, and small exponents without a leading 0.
fn go_exponent(text: &str) -> String {
    match text.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => {
            format!("{mantissa}e+{exponent}")
        }
        _ => text.to_owned(),
    }
}

/// A float as Go's `strconv.FormatFloat(value, 'g', -1, 32)` writes it, which is how keys are written.
fn go_float_g32(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "keys are written with 32 bits upstream")]
    let narrow = value as f32;
    if narrow.is_nan() {
        return ".nan".to_owned();
    }
    if narrow.is_infinite() {
        return if narrow > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{narrow:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let power: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&power) {
        return format!("{narrow}");
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", power.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_mean_what_kubectl_reads() {
        let check = |text: &str, json: &str| {
            let data = resolve("", &text.into(), true).and_then(Scalar::into_data);
            let written = match data {
                Ok(Data::Null) => "null".to_owned(),
                Ok(Data::Bool(value)) => value.to_string(),
                Ok(Data::Number(_, digits)) => digits.to_string(),
                Ok(Data::String(text)) => format!("{text:?}"),
                Ok(Data::Sequence | Data::Mapping) => unreachable!(),
                Err(error) => error,
            };
            assert_eq!(written, json, "{text}");
        };
        check("y", "true");
        check("Off", "false");
        check("oN", "\"oN\"");
        check("0777", "511");
        check("0o777", "511");
        check("0O17", "15");
        check("08", "8");
        check("0x1F", "31");
        check("-0b11", "-3");
        check("1_000", "1000");
        check("+12", "12");
        check("1:30", "\"1:30\"");
        check("1e3", "1000");
        check("1e400", "\"1e400\"");
        check("1e21", "1e+21");
        check("1e-7", "1e-7");
        check(".5", "0.5");
        check(".", "\".\"");
        check("1.", "1");
        check("-", "\"-\"");
        check("0x", "\"0x\"");
        check("+-1", "\"+-1\"");
        check("18446744073709551615", "18446744073709551615");
        check("-9223372036854775808", "-9223372036854775808");
        check("-9223372036854775809", "-9223372036854776000");
        check("2026-01-01", "\"2026-01-01\"");
        check(".inf", "json: unsupported value: +Inf");
        check("\u{661}", "\"\u{661}\"");
    }

    #[test]
    fn a_tag_that_does_not_fit_is_an_error() {
        let check = |tag: &str, text: &str, wanted: Result<Scalar, &str>| {
            let found = resolve(&format!("{TAG_PREFIX}{tag}"), &text.into(), false);
            assert_eq!(found, wanted.map_err(str::to_owned), "!!{tag} {text}");
        };
        check("str", "5", Ok(Scalar::Text("5".into())));
        check("int", "5", Ok(Scalar::Int(5)));
        check("float", "5", Ok(Scalar::Float(5.0)));
        check("int", "x", Err("cannot decode !!str `x` as a !!int"));
        check("bool", "1", Err("cannot decode !!int `1` as a !!bool"));
        check("binary", "aGVsbG8=", Ok(Scalar::Text("hello".into())));
        check("binary", "a", Err("!!binary value contains invalid base64 data"));
        check(
            "timestamp",
            "2001-12-14t21:59:43.10-05:00",
            Ok(Scalar::Text("2001-12-14t21:59:43.10-05:00".into())),
        );
    }
}
