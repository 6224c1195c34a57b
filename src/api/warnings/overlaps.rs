//! Files of one volume that lie on or in one another. After `pkg/api/pod/warnings.go`
//! (`warningsForOverlappingVirtualPaths`).

use crate::api::validate::{At, quote};

/// A file and what brings it; nothing where the volume has one source.
#[derive(Clone, PartialEq, Eq)]
struct File {
    path: String,
    source: String,
}

impl File {
    fn shown(&self) -> String {
        let path = quote(&self.path);
        if self.source.is_empty() { path } else { format!("{path} ({})", self.source) }
    }
}

/// The warnings about a pod's volumes.
pub(super) fn volumes(spec: &At<'_>, out: &mut Vec<String>) {
    for volume in spec.items("volumes") {
        let name = quote(volume.text("name"));
        for (field, said, naming) in [
            ("configMap", "ConfigMap", "name"),
            ("secret", "Secret", "secretName"),
            ("downwardAPI", "DownwardAPI", ""),
        ] {
            let source = volume.get(field);
            let said = match naming {
                "" => said.to_owned(),
                naming => format!("{said} {}", quote(source.text(naming))),
            };
            let mut before = Vec::new();
            for file in files(&source, "") {
                lay(file, &mut before, |clash| {
                    out.push(format!("volume {name} ({said}): overlapping paths: {clash}"));
                });
            }
        }
        projected(&volume, &name, out);
    }
}

fn projected(volume: &At<'_>, name: &str, out: &mut Vec<String>) {
    let mut before = Vec::new();
    for source in volume.get("projected").items("sources") {
        if source.fields().is_none_or(serde_json::Map::is_empty) {
            out.push(format!("volume {name} (Projected) has no sources provided"));
            continue;
        }
        let (config, secret) = (source.get("configMap"), source.get("secret"));
        let token = source.get("serviceAccountToken");
        let found = if config.has("items") {
            files(&config, &format!("ConfigMap {}", quote(config.text("name"))))
        } else if secret.has("items") {
            files(&secret, &format!("Secret {}", quote(secret.text("name"))))
        } else if source.get("downwardAPI").has("items") {
            files(&source.get("downwardAPI"), "DownwardAPI")
        } else if token.is_set() {
            vec![File { path: token.text("path").to_owned(), source: "ServiceAccountToken".into() }]
        } else {
            Vec::new()
        };
        for file in found {
            lay(file, &mut before, |clash| {
                out.push(format!("volume {name} (Projected): overlapping paths: {clash}"));
            });
        }
    }
}

fn files(of: &At<'_>, source: &str) -> Vec<File> {
    let file =
        |item: At<'_>| File { path: item.text("path").to_owned(), source: source.to_owned() };
    of.items("items").map(file).collect()
}

/// Lays a file beside the earlier ones, and tells where it does not fit.
fn lay(mut file: File, before: &mut Vec<File>, mut tell: impl FnMut(String)) {
    file.path.truncate(file.path.trim_end_matches('/').len());
    let inside = |a: &str, b: &str| format!("{a}/").starts_with(&format!("{b}/"));
    if !file.path.is_empty() {
        for other in before.iter().filter(|other| !other.path.is_empty()) {
            if inside(&other.path, &file.path) || inside(&file.path, &other.path) {
                tell(format!("{} with {}", file.shown(), other.shown()));
            }
        }
    }
    before.push(file);
}
