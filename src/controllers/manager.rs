//! kube-controller-manager as one component: shared informers, one lane per controller.

use super::lane::Tokens;
use super::view::View;
use crate::base::time::SimTime;
use crate::engine::{Answer, Component, Cx, WakeReason};
use crate::model::Kind;

/// The controllers.
#[derive(Clone, Debug, Default)]
pub struct Controllers {
    view: View,
    lanes: Lanes,
    /// How many requests were sent.
    sent: u64,
    now: SimTime,
}

/// When each lane is to run next, so that the many events that concern few lanes ask few of them.
#[derive(Clone, Debug)]
struct Agenda {
    /// The lanes that are to run at some time, one bit each.
    waiting: u64,
    /// What [`super::lane::Lane::due`] said last, by place.
    due: [SimTime; NAMES.len()],
}

impl Default for Agenda {
    fn default() -> Self {
        const { assert!(NAMES.len() <= 64, "a lane is a bit") };
        Self { waiting: 0, due: [SimTime::MAX; NAMES.len()] }
    }
}

impl Agenda {
    fn set(&mut self, lane: u8, due: SimTime) {
        let bit = 1 << lane;
        self.due[usize::from(lane)] = due;
        if due == SimTime::MAX {
            self.waiting &= !bit;
        } else {
            self.waiting |= bit;
        }
    }

    /// The lanes that are to run now, one bit each.
    fn due(&self, now: SimTime) -> u64 {
        let (mut waiting, mut due) = (self.waiting, 0);
        while waiting != 0 {
            let lane = Self::first(waiting);
            waiting &= waiting - 1;
            due |= u64::from(self.due[usize::from(lane)] <= now) << lane;
        }
        due
    }

    /// The first of the lanes in a set that is not empty.
    fn first(lanes: u64) -> u8 {
        lanes.trailing_zeros().to_le_bytes()[0]
    }

    /// When a lane is to run next, and which one is the first of those.
    fn next(&self, now: SimTime) -> Option<(SimTime, WakeReason)> {
        let mut first: Option<(SimTime, u8)> = None;
        let mut waiting = self.waiting;
        while waiting != 0 {
            let lane = Self::first(waiting);
            waiting &= waiting - 1;
            let at = self.due[usize::from(lane)].max(now);
            if first.is_none_or(|(f, _)| at < f) {
                first = Some((at, lane));
            }
        }
        first.map(|(at, lane)| (at, NAMES[usize::from(lane)]))
    }
}

