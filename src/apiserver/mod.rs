//! kube-apiserver: the only writer of the store.
//!
//! A request arrives, is admitted, validated and carried out at once, and gets its reply. Optimistic
//! concurrency is real: a stale `resourceVersion` is a 409. Components send compact objects; requests
//! from outside carry documents ([`crate::store::Request::Wire`]), which are decoded, defaulted and
//! validated first.
//!
//! Follows `k8s.io/apiserver/pkg/registry/generic/registry/store.go` for the life of objects, and the
//! kinds' strategies in `pkg/registry`. Left out: authentication, authorisation, priority and
//! fairness, and everything of etcd but its revisions.

mod admission;
mod create;
mod delete;
mod eviction;
mod job_status;
mod parts;
mod pods;
mod resize;
mod services;
mod update;
mod wire;

use std::net::Ipv4Addr;

use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::base::{Map, Set, Str};
use crate::engine::Call;
use crate::model::Object;
use crate::store::{ApiError, Reply, Request, Store};
use crate::trace::{Change, FactId, FactKind, Facts};

/// The API server.
#[derive(Clone, Debug)]
pub struct ApiServer {
    store: Store,
    rng: Rng,
    /// Admitted pod specs by the digest of the spec as asked for, and namespace.
    admitted: Map<(u64, Str), admission::Admitted>,
    cluster_ips: Set<Ipv4Addr>,
    node_ports: Set<u16>,
    /// Names generated at this instant.
    drawn: create::Drawn,
}

/// The context of one request.
struct Handling<'a> {
    now: SimTime,
    cause: FactId,
    facts: &'a mut Facts,
}

impl ApiServer {
    /// An empty server.
    pub fn new(rng: Rng) -> Self {
        Self {
            store: Store::default(),
            rng,
            admitted: Map::default(),
            cluster_ips: Set::default(),
            node_ports: Set::default(),
            drawn: create::Drawn::default(),
        }
    }

    /// The store, for whoever may look at the truth: the run loop, reports, kubectl.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The store, for the run loop to trim its logs.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }

    /// Carries out a request.
    ///
    /// # Errors
    /// The refusal, as the real server words it.
    pub fn handle(&mut self, call: Call, now: SimTime, facts: &mut Facts) -> Reply {
        let Call { from, token, cause, request } = call;
        let mut h = Handling { now, cause, facts };
        match request {
            Request::Get(target) => self.stored(&target).map(Some),
            Request::Create(object) => self.create(object, &mut h),
            Request::Update(object) => self.update(object, &mut h),
            Request::UpdateStatus(object) => self.update_status(&object, &mut h),
            Request::PodStatus { pod, uid, status } => self.pod_status(&pod, uid, *status, &mut h),
            Request::PodConditions { pod, uid, conditions, nominated_node } => {
                self.pod_conditions(&pod, uid, conditions, nominated_node, &mut h)
            }
            Request::PatchMeta { target, uid, changes } => {
                self.patch_meta(&target, uid, changes, &mut h)
            }
            Request::Bind { pod, uid, node } => self.bind(&pod, uid, &node, &mut h),
            Request::Lease { node, stopped } => self.lease(&node, stopped, &mut h),
            Request::Delete { target, options } => self.delete(&target, &options, &mut h),
            Request::DeleteCollection { kind, namespace, options } => {
                self.delete_collection(kind, &namespace, &options, &mut h)
            }
            Request::Evict { pod, options } => self.evict(&pod, &options, &mut h),
            Request::Wire { verb, target, body, subresource } => {
                self.wire(verb, &target, &body, subresource, &mut h)
            }
            // On a copy of the server, so that whatever a request does is undone with it.
            Request::DryRun(request) => {
                let call = Call { from, token, cause, request: *request };
                let mut tried = Facts::default();
                let reply = self.clone().handle(call, now, &mut tried);
                forward_warnings(&mut tried, h.facts);
                reply
            }
        }
    }

    /// Puts an object into the store as it was found in another cluster: its uid, times, status and
    /// bookkeeping are kept, nothing is admitted or defaulted. Its addresses are taken out of the pools.
    ///
    /// # Errors
    /// A Service whose address is taken.
    pub fn restore(&mut self, object: Object, now: SimTime, facts: &mut Facts) -> Reply {
        if let Object::Service(service) = &object {
            self.allocate_addresses(service)?;
        }
        let mut h = Handling { now, cause: FactId::NONE, facts };
        Ok(Some(self.commit(object, &mut h)))
    }

    /// Stores a version of an object and records the fact. The revision is stamped here.
    fn commit(&mut self, mut object: Object, h: &mut Handling<'_>) -> Object {
        object.meta_mut().resource_version = self.store.next_revision();
        let old = self.store.get(object.kind(), &object.key()).cloned();
        let change = if old.is_some() { Change::Modified } else { Change::Added };
        let fact = FactKind::Object { change, object: object.clone(), old };
        let id = h.facts.push(h.now, h.cause, fact);
        self.store.put(h.now, object.clone(), id);
        self.forget_admitted(&object);
        object
    }

    /// Removes an object and records the fact.
    fn remove(&mut self, mut last: Object, h: &mut Handling<'_>) -> Object {
        last.meta_mut().resource_version = self.store.next_revision();
        self.release_addresses(&last);
        let old = self.store.get(last.kind(), &last.key()).cloned();
        let fact = FactKind::Object { change: Change::Deleted, object: last.clone(), old };
        let id = h.facts.push(h.now, h.cause, fact);
        self.store.remove(h.now, last.clone(), id);
        self.forget_admitted(&last);
        last
    }

    /// The stored object, or 404.
    fn stored(&self, target: &crate::model::Ref) -> Result<Object, Box<ApiError>> {
        self.store
            .find(target)
            .cloned()
            .ok_or_else(|| ApiError::not_found(target.kind, bare_name(&target.key.name)))
    }
}

/// What a request that was only tried warns of is all that is left of it.
fn forward_warnings(tried: &mut Facts, facts: &mut Facts) {
    for fact in tried.take() {
        if let FactKind::Warned(_) = &fact.kind {
            facts.push(fact.at, fact.cause, fact.kind);
        }
    }
}

/// The name without the kind that keys of inert objects carry.
fn bare_name(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}
