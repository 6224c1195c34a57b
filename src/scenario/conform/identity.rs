//! Who is who: every object gets a name without random parts, so that it can be found again in
//! the other trace.
//!
//! A Deployment's ReplicaSets are numbered as they come (`Deployment web/rs2`), so are a CronJob's
//! runs; pods with a random name belong to a group named after their owner (`Pod of Job fails`),
//! within which the pairing is free.

use std::collections::BTreeMap;

use super::life::Life;
use super::text::Names;
use super::trace_file::TraceFile;
use super::value::{field, shown, text};

/// Owners of owners are followed this far; real ones end after three.
const MAX_OWNERS: usize = 16;

/// The objects of a trace by name.
pub(super) struct Identities {
    /// One for each life, in the same order.
    of: Vec<Identity>,
    by_name: BTreeMap<(String, String), Vec<usize>>,
    /// What is random in the texts of this trace.
    pub(super) names: Names,
}

/// Who one object is.
#[derive(Default)]
pub(super) struct Identity {
    /// The name without random parts.
    pub(super) key: String,
    /// What it may be exchanged with; its key for everything but pods.
    pub(super) group: String,
    /// The life of its controller.
    pub(super) owner: Option<usize>,
}

impl Identities {
    /// Names every object of a trace.
    pub(super) fn of(file: &TraceFile) -> Self {
        let mut by_name: BTreeMap<(String, String), Vec<usize>> = BTreeMap::new();
        for (i, life) in file.lives.iter().enumerate() {
            by_name.entry((life.kind.to_string(), life.name.to_string())).or_default().push(i);
        }
        let by_uid: BTreeMap<&str, usize> = file
            .lives
            .iter()
            .enumerate()
            .filter_map(|(i, l)| Some((l.uid.as_deref()?, i)))
            .collect();
        let owner = |life: &Life| {
            let owner = life.owner.as_ref()?;
            let known = owner.uid.as_deref().and_then(|uid| by_uid.get(uid)).copied();
            known.or_else(|| {
                let same_name = by_name.get(&(owner.kind.clone(), owner.name.clone()))?;
                let before = |i: &&usize| file.lives[**i].born <= life.born + 0.5;
                same_name.iter().rfind(before).copied()
            })
        };
        let of = file
            .lives
            .iter()
            .map(|life| Identity { owner: owner(life), ..Identity::default() })
            .collect();
        let mut naming = Naming { file, of, seen: BTreeMap::new(), names: Names::default() };
        naming.name_all();
        let Naming { of, mut names, .. } = naming;
        for life in &file.lives {
            match life.kind.as_str() {
                "Pod" => {
                    let prefix = text(&life.first().meta, "generateName");
                    names.generated_from(prefix.unwrap_or_default());
                }
                "ReplicaSet" | "Job" | "DaemonSet" | "ReplicationController" => {
                    names.generated_from(&format!("{}-", life.name));
                }
                _ => {}
            }
        }
        Self { of, by_name, names }
    }

    /// Who the life number `life` is.
    pub(super) fn get(&self, life: usize) -> &Identity {
        &self.of[life]
    }

    /// The key of its controller, where the trace shows it.
    pub(super) fn owner_key(&self, life: usize) -> Option<&str> {
        self.of[life].owner.map(|o| self.of[o].key.as_str())
    }

    /// The key of what stands at the top of its owners; `None` when the trace shows no owner.
    pub(super) fn top_owner_key(&self, life: usize) -> Option<&str> {
        let mut top = self.of[life].owner?;
        for _ in 0..MAX_OWNERS {
            match self.of[top].owner {
                Some(next) => top = next,
                None => break,
            }
        }
        Some(&self.of[top].key)
    }

    /// The lives of a kind and name, in order.
    pub(super) fn named(&self, kind: &str, name: &str) -> &[usize] {
        self.by_name.get(&(kind.to_owned(), name.to_owned())).map_or(&[], Vec::as_slice)
    }
}

/// The naming while it goes on.
struct Naming<'a> {
    file: &'a TraceFile,
    of: Vec<Identity>,
    /// How many objects have had a base name so far.
    seen: BTreeMap<String, usize>,
    names: Names,
}

