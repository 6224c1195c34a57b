//! The formats of names, keys and label values, and what the API server says about a wrong one.
//!
//! After `staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go` and
//! `pkg/api/validate/content`. Each check answers with the messages, none when the text is right.
//! The limits of the first count "characters", those of the second "bytes"; both mean bytes.

/// What is wrong with a text; empty when nothing is.
pub type Messages = Vec<String>;

const LABEL_FORMAT: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_FORMAT: &str = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const KEY_FORMAT: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const KEY_MESSAGE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character";

/// A DNS label of RFC 1123: a container, a namespace (`IsDNS1123Label`).
pub fn dns1123_label(value: &str) -> Messages {
    let mut out = too_long(value, 63, "characters");
    if !is_dns_label(value) {
        out.push(if is_dns_subdomain(value) {
            "must not contain dots".into()
        } else {
            format_error(
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character",
                LABEL_FORMAT,
                &["my-name", "123-abc"],
            )
        });
    }
    out
}

/// A DNS subdomain of RFC 1123: a pod, a node (`IsDNS1123Subdomain`).
pub fn dns1123_subdomain(value: &str) -> Messages {
    let mut out = too_long(value, 253, "characters");
    if !is_dns_subdomain(value) {
        out.push(format_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            SUBDOMAIN_FORMAT,
            &["example.com"],
        ));
    }
    out
}

/// The same in letters of either case (`IsDNS1123SubdomainCaseless`).
pub fn dns1123_subdomain_caseless(value: &str) -> Messages {
    let mut out = too_long(value, 253, "bytes");
    if !is_dns_subdomain(&value.to_ascii_lowercase()) {
        out.push(format_error(
            "an RFC 1123 subdomain must consist of alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character",
            SUBDOMAIN_FORMAT,
            &["Example.com"],
        ));
    }
    out
}

/// The same with underscores, as DNS search paths may have (`IsDNS1123SubdomainWithUnderscore`).
pub fn dns1123_subdomain_with_underscore(value: &str) -> Messages {
    let is_label = |label: &str| {
        let bare = label.strip_prefix('_').unwrap_or(label);
        let inner = |b: u8| is_lower_digit(b) || matches!(b, b'-' | b'_');
        ends(bare, is_lower_digit) && bare.bytes().all(inner)
    };
    let mut out = too_long(value, 253, "characters");
    if !value.split('.').all(is_label) {
        out.push(format_error(
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character",
            r"_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*",
            &["example.com"],
        ));
    }
    out
}

/// A DNS label of RFC 1035, which begins with a letter (`IsDNS1035Label`).
pub fn dns1035_label(value: &str) -> Messages {
    let mut out = too_long(value, 63, "characters");
    if !(is_dns_label(value) && value.starts_with(|c: char| c.is_ascii_lowercase())) {
        out.push(format_error(
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character",
            "[a-z]([-a-z0-9]*[a-z0-9])?",
            &["my-name", "abc-123"],
        ));
    }
    out
}

/// A subdomain after `*.` (`IsWildcardDNS1123Subdomain`).
pub fn wildcard_dns1123_subdomain(value: &str) -> Messages {
    let mut out = too_long(value, 253, "characters");
    if !value.strip_prefix("*.").is_some_and(is_dns_subdomain) {
        out.push(format_error(
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
            &format!(r"\*\.{SUBDOMAIN_FORMAT}"),
            &["*.example.com"],
        ));
    }
    out
}

