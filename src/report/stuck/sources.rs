//! What pods refer to and does not exist: ConfigMaps, Secrets, keys, claims, accounts, classes; and claims
//! that get no volume.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::fix::{Change, Edit, step};
use super::look::Look;
use super::refusals::between;
use super::{Code, Fix, Reason};
use crate::api::suggest;
use crate::model::{Kind, Object, Pod, Ref};
use crate::report::timeline::name;

impl Look<'_> {
    /// An object that something waits for and that does not exist.
    pub(super) fn missing(&self, of: &Ref) -> Reason {
        if of.kind == Kind::Service {
            return Reason::Root(self.missing_service(of));
        }
        let mut fixes = Vec::new();
        if let Some(near) = self.near(of) {
            fixes.extend(self.users(of).first().map(|user| {
                let edit = Edit::Words {
                    object: user.clone(),
                    under: "/spec".to_owned(),
                    from: of.key.name.to_string(),
                    to: near.clone(),
                };
                Fix::new(
                    format!("say {near} instead of {} in {}", of.key.name, name(user)),
                    vec![edit],
                )
            }));
        }
        let metadata = match of.kind.namespaced() {
            true => json!({"name": of.key.name.as_str(), "namespace": of.key.namespace.as_str()}),
            false => json!({"name": of.key.name.as_str()}),
        };
        let mut document = json!({"apiVersion": of.kind.api_version(), "kind": of.kind.as_str(), "metadata": metadata});
        let mut with = String::new();
        let made = match of.kind {
            Kind::ConfigMap | Kind::Secret => {
                let keys = self.keys_asked(of);
                let field = if of.kind == Kind::Secret { "stringData" } else { "data" };
                let data = keys.iter().map(|k| (k.clone(), json!("…"))).collect();
                document[field] = Value::Object(data);
                if !keys.is_empty() {
                    with = format!(" with {}", keys.iter().cloned().collect::<Vec<_>>().join(", "));
                }
                true
            }
            Kind::ServiceAccount => true,
            Kind::PriorityClass => {
                document["value"] = json!(1000);
                true
            }
            Kind::StorageClass => {
                document["provisioner"] = json!("wavetank.dev/provisioner");
                true
            }
            Kind::PersistentVolumeClaim => {
                document["spec"] = json!({"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}});
                true
            }
            _ => false,
        };
        if made {
            fixes.push(Fix::new(format!("make {}{with}", name(of)), vec![Edit::Add(document)]));
        }
        let users = self.users(of);
        let who = users.first().map_or(String::new(), |u| format!(", and {} needs it", name(u)));
        Self::root(
            Code::MissingObject,
            of.clone(),
            format!("{} does not exist{who}", name(of)),
            fixes,
        )
    }

    /// Who refers to an object that does not exist, by the manifests that were written.
    fn users(&self, of: &Ref) -> Vec<Ref> {
        let wanted = of.key.name.as_str();
        let namespace = of.key.namespace.as_str();
        let mut found = BTreeSet::new();
        if of.kind == Kind::StorageClass {
            for claim in self.store.list(Kind::PersistentVolumeClaim) {
                if self.wire(claim)["spec"]["storageClassName"] == wanted {
                    found.insert(claim.reference());
                }
            }
        }
        for pod in self
            .pods()
            .filter(|p| !p.is_ready() && (namespace.is_empty() || p.meta.namespace == namespace))
        {
            if contains(&self.pod_spec(pod), wanted) {
                found.insert(self.source(pod).object);
            }
        }
        if found.is_empty() {
            let kinds =
                [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::Job, Kind::ReplicaSet];
            for object in kinds.iter().flat_map(|k| self.store.list(*k)) {
                let here = namespace.is_empty() || object.meta().namespace == namespace;
                if here
                    && object.meta().controller().is_none()
                    && contains(&self.wire(object)["spec"], wanted)
                {
                    found.insert(object.reference());
                }
            }
        }
        found.into_iter().collect()
    }

    /// The keys that pods ask for of a ConfigMap or Secret.
    fn keys_asked(&self, of: &Ref) -> BTreeSet<String> {
        let mut keys = BTreeSet::new();
        let (by_key, volume, named) = match of.kind {
            Kind::Secret => ("secretKeyRef", "secret", "secretName"),
            _ => ("configMapKeyRef", "configMap", "name"),
        };
        let is = |v: &Value, field: &str| v[field].as_str() == Some(of.key.name.as_str());
        for pod in self.pods().filter(|p| p.meta.namespace == of.key.namespace) {
            let spec = self.pod_spec(pod);
            for group in ["initContainers", "containers"] {
                for env in spec[group]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .flat_map(|c| c["env"].as_array().into_iter().flatten())
                {
                    let from = &env["valueFrom"][by_key];
                    if is(from, "name") {
                        keys.extend(from["key"].as_str().map(str::to_owned));
                    }
                }
            }
            for v in spec["volumes"].as_array().into_iter().flatten() {
                let projected = v["projected"]["sources"].as_array().into_iter().flatten();
                let of_source = projected.map(|s| &s[volume]).filter(|s| is(s, "name"));
                let whole = Some(&v[volume]).filter(|s| is(s, named));
                for item in whole
                    .into_iter()
                    .chain(of_source)
                    .flat_map(|s| s["items"].as_array().into_iter().flatten())
                {
                    keys.extend(item["key"].as_str().map(str::to_owned));
                }
            }
        }
        keys
    }

    /// What a message of the node agent says about an object that a container or a volume needs.
    pub(super) fn source_missing(&self, pod: &Pod, said: &str) -> Option<Reason> {
        let namespace = pod.meta.namespace.clone();
        for (word, kind) in [("configmap \"", Kind::ConfigMap), ("secret \"", Kind::Secret)] {
            if let Some(missing) = between(said, word, "\" not found") {
                let object = Ref::new(kind, namespace, missing);
                return Some(Reason::WaitsFor { object, why: String::new() });
            }
        }
        // The words of `env.rs` and of the kubelet: `couldn't find key k in ConfigMap ns/name`.
        if let Some(key) = between(said, "couldn't find key ", " in ") {
            let (kind, rest) = match said.split_once(" in Secret ") {
                Some((_, rest)) => (Kind::Secret, rest),
                None => (Kind::ConfigMap, said.split_once(" in ConfigMap ")?.1),
            };
            let of = rest.split('/').nth(1)?.split_whitespace().next()?;
            return Some(self.missing_key(pod, &Ref::new(kind, namespace, of), key));
        }
        for (word, kind) in [
            ("non-existent config key: ", Kind::ConfigMap),
            ("non-existent secret key: ", Kind::Secret),
        ] {
            if let Some((_, key)) = said.split_once(word) {
                let key = key.split_whitespace().next()?;
                let of = self.volume_with_key(pod, kind, key)?;
                return Some(self.missing_key(pod, &of, key));
            }
        }
        None
    }

    /// The object of a volume that wants a key.
    fn volume_with_key(&self, pod: &Pod, kind: Kind, key: &str) -> Option<Ref> {
        let (field, named) = match kind {
            Kind::Secret => ("secret", "secretName"),
            _ => ("configMap", "name"),
        };
        let spec = self.pod_spec(pod);
        spec["volumes"].as_array()?.iter().find_map(|v| {
            let has = v[field]["items"].as_array()?.iter().any(|i| i["key"] == key);
            let of = v[field][named].as_str().filter(|_| has)?;
            Some(Ref::new(kind, pod.meta.namespace.clone(), of))
        })
    }

    fn missing_key(&self, pod: &Pod, of: &Ref, key: &str) -> Reason {
        let object = self.store.find(of).map(|o| self.wire(o)).unwrap_or_default();
        let keys: Vec<&str> =
            object["data"].as_object().into_iter().flatten().map(|(k, _)| k.as_str()).collect();
        let source = self.source(pod);
        let mut fixes = Vec::new();
        if let Some(near) = suggest::nearest(key, keys.iter().copied()) {
            let edit = Edit::Words {
                object: source.object.clone(),
                under: source.spec.to_owned(),
                from: key.to_owned(),
                to: near.to_owned(),
            };
            fixes.push(Fix::new(
                format!("say {near} instead of {key} in {}", name(&source.object)),
                vec![edit],
            ));
        }
        let field = if of.kind == Kind::Secret { "stringData" } else { "data" };
        let changes = vec![Change::set(format!("/{field}/{}", step(key)), "…")];
        fixes.push(Fix::new(
            format!("give {} a key {key}", name(of)),
            vec![Edit::Manifest { object: of.clone(), changes }],
        ));
        let has = if keys.is_empty() { "nothing".to_owned() } else { keys.join(", ") };
        let text = format!("{} has no key {key}; it has {has}", name(of));
        Self::root(Code::MissingKey, of.clone(), text, fixes)
    }

    /// Why a claim gets no volume.
    pub(super) fn claim(&self, object: &Object) -> Vec<Reason> {
        let of = object.reference();
        let wire = self.wire(object);
        if wire["status"]["phase"] == "Bound" {
            return Vec::new();
        }
        let said = self.told.waits_for(object.meta().uid).unwrap_or_default();
        let classes: Vec<&Object> = self.store.list(Kind::StorageClass).collect();
        let named = wire["spec"]["storageClassName"].as_str();
        let class = named.and_then(|n| self.store.find(&Ref::new(Kind::StorageClass, "", n)));
        if let (Some(missing), None) = (named.filter(|n| !n.is_empty()), class) {
            let object = Ref::new(Kind::StorageClass, "", missing);
            return vec![Reason::WaitsFor { object, why: "to make its volume".to_owned() }];
        }
        let size = wire["spec"]["resources"]["requests"]["storage"].as_str().unwrap_or("1Gi");
        let modes = wire["spec"]["accessModes"].clone();
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": format!("{}-volume", of.key.name)},
            "spec": {"capacity": {"storage": size}, "accessModes": modes, "storageClassName": named.unwrap_or_default(),
                "hostPath": {"path": format!("/mnt/{}", of.key.name)}}});
        let make = Fix::new(
            format!("make a PersistentVolume of {size} for {}", name(&of)),
            vec![Edit::Add(volume)],
        );
        let (text, mut fixes) = match class {
            Some(class) => {
                let wire = self.wire(class);
                let first = wire["volumeBindingMode"] == "WaitForFirstConsumer";
                let used = self.pods().any(|p| {
                    p.meta.namespace == of.key.namespace
                        && contains(&self.pod_spec(p), &of.key.name)
                });
                if first && !used {
                    let text =
                        format!("{} waits for a pod that uses it, and there is none", name(&of));
                    return vec![Self::root(Code::UnboundClaim, of, text, Vec::new())];
                }
                let text =
                    format!("{} gets no volume of class {}: {said}", name(&of), class.meta().name);
                (text.trim_end_matches(": ").to_owned(), Vec::new())
            }
            None => {
                let why = if named == Some("") {
                    "names no storage class (\"\")"
                } else {
                    "has no storage class, and no class is the default"
                };
                let text = format!("{} {why}, and no volume fits it", name(&of));
                let mut names: Vec<&str> = classes.iter().map(|c| c.meta().name.as_str()).collect();
                names.sort_unstable();
                let set = names.iter().map(|class| {
                    let changes = vec![Change::set("/spec/storageClassName", *class)];
                    let edits = vec![Edit::Manifest { object: of.clone(), changes }];
                    Fix::new(
                        format!("set spec.storageClassName to {class} in {}", name(&of)),
                        edits,
                    )
                });
                (text, set.collect::<Vec<_>>())
            }
        };
        fixes.push(make);
        vec![Self::root(Code::UnboundClaim, of, text, fixes)]
    }
}

/// Whether a string stands somewhere in a document.
fn contains(value: &Value, text: &str) -> bool {
    match value {
        Value::String(s) => s == text,
        Value::Array(items) => items.iter().any(|v| contains(v, text)),
        Value::Object(fields) => fields.values().any(|v| contains(v, text)),
        _ => false,
    }
}