/// One lane per controller. The list is closed: a controller is added here and nowhere else.
macro_rules! lanes {
    ($($(#[$doc:meta])* $field:ident: $controller:ty;)*) => {
        #[derive(Clone, Debug, Default)]
        struct Lanes {
            $($(#[$doc])* $field: super::lane::Lane<$controller>,)*
            agenda: Agenda,
        }

        /// The places of the lanes: each token tells whose it is.
        #[expect(non_camel_case_types, reason = "they are called as the lanes are")]
        enum Place { $($field,)* }

        /// The names of the lanes, by place.
        const NAMES: &[WakeReason] = &[$(stringify!($field),)*];

        impl Lanes {
            fn observe(&mut self, kind: Kind, delta: &crate::store::Delta<'_>, view: &View, now: SimTime) {
                $(
                    if const { <$controller as super::Controller>::HEARS }.holds(kind) {
                        self.$field.observe(kind, delta, view, now);
                        self.agenda.set(Place::$field as u8, self.$field.due());
                    }
                )*
            }

            /// Runs what is due, in the order of the lanes: what one does wakes no other.
            fn run(&mut self, view: &View, cx: &mut Cx<'_>, sent: &mut u64) {
                let mut due = self.agenda.due(cx.now);
                while due != 0 {
                    let lane = Agenda::first(due);
                    due &= due - 1;
                    $(if lane == Place::$field as u8 {
                        self.$field.run(view, cx, &mut Tokens { lane, sent });
                        self.agenda.set(lane, self.$field.due());
                        continue;
                    })*
                }
            }

            fn reply(&mut self, answer: Answer, view: &View, cx: &mut Cx<'_>, sent: &mut u64) {
                let lane = Tokens::lane(answer.token);
                $(if lane == Place::$field as u8 {
                    self.$field.reply(answer, view, cx, &mut Tokens { lane, sent });
                    return self.agenda.set(lane, self.$field.due());
                })*
            }
        }
    };
}

lanes! {
    /// Jobs.
    job: super::job::JobController;
    /// Pods that a Job left behind.
    job_orphans: super::job::JobOrphans;
    /// CronJobs.
    cron_job: super::cronjob::CronJobController;
    /// Jobs that go some time after they ended.
    ttl: super::ttl::TtlAfterFinished;
    /// Deployments.
    deployment: super::deployment::DeploymentController;
    /// ReplicaSets.
    replicaset: super::replicaset::ReplicaSetController;
    /// ReplicationControllers.
    replication: super::replicaset::ReplicationControllerController;
    /// DaemonSets.
    daemonset: super::daemonset::DaemonSetController;
    /// StatefulSets.
    statefulset: super::statefulset::StatefulSetController;
    /// Nodes that are not heard of, and taints.
    node_lifecycle: super::nodes::NodeLifecycleController;
    /// Pods that taints drive away.
    taint_eviction: super::nodes::TaintEvictionController;
    /// Pods of nodes that are gone.
    pod_gc: super::nodes::PodGcController;
    /// Dependents of owners that have gone.
    garbage: super::garbage::GarbageCollector;
    /// Claims and their volumes.
    volumes: super::volumes::PersistentVolumeController;
    /// Claims and volumes that are in use.
    protection: super::volumes::ProtectionController;
    /// Namespaces that go.
    namespaces: super::namespaces::NamespaceController;
    /// The account of every namespace.
    accounts: super::namespaces::ServiceAccountsController;
    /// The certificate authority in every namespace.
    root_ca: super::namespaces::RootCaPublisher;
    /// Disruption budgets.
    disruption: super::disruption::DisruptionController;
    /// What namespaces use of their quotas.
    quota: super::quota::ResourceQuotaController;
    /// Custom kinds that run as workloads.
    custom: super::custom::CustomWorkloads;
    /// Load balancers and Ingresses.
    cloud: super::cloud::CloudController;
    /// Autoscalers.
    horizontal: super::hpa::HorizontalController;
    /// The addresses behind Services.
    endpoints: super::endpoints::EndpointSliceController;
    /// The same in one object.
    legacy_endpoints: super::endpoints::EndpointsController;
    /// Endpoints that a user writes, as slices.
    mirrored_endpoints: super::endpoints::EndpointSliceMirroringController;
}

impl Controllers {
    /// The controllers of a cluster that stands in a cloud, or does not.
    pub fn new(cloud: bool) -> Self {
        let mut all = Self::default();
        all.lanes.cloud = super::lane::Lane::new(super::cloud::CloudController::new(cloud));
        all
    }

    /// What the controllers have heard.
    pub fn view(&self) -> &View {
        &self.view
    }
}

impl Component for Controllers {
    fn sync(&mut self, cx: &mut Cx<'_>) {
        self.now = cx.now;
        let lanes = &mut self.lanes;
        self.view.advance(cx.logs, cx.heard_until(), |view, kind, delta| {
            lanes.observe(kind, delta, view, cx.now);
        });
        self.lanes.run(&self.view, cx, &mut self.sent);
    }

    fn wake(&mut self, cx: &mut Cx<'_>) {
        self.now = cx.now;
        self.lanes.run(&self.view, cx, &mut self.sent);
    }

    fn reply(&mut self, answer: Answer, cx: &mut Cx<'_>) {
        self.now = cx.now;
        self.lanes.reply(answer, &self.view, cx, &mut self.sent);
        self.lanes.run(&self.view, cx, &mut self.sent);
    }

    fn next_wake(&self) -> Option<(SimTime, WakeReason)> {
        self.lanes.agenda.next(self.now)
    }
}