/// A label's key, and every other "qualified name" (`IsLabelKey`).
pub fn qualified_name(value: &str) -> Messages {
    let mut out = Messages::new();
    let parts: Vec<&str> = value.split('/').collect();
    let name = match parts[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                out.push("prefix part must be non-empty".into());
            } else {
                out.extend(too_long(prefix, 253, "bytes"));
                out.extend(dns1123_subdomain(prefix).into_iter().filter(|m| !is_length(m)));
                out.iter_mut().for_each(|m| m.insert_str(0, "prefix part "));
            }
            name
        }
        _ => {
            let format = key_format_error("a valid label key ");
            return vec![format!(
                "{format} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        out.push("name part must be non-empty".into());
    } else if name.len() > 63 {
        out.push("name part must be no more than 63 bytes".into());
    }
    if !is_key(name) {
        out.push(key_format_error("name part "));
    }
    out
}

/// A label's value (`IsLabelValue`).
pub fn label_value(value: &str) -> Messages {
    let mut out = too_long(value, 63, "bytes");
    if !(value.is_empty() || is_key(value)) {
        out.push(format_error(
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
            &format!("({KEY_FORMAT})?"),
            &["MyValue", "my_value", "12345"],
        ));
    }
    out
}

/// An identifier of C (`IsCIdentifier`).
pub fn c_identifier(value: &str) -> Messages {
    let first = |c: char| c.is_ascii_alphabetic() || c == '_';
    if value.starts_with(first) && value.chars().all(|c| first(c) || c.is_ascii_digit()) {
        return Messages::new();
    }
    vec![format_error(
        "a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_'",
        "[A-Za-z_][A-Za-z0-9_]*",
        &["my_name", "MY_NAME", "MyName"],
    )]
}

/// The name of a port: a service name of RFC 6335 (`IsValidPortName`).
pub fn port_name(value: &str) -> Messages {
    let mut out = too_long(value, 15, "characters");
    if value.is_empty() || !value.bytes().all(|b| is_lower_digit(b) || b == b'-') {
        out.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !value.bytes().any(|b| b.is_ascii_lowercase()) {
        out.push("must contain at least one letter (a-z)".into());
    }
    if value.contains("--") {
        out.push("must not contain consecutive hyphens".into());
    }
    if value.starts_with('-') || value.ends_with('-') {
        out.push("must not begin or end with a hyphen".into());
    }
    out
}

/// A port's number (`IsValidPortNum`).
pub fn port_number(port: i64) -> Messages {
    in_range(port, 1, 65535)
}

/// A number within bounds, both included (`IsInRange`).
pub fn in_range(value: i64, least: i64, most: i64) -> Messages {
    if (least..=most).contains(&value) {
        return Messages::new();
    }
    vec![format!("must be between {least} and {most}, inclusive")]
}

/// A user's or group's number (`IsValidUserID`, `IsValidGroupID`).
pub fn user_id(id: i64) -> Messages {
    in_range(id, 0, i64::from(i32::MAX))
}

/// A percentage, `25%` (`IsValidPercent`).
pub fn percent(value: &str) -> Messages {
    let digits = value.strip_suffix('%').unwrap_or_default();
    if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) {
        return Messages::new();
    }
    vec![format_error(
        "a valid percent string must be a numeric string followed by an ending '%'",
        "[0-9]+%",
        &["1%", "93%"],
    )]
}

/// The name of an HTTP header (`IsHTTPHeaderName`).
pub fn http_header(value: &str) -> Messages {
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return Messages::new();
    }
    vec![format_error(
        "a valid HTTP header must consist of alphanumeric characters or '-'",
        "[-A-Za-z0-9]+",
        &["X-Header-Name"],
    )]
}

