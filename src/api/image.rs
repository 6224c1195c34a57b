//! Image references: `nginx`, `registry.example.com:5000/app:1.2@sha256:…`.
//!
//! Follows `pkg/util/parsers/parsers.go` (`ParseImageName`) and the grammar of
//! `github.com/distribution/reference` behind it.

use std::sync::OnceLock;

use regex::Regex;

/// An image reference, normalised as container runtimes do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReference {
    /// The repository with its registry: `docker.io/library/nginx`.
    pub repository: String,
    /// The tag; `latest` when neither tag nor digest was given, else empty.
    pub tag: String,
    /// The digest, or empty.
    pub digest: String,
}

/// Parses and normalises a reference; `None` when a runtime would refuse it (`InvalidImageName`).
pub fn parse(image: &str) -> Option<ImageReference> {
    if image.len() == 64 && image.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
        return None;
    }
    let (domain, rest) = split_domain(image);
    let remote = rest.split(':').next().unwrap_or(&rest);
    if remote.to_lowercase() != remote {
        return None;
    }
    let whole = format!("{domain}/{rest}");
    let parts = grammar().captures(&whole)?;
    let part = |name| parts.name(name).map_or("", |m| m.as_str()).to_owned();
    let (repository, mut tag, digest) = (part("name"), part("tag"), part("digest"));
    if repository.len() > 255 || !digest.is_empty() && !is_digest(&digest) {
        return None;
    }
    if tag.is_empty() && digest.is_empty() {
        tag = "latest".to_owned();
    }
    Some(ImageReference { repository, tag, digest })
}

/// Whether the tag is `latest`, given or implied: then the default is to always pull.
pub fn is_latest(image: &str) -> bool {
    // Most images have another tag, which is seen without the grammar.
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.split_once(':').is_some_and(|(_, tag)| !tag.starts_with("latest")) {
        return false;
    }
    parse(image).is_some_and(|i| i.tag == "latest")
}

/// The registry and the rest, Docker Hub's short forms spelled out (`splitDockerDomain`).
fn split_domain(image: &str) -> (&str, String) {
    let is_registry = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.to_lowercase() != first
    };
    let (mut domain, rest) = match image.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        Some(_) | None => ("docker.io", image),
    };
    if domain == "index.docker.io" {
        domain = "docker.io";
    }
    if domain == "docker.io" && !rest.contains('/') {
        return (domain, format!("library/{rest}"));
    }
    (domain, rest.to_owned())
}

fn grammar() -> &'static Regex {
    static GRAMMAR: OnceLock<Regex> = OnceLock::new();
    GRAMMAR.get_or_init(|| {
        let label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
        let host = format!(r"(?:{label}(?:\.{label})*|\[(?:[a-fA-F0-9:]+)\])(?::[0-9]+)?");
        let component = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*";
        let tag = "[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}";
        let digest =
            "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
        Regex::new(&format!(
            "^(?<name>{host}/{component}(?:/{component})*)(?::(?<tag>{tag}))?(?:@(?<digest>{digest}))?$"
        ))
        .expect("the grammar is a regular expression")
    })
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    let length = match algorithm {
        "sha256" => 64,
        "sha384" => 96,
        "sha512" => 128,
        _ => return false,
    };
    hex.len() == length && hex.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_are_spelled_out() {
        let check = |image: &str, repository: &str, tag: &str| {
            let parsed = parse(image).unwrap();
            assert_eq!((parsed.repository.as_str(), parsed.tag.as_str()), (repository, tag));
        };
        check("nginx", "docker.io/library/nginx", "latest");
        check("team/app:v1", "docker.io/team/app", "v1");
        check("localhost/app", "localhost/app", "latest");
        check("registry:5000/a/b:1", "registry:5000/a/b", "1");
        check(&format!("a@sha256:{}", "0".repeat(64)), "docker.io/library/a", "");
    }

    #[test]
    fn what_is_no_reference_is_refused_and_not_latest() {
        for image in ["", "Nginx", "a b", "nginx:", "a@sha256:12", &"f".repeat(64)] {
            assert_eq!(parse(image), None, "{image}");
            assert!(!is_latest(image));
        }
    }
}
