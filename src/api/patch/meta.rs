//! How the fields of the built-in types merge: the struct tags `patchStrategy` and `patchMergeKey` of
//! staging/src/k8s.io/api/*/types.go.

use crate::api::schema::{Shape, Struct};

/// How a field merges.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Strategy {
    /// The list is merged, not replaced: by `key`, or as a set of scalars.
    pub(super) merge: bool,
    /// The object is replaced, not merged.
    pub(super) replace: bool,
    /// Patches list the keys that stay.
    pub(super) retain_keys: bool,
    /// The key by which elements of a merged list are the same; empty for scalars.
    pub(super) key: &'static str,
}

/// The type of an object while a patch walks through it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    /// A struct, whose fields are known.
    Struct(&'static Struct),
    /// A map or anything else: what is in it merges plainly.
    Any,
}

impl Type {
    /// The type and the strategy of a field.
    ///
    /// # Errors
    /// A field that the type does not have.
    pub(super) fn field(self, name: &str) -> Result<(Self, Strategy), String> {
        let Self::Struct(of) = self else { return Ok((Self::Any, Strategy::default())) };
        let Some(shape) = of.field(name) else {
            let holder = of.go_name().rsplit('.').next().unwrap_or_default();
            return Err(format!(
                "unable to find api field in struct {holder} for the json field {name:?}"
            ));
        };
        Ok((below(shape), strategy(of, name)))
    }

    /// How the errors of upstream name the type.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Struct(of) => of.go_name().rsplit('.').next().unwrap_or_default(),
            Self::Any => "map",
        }
    }
}

fn below(shape: &Shape) -> Type {
    match shape.underlying() {
        Shape::Struct(id) => Type::Struct(id.get()),
        Shape::Pointer(to) | Shape::List(to) => below(to),
        Shape::String
        | Shape::Bool
        | Shape::Int32
        | Shape::Int64
        | Shape::Bytes
        | Shape::Time
        | Shape::MicroTime
        | Shape::Quantity
        | Shape::IntOrString
        | Shape::Raw
        | Shape::Map(_)
        | Shape::Named(..) => Type::Any,
    }
}

fn strategy(of: &Struct, name: &str) -> Strategy {
    let merge = |key| Strategy { merge: true, key, ..Strategy::default() };
    let holder = of.key.rsplit('.').next().unwrap_or_default();
    match (holder, name) {
        ("PodSpec", "volumes" | "resourceClaims") => {
            Strategy { retain_keys: true, ..merge("name") }
        }
        ("PodSpec", "initContainers" | "containers" | "ephemeralContainers")
        | ("PodSpec", "imagePullSecrets" | "schedulingGates")
        | ("ServiceAccount", "secrets")
        | ("CSINodeSpec", "drivers") => merge("name"),
        ("PodSpec", "hostAliases") | ("PodStatus", "hostIPs" | "podIPs") => merge("ip"),
        ("PodSpec", "topologySpreadConstraints") => merge("topologyKey"),
        ("PodStatus", "resourceClaimStatuses") => Strategy { retain_keys: true, ..merge("name") },
        ("Container" | "EphemeralContainer", "ports") => merge("containerPort"),
        ("Container" | "EphemeralContainer", "env") => merge("name"),
        ("Container" | "EphemeralContainer" | "ContainerStatus", "volumeMounts") => {
            merge("mountPath")
        }
        ("Container" | "EphemeralContainer", "volumeDevices") => merge("devicePath"),
        ("ContainerStatus", "allocatedResourcesStatus") => merge("name"),
        ("ServiceSpec", "ports") => merge("port"),
        ("NodeSpec", "podCIDRs") | ("ObjectMeta", "finalizers") => merge(""),
        ("NodeStatus", "addresses") => merge("type"),
        ("ObjectMeta", "ownerReferences") => merge("uid"),
        ("DeploymentSpec", "strategy") => Strategy { retain_keys: true, ..Strategy::default() },
        ("PodDisruptionBudgetSpec", "selector") => {
            Strategy { replace: true, ..Strategy::default() }
        }
        (holder, "conditions") if holder.ends_with("Status") => merge("type"),
        _ => Strategy::default(),
    }
}
