//! Pods.

use std::sync::Arc;

use super::super::{ApiServer, wire::refused};
use super::{early_name, limit_ranger};
use crate::api::convert;
use crate::api::convert::SERVICE_ACCOUNT_VOLUME;
use crate::api::registry;
use crate::base::Str;
use crate::model::{
    ConditionStatus, Key, Kind, Object, Phase, Pod, PodCondition, PodSpec, PodStatus, Whole,
    conditions, wire,
};
use crate::store::ApiError;

/// Where the service account's token is mounted.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// How long a pod stays on a node that is not ready or not reachable, unless it says otherwise.
const TOLERATION_SECONDS: i64 = 300;
/// The priority classes that every cluster has (`pkg/apis/scheduling`, `SystemPriorityClasses`).
const SYSTEM_CLASSES: [(&str, i32); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

/// What admission makes of the pods of a template in a namespace.
#[derive(Clone, Debug)]
pub(in crate::apiserver) struct Admitted {
    spec: Arc<PodSpec>,
    /// What LimitRanger notes on the pod; empty where it set nothing.
    limits_set: Str,
}

impl ApiServer {
    /// Admits a new pod.
    pub(in crate::apiserver) fn admit_pod(
        &mut self,
        pod: &mut Arc<Pod>,
    ) -> Result<(), Box<ApiError>> {
        let Admitted { spec, limits_set } = self.admitted(pod)?;
        let pod = Arc::make_mut(pod);
        pod.spec = spec;
        if !limits_set.is_empty() {
            pod.meta.annotations = pod.meta.annotations.with(limit_ranger::ANNOTATION, limits_set);
        }
        self.label_by_node(pod);
        pod.status = PodStatus { phase: Phase::Pending, ..PodStatus::default() };
        if !pod.spec.scheduling_gates.is_empty() {
            // As `podStrategy.PrepareForCreate`, `applySchedulingGatedCondition`.
            pod.status.conditions = [PodCondition {
                kind: conditions::POD_SCHEDULED.into(),
                status: ConditionStatus::False,
                reason: "SchedulingGated".into(),
                message: "Scheduling is blocked due to non-empty scheduling gates".into(),
                since: pod.meta.created,
                observed_generation: 0,
            }]
            .into();
        }
        Ok(())
    }

    /// Admission depends on objects of these kinds: what was worked out is forgotten when one changes.
    pub(in crate::apiserver) fn forget_admitted(&mut self, changed: &Object) {
        if matches!(
            changed.kind(),
            Kind::PriorityClass | Kind::LimitRange | Kind::ServiceAccount | Kind::Namespace
        ) {
            self.admitted.clear();
        }
    }

    /// What a template's pods become in a namespace.
    fn admitted(&mut self, pod: &Pod) -> Result<Admitted, Box<ApiError>> {
        let key = (pod.spec.digest, pod.meta.namespace.clone());
        if let Some(admitted) = self.admitted.get(&key) {
            return Ok(admitted.clone());
        }
        let mut spec = (*pod.spec.wire).clone();
        let ranges = self.limit_ranges(&pod.meta.namespace);
        let limits_set: Str = limit_ranger::set_defaults(&ranges, &mut spec).into();
        self.add_service_account(&mut spec, pod)?;
        self.resolve_priority(&mut spec, pod)?;
        add_default_tolerations(&mut spec);
        spec.enable_service_links.get_or_insert(true);
        let admitted = Admitted { spec: Arc::new(PodSpec::compile(spec)), limits_set };
        if !admitted.limits_set.is_empty() {
            check_again(pod, &admitted.spec)?;
        }
        if let Err(why) = limit_ranger::check_pod(&ranges, &admitted.spec.wire) {
            return Err(ApiError::forbidden(Kind::Pod, &pod.meta.name, &why));
        }
        self.admitted.insert(key, admitted.clone());
        Ok(admitted)
    }

    /// As the plugin ServiceAccount: the account, and its token as a volume of every container.
    /// The account must exist; that of every namespace, `default`, is waited for upstream until its
    /// controller has made it, and so counts as there.
    fn add_service_account(
        &self,
        spec: &mut wire::core::PodSpec,
        pod: &Pod,
    ) -> Result<(), Box<ApiError>> {
        let namespace = &pod.meta.namespace;
        let name = spec.service_account_name.get_or_insert_with(|| "default".to_owned()).clone();
        spec.service_account = Some(name.clone());
        let key = Key::new(namespace.clone(), name.as_str());
        let account = match self.store.get(Kind::ServiceAccount, &key) {
            Some(Object::ServiceAccount(account)) => Some(account),
            _ if name == "default" => None,
            _ => {
                let why = format!(
                    "error looking up service account {namespace}/{name}: serviceaccount {name:?} \
                     not found"
                );
                return Err(ApiError::forbidden(Kind::Pod, early_name(&pod.meta), &why));
            }
        };
        if spec.image_pull_secrets.as_ref().is_none_or(Vec::is_empty)
            && let Some(secrets) = account.and_then(|a| a.body.image_pull_secrets.clone())
        {
            spec.image_pull_secrets = Some(secrets);
        }
        let of_account = account.and_then(|a| a.body.automount_service_account_token);
        if !spec.automount_service_account_token.or(of_account).unwrap_or(true) {
            return Ok(());
        }
        let mut mounted = false;
        let init = spec.init_containers.iter_mut().flatten();
        for container in init.chain(&mut spec.containers) {
            let mounts = container.volume_mounts.get_or_insert_default();
            if !mounts.iter().any(|m| m.mount_path == TOKEN_PATH) {
                mounts.push(wire::core::VolumeMount {
                    name: SERVICE_ACCOUNT_VOLUME.to_owned(),
                    read_only: Some(true),
                    mount_path: TOKEN_PATH.to_owned(),
                    ..Default::default()
                });
                mounted = true;
            }
        }
        if mounted {
            spec.volumes.get_or_insert_default().push(token_volume());
        }
        Ok(())
    }

    /// As the plugin Priority.
    fn resolve_priority(
        &self,
        spec: &mut wire::core::PodSpec,
        pod: &Pod,
    ) -> Result<(), Box<ApiError>> {
        let (value, policy) = match spec.priority_class_name.as_deref() {
            Some(name) if !name.is_empty() => {
                let system = SYSTEM_CLASSES.iter().find(|(n, _)| *n == name);
                match (system, self.store.get(Kind::PriorityClass, &Key::new("", name))) {
                    (_, Some(Object::PriorityClass(c))) => {
                        (c.body.value.unwrap_or(0), c.body.preemption_policy.clone())
                    }
                    (Some((_, value)), _) => (*value, None),
                    _ => {
                        let why = format!("no PriorityClass with name {name} was found");
                        return Err(ApiError::forbidden(Kind::Pod, early_name(&pod.meta), &why));
                    }
                }
            }
            _ => match self.default_priority_class() {
                Some((name, value, policy)) => {
                    spec.priority_class_name = Some(name);
                    (value, policy)
                }
                None => (0, None),
            },
        };
        let policy = policy.unwrap_or_else(|| "PreemptLowerPriority".to_owned());
        let refuse = |why: String| Err(ApiError::forbidden(Kind::Pod, early_name(&pod.meta), &why));
        if let Some(given) = spec.priority.filter(|given| *given != value) {
            return refuse(format!(
                "the integer value of priority ({given}) must not be provided in pod spec; priority \
                 admission controller computed {value} from the given PriorityClass name"
            ));
        }
        if let Some(given) = spec.preemption_policy.as_ref().filter(|given| **given != policy) {
            return refuse(format!(
                "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; \
                 priority admission controller computed {policy} from the given PriorityClass name"
            ));
        }
        spec.priority = Some(value);
        spec.preemption_policy = Some(policy);
        Ok(())
    }

    /// As the plugin Priority: of all classes at most one is the default.
    pub(in crate::apiserver) fn admit_priority_class(
        &self,
        class: &Whole<wire::scheduling::PriorityClass>,
    ) -> Result<(), Box<ApiError>> {
        let other = self.default_priority_class().map(|(name, ..)| name);
        match other
            .filter(|name| class.body.global_default == Some(true) && class.meta.name != *name)
        {
            None => Ok(()),
            Some(name) => {
                let why = format!(
                    "PriorityClass {name} is already marked as default. Only one default can exist"
                );
                Err(ApiError::forbidden(Kind::PriorityClass, &class.meta.name, &why))
            }
        }
    }

    /// The class that pods without one take: of several global defaults the lowest.
    fn default_priority_class(&self) -> Option<(String, i32, Option<String>)> {
        let classes = self.store.list(Kind::PriorityClass).filter_map(|o| match o {
            Object::PriorityClass(c) if c.body.global_default == Some(true) => Some(c),
            _ => None,
        });
        classes.min_by_key(|c| c.body.value).map(|c| {
            let value = c.body.value.unwrap_or(0);
            (c.meta.name.to_string(), value, c.body.preemption_policy.clone())
        })
    }
}

/// Admission runs before validation: what it set is checked with the rest.
fn check_again(pod: &Pod, spec: &Arc<PodSpec>) -> Result<(), Box<ApiError>> {
    let admitted = Object::from(Pod { spec: Arc::clone(spec), ..pod.clone() });
    let document = convert::to_wire(&admitted).to_value();
    registry::check(&document).map_err(|refusal| refused(&admitted.reference(), refusal))
}

/// As the plugin DefaultTolerationSeconds.
fn add_default_tolerations(spec: &mut wire::core::PodSpec) {
    let keys = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
    let tolerations = spec.tolerations.get_or_insert_default();
    for key in keys {
        let tolerated = tolerations.iter().any(|t| {
            let all_keys = t.key.as_deref().unwrap_or_default().is_empty();
            let all_effects = t.effect.as_deref().unwrap_or_default().is_empty();
            (all_keys || t.key.as_deref() == Some(key))
                && (all_effects || t.effect.as_deref() == Some("NoExecute"))
        });
        if !tolerated {
            tolerations.push(wire::core::Toleration {
                key: Some(key.to_owned()),
                operator: Some("Exists".to_owned()),
                effect: Some("NoExecute".to_owned()),
                toleration_seconds: Some(TOLERATION_SECONDS),
                value: None,
            });
        }
    }
}

/// The token, the cluster's certificate authority and the namespace, projected.
fn token_volume() -> wire::core::Volume {
    let projections = serde_json::json!([
        {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{
            "path": "namespace",
            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
        }]}},
    ]);
    wire::core::Volume {
        name: SERVICE_ACCOUNT_VOLUME.to_owned(),
        projected: Some(wire::core::ProjectedVolumeSource {
            sources: serde_json::from_value(projections).expect("a constant of the right shape"),
            default_mode: Some(0o644),
        }),
        ..Default::default()
    }
}
