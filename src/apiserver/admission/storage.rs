//! Claims and volumes.

use std::sync::Arc;

use super::super::ApiServer;
use crate::base::Str;
use crate::model::{Kind, Object, Whole, finalizers, wire};

/// Marks the default StorageClass.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

impl ApiServer {
    /// As the plugins DefaultStorageClass and StorageObjectInUseProtection.
    pub(in crate::apiserver) fn admit_claim(
        &self,
        claim: &mut Arc<Whole<wire::core::PersistentVolumeClaim>>,
    ) {
        let default = self.default_storage_class();
        let whole = Arc::make_mut(claim);
        if !whole.meta.has_finalizer(finalizers::PVC_PROTECTION) {
            whole.meta.finalizers.push(Str::new_static(finalizers::PVC_PROTECTION));
        }
        let body = Arc::make_mut(&mut whole.body);
        let spec = body.spec.get_or_insert_default();
        if spec.storage_class_name.is_none() {
            spec.storage_class_name = default.map(|name| name.to_string());
        }
        body.status.get_or_insert_default().phase = Some("Pending".to_owned());
    }

    /// As the plugin StorageObjectInUseProtection.
    pub(in crate::apiserver) fn admit_volume(
        volume: &mut Arc<Whole<wire::core::PersistentVolume>>,
    ) {
        let whole = Arc::make_mut(volume);
        if !whole.meta.has_finalizer(finalizers::PV_PROTECTION) {
            whole.meta.finalizers.push(Str::new_static(finalizers::PV_PROTECTION));
        }
        let body = Arc::make_mut(&mut whole.body);
        body.status.get_or_insert_default().phase = Some("Pending".to_owned());
    }

    /// The newest default class; of several the first by name
    /// (`pkg/volume/util`, `GetDefaultClass`).
    fn default_storage_class(&self) -> Option<Str> {
        let classes = self.store.list(Kind::StorageClass).map(Object::meta);
        let defaults =
            classes.filter(|m| m.annotations.get(DEFAULT_CLASS).is_some_and(|v| v == "true"));
        defaults
            .min_by(|a, b| b.created.cmp(&a.created).then_with(|| a.name.cmp(&b.name)))
            .map(|m| m.name.clone())
    }
}
