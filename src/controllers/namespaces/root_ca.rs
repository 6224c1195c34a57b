//! The ConfigMap with the cluster's certificate authority.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Namespace, concluded, is_in};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Kinds, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Labels, Meta, Object, Whole, wire};
use crate::store::{ApiError, Delta, Reply, Request};
use crate::trace::Change;

/// The name of the ConfigMap.
const NAME: &str = "kube-root-ca.crt";
/// What the simulated authority's certificate reads.
pub const ROOT_CA: &str = "-----BEGIN CERTIFICATE-----\nd2F2ZXRhbms=\n-----END CERTIFICATE-----\n";
/// The annotation of the ConfigMap, and what it says.
pub const ROOT_CA_DESCRIPTION: (&str, &str) = (
    "kubernetes.io/description",
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints \
     such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across \
     distributions of Kubernetes clusters.",
);

type ConfigMap = Whole<wire::core::ConfigMap>;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct RootCaPublisher;

impl Controller for RootCaPublisher {
    type Key = Str;
    type Work = ();

    const HEARS: Kinds = Kinds::of(&[Kind::Namespace, Kind::ConfigMap]);
    const NAME: &'static str = "root-ca-certificate-publisher";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        _view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Str>,
    ) {
        match (kind, delta.new) {
            (Kind::ConfigMap, object)
                if object.meta().name == NAME && delta.change != Change::Added =>
            {
                queue.add(object.meta().namespace.clone(), delta.fact);
            }
            (Kind::Namespace, Object::Namespace(namespace))
                if delta.change != Change::Deleted && is_in(namespace, "Active") =>
            {
                queue.add(namespace.meta.name.clone(), delta.fact);
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Str, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        // Upstream asks the server and takes its refusal; a namespace that is gone is known here.
        if cx.view.typed::<Namespace>(Kind::Namespace, &Key::new("", key.clone())).is_none() {
            return Step::done();
        }
        let map = cx.view.typed::<ConfigMap>(Kind::ConfigMap, &Key::new(key.clone(), NAME));
        match plan(key, map) {
            Some(request) => Step::ask(request, ()),
            None => Step::done(),
        }
    }

    fn resume(
        &mut self,
        _key: &Str,
        _work: (),
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<()> {
        concluded(&replies, ApiError::is_not_found)
    }
}

/// The request that makes the ConfigMap what it should be; none when it is.
fn plan(namespace: &Str, map: Option<&Arc<ConfigMap>>) -> Option<Request> {
    let data = BTreeMap::from([("ca.crt".to_owned(), ROOT_CA.to_owned())]);
    let (key, text) = ROOT_CA_DESCRIPTION;
    let Some(map) = map else {
        let meta = Meta {
            annotations: Labels::from([(key, text)]),
            ..Meta::named(namespace.clone(), NAME)
        };
        let body = wire::core::ConfigMap { data: Some(data), ..Default::default() };
        return Some(Request::Create(ConfigMap { meta, body: Arc::new(body) }.into()));
    };
    let described = map.meta.annotations.get(key).is_some_and(|d| !d.is_empty());
    // Whatever authority stands there will do: it may come from the dump of a real cluster.
    let has_one = map.body.data.as_ref().is_some_and(|d| d.contains_key("ca.crt"));
    if described && has_one {
        return None;
    }
    let mut new = ConfigMap::clone(map);
    new.meta.annotations = new.meta.annotations.with(key, text);
    Arc::make_mut(&mut new.body).data = Some(data);
    Some(Request::Update(new.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_was_made_is_left_alone_and_a_changed_one_put_right() {
        let namespace = Str::new_static("shop");
        let Some(Request::Create(Object::ConfigMap(made))) = plan(&namespace, None) else {
            panic!("it is made")
        };
        assert!(plan(&namespace, Some(&made)).is_none());
        let mut spoilt = ConfigMap::clone(&made);
        Arc::make_mut(&mut spoilt.body).data = None;
        let Some(Request::Update(Object::ConfigMap(again))) =
            plan(&namespace, Some(&Arc::new(spoilt)))
        else {
            panic!("it is put right")
        };
        assert_eq!(again.body, made.body);
    }
}