impl Naming<'_> {
    /// Owners come before what they own, and each kind in order of time.
    fn name_all(&mut self) {
        let rank = |kind: &str| match kind {
            "Deployment" => 0,
            "CronJob" => 1,
            "StatefulSet" => 2,
            "DaemonSet" => 3,
            "Service" => 4,
            "Job" => 5,
            "ReplicaSet" => 6,
            "Pod" => 8,
            _ => 7,
        };
        let lives = &self.file.lives;
        let mut order: Vec<usize> = (0..lives.len()).collect();
        order.sort_by(|&a, &b| {
            let (a, b) = (&lives[a], &lives[b]);
            rank(&a.kind).cmp(&rank(&b.kind)).then(a.born.total_cmp(&b.born))
        });
        for i in order {
            if lives[i].kind == "Pod" {
                self.name_pod(i);
            } else {
                let key = self.key(i);
                self.of[i].group.clone_from(&key);
                self.of[i].key = key;
            }
        }
    }

    fn key(&mut self, i: usize) -> String {
        let life = &self.file.lives[i];
        let owner = self.of[i].owner;
        let owner_kind = owner.map_or("", |o| self.file.lives[o].kind.as_str());
        match (life.kind.as_str(), owner) {
            ("ReplicaSet", Some(o)) if owner_kind == "Deployment" => {
                let key = self.numbered(o, "rs", i);
                if let Some(hash) = life.label("pod-template-hash") {
                    self.names.replace_if_new(hash, "HASH");
                }
                key
            }
            ("Job", Some(o)) if owner_kind == "CronJob" && self.is_run_of(i, o) => {
                self.numbered(o, "run", i)
            }
            ("EndpointSlice", _) => {
                let service = life.label("kubernetes.io/service-name");
                self.names.replace(&life.name, format!("{}-SLICE", service.unwrap_or("None")));
                format!("EndpointSlice {}", service.unwrap_or(&life.name))
            }
            ("ControllerRevision", _) => {
                let Some(owner) = &life.owner else {
                    return format!("ControllerRevision {}", life.name);
                };
                self.names.replace(&life.name, format!("{}-REVISION", owner.name));
                format!("ControllerRevision {}", owner.name)
            }
            (kind, _) => {
                let base = format!("{kind} {}", life.name);
                with_number(&base, self.count(&base))
            }
        }
    }

    /// The next ReplicaSet or run of an owner; its name in texts is the same without the kind.
    fn numbered(&mut self, owner: usize, what: &str, i: usize) -> String {
        let base = format!("{}/{what}", self.of[owner].key);
        let key = format!("{base}{}", self.count(&base));
        let to = key.split_once(' ').map_or(key.as_str(), |(_, name)| name);
        self.names.replace(&self.file.lives[i].name, to);
        key
    }

    /// Whether a Job's name is its CronJob's and a number.
    fn is_run_of(&self, job: usize, cron_job: usize) -> bool {
        let (job, cron_job) = (&self.file.lives[job].name, &self.file.lives[cron_job].name);
        let number = job.strip_prefix(cron_job.as_str()).and_then(|rest| rest.strip_prefix('-'));
        number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
    }

    fn name_pod(&mut self, i: usize) {
        let life = &self.file.lives[i];
        let generated = text(&life.first().meta, "generateName");
        let random = generated.filter(|_| !life.is_of("StatefulSet"));
        let base = match random {
            None => format!("Pod {}", life.name),
            Some(prefix) => self.base_of_random_pod(i, prefix),
        };
        let n = self.count(&base);
        self.of[i].key =
            if random.is_some() { format!("{base} no. {n}") } else { with_number(&base, n) };
        if random.is_some() {
            let owner_and_index = base
                .strip_prefix("Pod of ")
                .and_then(|rest| rest.split_once(' '))
                .map_or(base.as_str(), |(_, name)| name);
            self.names.replace(&life.name, format!("{owner_and_index}-POD"));
        }
        self.of[i].group = base;
    }

    fn base_of_random_pod(&self, i: usize, prefix: &str) -> String {
        let life = &self.file.lives[i];
        let of = match (&life.owner, self.of[i].owner) {
            (Some(owner), _) if owner.kind == "DaemonSet" => {
                return format!("Pod of DaemonSet {}", owner.name);
            }
            (_, Some(o)) if !self.of[o].key.is_empty() => self.of[o].key.clone(),
            (Some(owner), _) => format!("{} {}", owner.kind, owner.name),
            (None, _) => prefix.to_owned(),
        };
        completion_index(life)
            .map_or_else(|| format!("Pod of {of}"), |n| format!("Pod of {of} index {n}"))
    }

    fn count(&mut self, base: &str) -> usize {
        let n = self.seen.entry(base.to_owned()).or_default();
        *n += 1;
        *n
    }
}