/// The name of an environment variable, as it was checked before v1.30 (`IsEnvVarName`).
pub fn env_var_name(value: &str) -> Messages {
    let mut out = Messages::new();
    let is_digit = |c: char| c.is_ascii_digit();
    if value.is_empty() || value.starts_with(is_digit) || !value.bytes().all(is_key_byte) {
        out.push(format_error(
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and must not start with a digit",
            "[-._a-zA-Z][-._a-zA-Z0-9]*",
            &["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
        ));
    }
    out.extend(directory_prefix(value));
    out
}

/// The name of an environment variable: printable ASCII without `=` (`IsRelaxedEnvVarName`).
pub fn relaxed_env_var_name(value: &str) -> Messages {
    let mut out = Messages::new();
    if value.is_empty() {
        out.push("environment variable name must be non-empty".into());
    }
    if value.chars().any(|c| !matches!(c, ' '..='~') || c == '=') {
        out.push("a valid environment variable name must consist only of printable ASCII characters other than '='".into());
    }
    out
}

/// A key of a ConfigMap or Secret (`IsConfigMapKey`).
pub fn config_map_key(value: &str) -> Messages {
    let mut out = too_long(value, 253, "characters");
    if value.is_empty() || !value.bytes().all(is_key_byte) {
        out.push(format_error(
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            "[-._a-zA-Z0-9]+",
            &["key.name", "KEY_NAME", "key-name"],
        ));
    }
    out.extend(directory_prefix(value));
    out
}

/// A name that can stand in a URL's path; with `prefix`, one to which more is added
/// (`IsPathSegmentName`, `IsPathSegmentPrefix`).
pub fn path_segment(value: &str, prefix: bool) -> Messages {
    if !prefix && matches!(value, "." | "..") {
        return vec![format!("may not be '{value}'")];
    }
    ["/", "%"]
        .into_iter()
        .filter(|c| value.contains(c))
        .map(|c| format!("may not contain '{c}'"))
        .collect()
}

/// A message with its format and examples, as upstream's `RegexError`.
pub fn format_error(message: &str, format: &str, examples: &[&str]) -> String {
    if examples.is_empty() {
        return format!("{message} (regex used for validation is '{format}')");
    }
    let examples: Vec<String> = examples.iter().map(|e| format!("'{e}', ")).collect();
    format!("{message} (e.g. {}regex used for validation is '{format}')", examples.join(" or "))
}

/// Whether it is a DNS label, its length aside.
pub fn is_dns_label(value: &str) -> bool {
    ends(value, is_lower_digit) && value.bytes().all(|b| is_lower_digit(b) || b == b'-')
}

fn is_dns_subdomain(value: &str) -> bool {
    value.split('.').all(is_dns_label)
}

fn is_key(value: &str) -> bool {
    ends(value, |b| b.is_ascii_alphanumeric()) && value.bytes().all(is_key_byte)
}

/// Whether there is a first and a last byte and both are of a kind.
fn ends(value: &str, is: fn(u8) -> bool) -> bool {
    let bytes = value.as_bytes();
    bytes.first().copied().is_some_and(is) && bytes.last().copied().is_some_and(is)
}

fn is_lower_digit(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

fn is_key_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')
}

fn key_format_error(prefix: &str) -> String {
    format_error(&format!("{prefix}{KEY_MESSAGE}"), KEY_FORMAT, &["MyName", "my.name", "123-abc"])
}

fn too_long(value: &str, most: usize, unit: &str) -> Messages {
    if value.len() <= most {
        return Messages::new();
    }
    vec![format!("must be no more than {most} {unit}")]
}

fn is_length(message: &str) -> bool {
    message.starts_with("must be no more than")
}

/// `hasChDirPrefix`: names that would lead out of a directory.
fn directory_prefix(value: &str) -> Option<String> {
    match value {
        "." => Some("must not be '.'".into()),
        ".." => Some("must not be '..'".into()),
        _ => value.starts_with("..").then(|| "must not start with '..'".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_names_pass_and_wrong_ones_do_not() {
        let check = |of: fn(&str) -> Messages, right: &[&str], wrong: &[&str]| {
            right.iter().for_each(|v| assert!(of(v).is_empty(), "{v}: {:?}", of(v)));
            wrong.iter().for_each(|v| assert!(!of(v).is_empty(), "{v}"));
        };
        check(
            dns1123_label,
            &["a", "1-a", &"a".repeat(63)],
            &["", "-a", "A", "a.b", &"a".repeat(64)],
        );
        check(dns1123_subdomain, &["a.b-c.1"], &["a..b", ".a", "a_b"]);
        check(dns1035_label, &["a1"], &["1a", ""]);
        check(qualified_name, &["a", "x.io/A_b"], &["/a", "a/", "a/b/c", "-a"]);
        check(label_value, &["", "a", "A-1_b.c"], &["-", "a b"]);
        check(port_name, &["http", "h-2"], &["", "80", "a--b", "-a", "abcdefghijklmnop"]);
        check(config_map_key, &["a", ".a", "a..b"], &["", ".", "..", "..a", "a/b"]);
        check(relaxed_env_var_name, &["a b", "1"], &["", "a=b", "ä", "\t"]);
        check(percent, &["0%", "150%"], &["", "%", "1.5%", "1"]);
    }
}
