//! Claims and volumes.

use std::sync::Arc;

use super::super::ApiServer;
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::model::{Key, Kind, Object, Whole, finalizers, wire};
use crate::store::ApiError;

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

    /// As the plugin PersistentVolumeClaimResize: a claim may only grow while it is bound and where its
    /// class says so.
    pub(in crate::apiserver) fn admit_resize(
        &self,
        new: &Object,
        old: &Object,
    ) -> Result<(), Box<ApiError>> {
        let (Object::PersistentVolumeClaim(claim), Object::PersistentVolumeClaim(before)) =
            (new, old)
        else {
            return Ok(());
        };
        let size = |claim: &Whole<wire::core::PersistentVolumeClaim>| {
            let resources = claim.body.spec.as_ref()?.resources.as_ref()?;
            resources.requests.as_ref()?.get("storage")?.0.parse::<Quantity>().ok()
        };
        if size(claim) <= size(before) {
            return Ok(());
        }
        let refuse =
            |why| Err(ApiError::forbidden(Kind::PersistentVolumeClaim, &claim.meta.name, why));
        let phase = before.body.status.as_ref().and_then(|s| s.phase.as_deref());
        if phase != Some("Bound") {
            return refuse("Only bound persistent volume claims can be expanded");
        }
        let spec = claim.body.spec.as_ref();
        let class = spec.and_then(|s| s.storage_class_name.as_deref()).unwrap_or_default();
        let class = self.store.get(Kind::StorageClass, &Key::new("", class));
        let allows = matches!(class, Some(Object::StorageClass(c))
            if c.body.allow_volume_expansion == Some(true));
        if allows {
            return Ok(());
        }
        refuse(
            "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc \
             must support resize",
        )
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
