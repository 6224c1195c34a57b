//! Ingresses of the two old groups, and EndpointSlices of discovery.k8s.io/v1beta1.
//!
//! Follows pkg/apis/networking/v1beta1/conversion.go and pkg/apis/discovery/v1beta1/conversion.go.

use serde_json::{Map, Value, json};

use super::{Filled, rename};

pub(super) fn ingress(object: &mut Map<String, Value>, filled: &mut Filled) {
    let Some(spec) = object.get_mut("spec") else { return };
    rename(spec, "backend", "defaultBackend");
    if let Some(default) = spec.get_mut("defaultBackend") {
        backend(default);
    }
    let mut path_types = 0;
    for rule in spec.get_mut("rules").and_then(Value::as_array_mut).into_iter().flatten() {
        let paths = rule.get_mut("http").and_then(|http| http.get_mut("paths"));
        for path in paths.and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(one) = path.get_mut("backend") {
                backend(one);
            }
            let Some(path) = path.as_object_mut() else { continue };
            let kind = path.entry("pathType").or_insert(Value::Null);
            if kind.is_null() {
                *kind = "ImplementationSpecific".into();
                path_types += 1;
            }
        }
    }
    if path_types > 0 {
        filled.note("pathType: ImplementationSpecific, which is to be written today");
    }
}

/// `serviceName` and `servicePort` became `service.name` and `service.port.name` or `.number`.
fn backend(backend: &mut Value) {
    let Some(backend) = backend.as_object_mut() else { return };
    let name = backend.shift_remove("serviceName").filter(|name| !name.is_null());
    let port = backend.shift_remove("servicePort").filter(|port| !port.is_null());
    if name.is_none() && port.is_none() {
        return;
    }
    let mut service = Map::new();
    service.insert("name".into(), name.unwrap_or_else(|| "".into()));
    match port {
        Some(Value::String(name)) => service.insert("port".into(), json!({"name": name})),
        Some(number) => service.insert("port".into(), json!({"number": number})),
        None => None,
    };
    backend.insert("service".into(), service.into());
}

/// The zone has a field of its own, the rest of the topology is deprecated.
pub(super) fn endpoint_slice(object: &mut Map<String, Value>, _: &mut Filled) {
    for endpoint in object.get_mut("endpoints").and_then(Value::as_array_mut).into_iter().flatten()
    {
        let Some(endpoint) = endpoint.as_object_mut() else { continue };
        let Some(Value::Object(mut topology)) = endpoint.shift_remove("topology") else { continue };
        if let Some(zone) = topology.shift_remove("topology.kubernetes.io/zone") {
            endpoint.insert("zone".into(), zone);
        }
        let node = topology.get("kubernetes.io/hostname");
        if node.is_some() && node == endpoint.get("nodeName") {
            topology.shift_remove("kubernetes.io/hostname");
        }
        if !topology.is_empty() {
            endpoint.insert("deprecatedTopology".into(), topology.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backends_name_a_service() {
        let mut old = json!({"spec": {
            "backend": {"serviceName": "d", "servicePort": "http"},
            "rules": [{"http": {"paths": [{"path": "/", "backend": {"serviceName": "s", "servicePort": 80}}]}}],
        }});
        let mut filled = Filled::default();
        ingress(old.as_object_mut().unwrap(), &mut filled);
        assert_eq!(
            old,
            json!({"spec": {
                "defaultBackend": {"service": {"name": "d", "port": {"name": "http"}}},
                "rules": [{"http": {"paths": [{
                    "path": "/",
                    "pathType": "ImplementationSpecific",
                    "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}],
            }})
        );
        assert_eq!(filled.notes().len(), 1);
    }

    #[test]
    fn the_zone_leaves_the_topology() {
        let mut old = json!({"endpoints": [{"nodeName": "n", "topology": {
            "kubernetes.io/hostname": "n", "topology.kubernetes.io/zone": "z", "x": "y"}}]});
        endpoint_slice(old.as_object_mut().unwrap(), &mut Filled::default());
        assert_eq!(
            old,
            json!({"endpoints": [{"nodeName": "n", "zone": "z", "deprecatedTopology": {"x": "y"}}]})
        );
    }
}