fn with_number(base: &str, n: usize) -> String {
    if n > 1 { format!("{base}#{n}") } else { base.to_owned() }
}

/// The index of an Indexed Job's pod.
fn completion_index(life: &Life) -> Option<String> {
    let meta = &life.first().meta;
    ["annotations", "labels"].into_iter().find_map(|place| {
        let index = field(meta.get(place)?, "batch.kubernetes.io/job-completion-index")?;
        Some(shown(Some(index)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn added(t: f64, kind: &str, name: &str, meta: &Value, owner: Option<(&str, &str)>) -> String {
        let mut meta = meta.clone();
        meta["uid"] = json!(format!("uid-{name}-{t}"));
        if let Some((kind, name)) = owner {
            meta["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
        }
        json!({"t": t, "type": "ADDED", "kind": kind, "name": name, "metadata": meta}).to_string()
    }

    fn keys(lines: &[String]) -> Vec<String> {
        let file = TraceFile::from_lines(lines);
        Identities::of(&file).of.into_iter().map(|i| i.key).collect()
    }

    #[test]
    fn random_names_give_way_to_owners_and_numbers() {
        let none = json!({});
        let generated = json!({"generateName": "web-5c-"});
        let deployment = Some(("Deployment", "web"));
        let keys = keys(&[
            added(0.0, "Deployment", "web", &none, None),
            added(0.1, "ReplicaSet", "web-5c", &none, deployment),
            added(0.2, "Pod", "web-5c-aaaaa", &generated, Some(("ReplicaSet", "web-5c"))),
            added(0.3, "Pod", "web-5c-bbbbb", &generated, Some(("ReplicaSet", "web-5c"))),
            added(9.0, "ReplicaSet", "web-6d", &none, deployment),
        ]);
        assert_eq!(
            keys,
            [
                "Deployment web",
                "Deployment web/rs1",
                "Pod of Deployment web/rs1 no. 1",
                "Pod of Deployment web/rs1 no. 2",
                "Deployment web/rs2",
            ]
        );
    }

    #[test]
    fn the_pods_of_a_statefulset_keep_their_names() {
        let generated = json!({"generateName": "web-"});
        let owner = Some(("StatefulSet", "web"));
        let keys = keys(&[
            added(0.0, "Pod", "web-0", &generated, owner),
            added(5.0, "Pod", "web-0", &generated, owner),
        ]);
        assert_eq!(keys, ["Pod web-0", "Pod web-0#2"]);
    }

    #[test]
    fn an_indexed_pod_is_named_by_its_index() {
        let meta = json!({"generateName": "j-1-",
            "labels": {"batch.kubernetes.io/job-completion-index": "1"}});
        let keys = keys(&[
            added(0.0, "Job", "j", &json!({}), None),
            added(1.0, "Pod", "j-1-x7x2k", &meta, Some(("Job", "j"))),
        ]);
        assert_eq!(keys[1], "Pod of Job j index 1 no. 1");
    }

    #[test]
    fn a_cycle_of_owners_ends() {
        let file = TraceFile::from_lines([
            added(0.0, "Job", "a", &json!({}), Some(("Job", "b"))),
            added(0.0, "Job", "b", &json!({}), Some(("Job", "a"))),
        ]);
        assert!(Identities::of(&file).top_owner_key(0).is_some());
    }
}
