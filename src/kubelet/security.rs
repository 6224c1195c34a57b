//! What a security context asks of a container before it is made.
//!
//! Follows `pkg/kubelet/kuberuntime/security_context.go` (`verifyRunAsNonRoot`) and `pkg/securitycontext`
//! (`DetermineEffectiveSecurityContext`): users, groups and the refusal to run as root. Left out:
//! capabilities, privileges, profiles, and groups of volumes.

use super::env::wire_container;
use super::images::Image;
use super::runtime::Nth;
use crate::base::Str;
use crate::container::{ImageUser, image_user};
use crate::model::{Pod, PodSpec};

/// As whom a container runs: user and group.
pub(super) fn ids(spec: &PodSpec, n: Nth, image: &Image) -> (u32, u32) {
    let own = wire_container(spec, n).and_then(|c| c.security_context.as_ref());
    let of_pod = spec.wire.security_context.as_ref();
    let pick = |own: Option<i64>, of_pod: Option<i64>| {
        own.or(of_pod).and_then(|id| u32::try_from(id).ok())
    };
    let user = pick(own.and_then(|s| s.run_as_user), of_pod.and_then(|s| s.run_as_user));
    let group = pick(own.and_then(|s| s.run_as_group), of_pod.and_then(|s| s.run_as_group));
    let of_image = match image_user(&image.written) {
        ImageUser::Number(id) => id,
        ImageUser::Name(_) => 100,
        ImageUser::Unknown => 0,
    };
    (user.unwrap_or(of_image), group.unwrap_or(0))
}

/// Whether a container may run as the user it would run as.
///
/// # Errors
/// Why it may not (`CreateContainerConfigError`). `pod_name` makes `name_namespace(uid)`.
pub(super) fn may_run(
    pod: &Pod,
    n: Nth,
    image: &Image,
    pod_name: impl FnOnce() -> String,
) -> Result<Verdict, String> {
    let Some(c) = wire_container(&pod.spec, n) else { return Ok(Verdict::Sure) };
    let (own, of_pod) = (c.security_context.as_ref(), pod.spec.wire.security_context.as_ref());
    let non_root = own.and_then(|s| s.run_as_non_root).or(of_pod.and_then(|s| s.run_as_non_root));
    if non_root != Some(true) {
        return Ok(Verdict::Sure);
    }
    let place = format!("(pod: {:?}, container: {})", pod_name(), c.name);
    match own.and_then(|s| s.run_as_user).or(of_pod.and_then(|s| s.run_as_user)) {
        Some(0) => return Err(format!("container's runAsUser breaks non-root policy {place}")),
        Some(_) => return Ok(Verdict::Sure),
        None => {}
    }
    match image_user(&image.written) {
        ImageUser::Number(0) => {
            Err(format!("container has runAsNonRoot and image will run as root {place}"))
        }
        ImageUser::Number(_) => Ok(Verdict::Sure),
        ImageUser::Name(user) => Err(format!(
            "container has runAsNonRoot and image has non-numeric user ({user}), cannot verify user is \
             non-root {place}"
        )),
        ImageUser::Unknown => Ok(Verdict::Assumed(
            "image is not known: its user is assumed to be a number other than 0, as runAsNonRoot asks"
                .into(),
        )),
    }
}

/// How sure it is that a container may run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may.
    Sure,
    /// It may if this is so.
    Assumed(Str),
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Value, json};

    use super::*;
    use crate::kubelet::images::Images;
    use crate::kubelet::testing::pod_of;

    #[test]
    fn a_container_that_must_not_be_root_is_refused_where_it_would_be() {
        let check = |image: &str, of_pod: Value, own: Value, expect: Result<bool, &str>| {
            let mut pod = pod_of("main");
            let spec = json!({"securityContext": of_pod,
                "containers": [{"name": "main", "image": image, "securityContext": own}]});
            pod.spec = Arc::new(PodSpec::compile(serde_json::from_value(spec).unwrap()));
            let image = Images::default().named(&image.into()).unwrap();
            let told = may_run(&pod, Nth(0), &image, || "p_default(1)".to_owned())
                .map(|v| v == Verdict::Sure);
            let expect =
                expect.map_err(|text| format!("{text} (pod: \"p_default(1)\", container: main)"));
            assert_eq!(told, expect, "{image:?}");
        };
        let non_root = || json!({"runAsNonRoot": true});
        let root = "container has runAsNonRoot and image will run as root";
        check("busybox", json!({}), json!({}), Ok(true));
        check("busybox", non_root(), json!({}), Err(root));
        check("busybox", non_root(), json!({"runAsNonRoot": false}), Ok(true));
        check("busybox", non_root(), json!({"runAsUser": 1000}), Ok(true));
        check("busybox", json!({"runAsUser": 1000}), non_root(), Ok(true));
        check(
            "busybox",
            json!({"runAsUser": 1000}),
            json!({"runAsUser": 0, "runAsNonRoot": true}),
            Err("container's runAsUser breaks non-root policy"),
        );
        check("nginx:1.27", json!({}), non_root(), Err(root));
        check("nginxinc/nginx-unprivileged:1.27", json!({}), non_root(), Ok(true));
        check(
            "memcached",
            json!({}),
            non_root(),
            Err("container has runAsNonRoot and image has \
            non-numeric user (memcache), cannot verify user is non-root"),
        );
        check("example.com/app:1", json!({}), non_root(), Ok(false));
    }
}
