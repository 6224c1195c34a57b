//! A node's disk: what is on it, and what the agent does when it fills up.
//!
//! Follows `pkg/kubelet/eviction` for the disk and `pkg/kubelet/images/image_gc_manager.go`, on a node that
//! has one disk for everything: images, containers' own files, logs and emptyDir volumes. When less than
//! 15 % of it is free at a tick of the eviction loop (10 s), images that no container uses are deleted; if
//! that is not enough, one pod is evicted, chosen by whether it has written more than it asked for, by
//! priority, and by how much more (`rankDiskPressureFunc`). The condition outlasts the pressure by five
//! minutes. Every five minutes, unused images go while 85 % or more is used, until 80 % is.
//!
//! What scripts write is counted where they have run, what is only told of programs grows evenly; the time at
//! which it is too much is computed. Simplified: files of a container go with its end, images that are on a
//! node from the start take no room. Left out: numbers of inodes, separate disks, soft thresholds.

use std::collections::BTreeSet;
use std::time::Duration;

use super::agent::Agent;
use super::desk::Desk;
use super::pressure::{self, TRANSITION, Uses};
use super::runtime::{Run, each};
use super::shared::Shared;
use super::text::binary_si;
use super::worker::{Life, Worker};
use crate::base::Str;
use crate::base::quantity::Quantity;
use crate::base::time::SimTime;
use crate::engine::Cx;
use crate::model::{Node, Pod, Uid};
use crate::trace::EventType;

/// The share that must be free (`imagefs.available`, 15 %), as the 32-bit float that upstream keeps it in:
/// so many parts of 2^25.
const THRESHOLD: i128 = 5_033_165;
/// An image that came less than this ago stays (`imageMinimumGCAge`).
const MINIMUM_AGE: Duration = Duration::from_mins(2);
/// Images go while this share is used, in per cent (`imageGCHighThresholdPercent`).
const HIGH: i64 = 85;
/// And until this one is (`imageGCLowThresholdPercent`).
const LOW: i64 = 80;

/// What of a node's disk is used.
#[derive(Clone, Debug, Default)]
pub(super) struct Disk {
    /// Its size in bytes; 0 where nobody says.
    capacity: i64,
    /// Bytes that pods have written.
    written: i64,
    /// What runs are told to write beside that.
    pub(super) told: Uses,
    /// When too little was free for the last time; `None` once that is long enough ago.
    met: Option<SimTime>,
    /// When the eviction loop acts next.
    acts_at: Option<SimTime>,
    /// When unused images are looked for next.
    collects_at: Option<SimTime>,
    /// What is used when the last look for images could not free enough: it is not said again.
    lamented: Option<i64>,
    /// Something has changed since it was last looked at.
    changed: bool,
}

impl Disk {
    /// The empty disk of a node.
    pub(super) fn of(node: &Node) -> Self {
        let status = node.rest.status.as_ref();
        let size = status.and_then(|s| s.capacity.as_ref()?.get("ephemeral-storage"));
        let size = size.and_then(|q| q.0.parse::<Quantity>().ok()).map_or(0, |q| q.value());
        Self { capacity: size.max(0), ..Self::default() }
    }

    /// What may be used before too little is free.
    fn allowed(&self) -> i64 {
        self.capacity - threshold(self.capacity)
    }

    /// Whether anything can be said of it.
    const fn is_known(&self) -> bool {
        self.capacity > 0
    }

    /// Whether too little is free, or was until lately.
    pub(super) const fn is_pressed(&self) -> bool {
        self.met.is_some()
    }

    /// When something is to be done next.
    pub(super) fn next_wake(&self) -> Option<SimTime> {
        self.acts_at.into_iter().chain(self.collects_at).min()
    }

    /// The agent starts anew: what it knew of pressure is gone.
    pub(super) fn crash(&mut self) {
        (self.met, self.acts_at, self.collects_at) = (None, None, None);
    }

    fn add(&mut self, bytes: i64) {
        self.written = self.written.saturating_add(bytes);
        // Far from being full nothing has to be computed.
        self.changed |= self.written > self.capacity / 2;
    }
}

/// The bytes of a disk that must be free (`GetThresholdQuantity`).
fn threshold(capacity: i64) -> i64 {
    i64::try_from((i128::from(capacity) * THRESHOLD) >> 25).unwrap_or(i64::MAX)
}

/// The order in which pods are evicted; the least goes first.
fn rank(pod: &Pod, used: i64) -> (bool, i32, i64) {
    let asked = pod.spec.requests.ephemeral_storage;
    (used <= asked, pod.spec.priority, asked.saturating_sub(used))
}

impl Worker {
    /// Counts anew what the pod has written.
    pub(super) fn count_written(&mut self, d: &mut Desk<'_, '_>) {
        if !d.node.disk.is_known() {
            return;
        }
        let bytes = self.written_now(d);
        if bytes != self.written {
            d.node.disk.add(bytes - self.written);
            self.written = bytes;
        }
    }

    /// The pod's files go.
    pub(super) fn forget_written(&mut self, d: &mut Desk<'_, '_>) {
        d.node.disk.add(-std::mem::take(&mut self.written));
    }

    fn written_now(&self, d: &Desk<'_, '_>) -> i64 {
        let own = self.bodies.iter().flatten().map(|b| b.written());
        let volumes = self.spec().wire.volumes.iter().flatten().filter(|v| {
            v.empty_dir.as_ref().is_some_and(|e| e.medium.as_deref() != Some("Memory"))
        });
        own.chain(volumes.map(|v| self.mounts.bytes_of(&v.name, d))).fold(0, i64::saturating_add)
    }
}

impl Agent {
    /// Computes when the disk is too full, if anything has changed about it.
    pub(super) fn look_at_disk(&mut self, now: SimTime) {
        let disk = &mut self.node.disk;
        let images = std::mem::take(&mut self.node.images.changed);
        let told = std::mem::take(&mut disk.told.changed);
        if (std::mem::take(&mut disk.changed) || told || images) && disk.is_known() {
            self.watch_disk(now);
        }
    }

    fn watch_disk(&mut self, now: SimTime) {
        let phases = self.node.phases;
        let fixed = self.node.disk.written.saturating_add(self.node.images.bytes());
        let disk = &mut self.node.disk;
        let soonest = now + Duration::from_nanos(1);
        let when = |most: i64| {
            let left = most.saturating_sub(fixed);
            if left < 0 { Some(soonest) } else { disk.told.first_over(left, soonest) }
        };
        let short = when(disk.allowed()).map(|at| phases.eviction_from(at));
        let relaxes = disk.met.map(|met| phases.eviction_from(met + TRANSITION));
        // Whole per cents are free, rounded down.
        let full = when(disk.capacity / 100 * (HIGH - 1)).map(|at| phases.images_from(at));
        disk.acts_at = short.into_iter().chain(relaxes).min();
        let said = disk.lamented.is_some_and(|used| used == fixed);
        disk.collects_at = full.filter(|_| !said);
    }

    fn used_of_disk(&self, now: SimTime) -> i64 {
        let disk = &self.node.disk;
        disk.written.saturating_add(self.node.images.bytes()).saturating_add(disk.told.total(now))
    }

    /// Frees room where too little is left, and notes when that is over.
    pub(super) fn relieve_disk(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        let due = |at: Option<SimTime>| at.is_some_and(|at| at <= cx.now);
        let (acts, collects) = (due(self.node.disk.acts_at), due(self.node.disk.collects_at));
        if !acts && !collects {
            return;
        }
        let was = self.node.disk.met;
        if acts && self.used_of_disk(cx.now) > self.node.disk.allowed() {
            self.node.disk.met = Some(cx.now);
            let text = "Attempting to reclaim ephemeral-storage";
            self.node_event(EventType::Warning, "EvictionThresholdMet", text, shared, cx);
            let available = self.node.disk.capacity - self.used_of_disk(cx.now);
            // Containers that have ended go first, and so use no image any more.
            let used = self.used_images(|run| run.exited().is_none());
            self.delete_images(&used, i64::MAX, cx.now);
            if self.used_of_disk(cx.now) > self.node.disk.allowed() {
                self.evict_for_disk(available, shared, cx);
            }
        } else if acts && was.is_some_and(|met| met + TRANSITION <= cx.now) {
            self.node.disk.met = None;
        }
        if was.is_some() != self.node.disk.met.is_some() {
            self.report_soon(self.node.phases.status_after(cx.now));
        }
        if collects {
            self.collect_images(shared, cx);
        }
        self.watch_disk(cx.now);
    }

    /// `GarbageCollect`, by the room that is left.
    fn collect_images(&mut self, shared: &mut Shared, cx: &mut Cx<'_>) {
        let capacity = self.node.disk.capacity;
        let available = capacity - self.used_of_disk(cx.now);
        let percent = 100 - i128::from(available.max(0)) * 100 / i128::from(capacity.max(1));
        let fixed = self.node.disk.written.saturating_add(self.node.images.bytes());
        self.node.disk.lamented = Some(fixed);
        if percent < i128::from(HIGH) {
            return;
        }
        let wanted = capacity / 100 * (100 - LOW) - available;
        let used = self.used_images(|_| true);
        let freed = self.delete_images(&used, wanted, cx.now);
        if freed < wanted {
            let size = shown(capacity);
            let text = format!(
                "Insufficient free disk space on the node's image filesystem ({percent}% of {size} used). \
                 Failed to free sufficient space by deleting unused images (freed {freed} bytes). \
                 Investigate disk usage, as it could be used by active images, logs, volumes, or other data."
            );
            self.node_event(EventType::Warning, "FreeDiskSpaceFailed", &text, shared, cx);
        }
    }

    /// The images of the runs that count.
    fn used_images(&self, counts: impl Fn(&Run) -> bool) -> BTreeSet<Str> {
        let runs = self.pods.values().flat_map(|w| w.worker.actual.runs.iter());
        let runs = runs.filter_map(|r| r.current.as_ref()).filter(|run| counts(run));
        runs.map(|run| run.image.full.clone()).collect()
    }

    /// Deletes images that are not used until so many bytes are free; answers with how many are.
    fn delete_images(&mut self, used: &BTreeSet<Str>, wanted: i64, now: SimTime) -> i64 {
        self.node.images.delete_unused(used, wanted, now, MINIMUM_AGE)
    }

    fn evict_for_disk(&mut self, available: i64, shared: &mut Shared, cx: &mut Cx<'_>) {
        let (told, now) = (&self.node.disk.told, cx.now);
        let candidates = self.pods.iter().filter(|(_, w)| {
            w.worker.life == Life::Syncing && !pressure::is_critical(&w.worker.pod)
        });
        let used = |uid: Uid, w: &Worker| w.written.saturating_add(told.of_pod(uid, now));
        let first =
            candidates.min_by_key(|(uid, w)| (rank(&w.worker.pod, used(**uid, &w.worker)), **uid));
        let Some(uid) = first.map(|(uid, _)| *uid) else { return };
        let spec = match self.worker(uid) {
            Some(worker) => std::sync::Arc::clone(&worker.pod.spec),
            None => return,
        };
        let Some(worker) = self.worker(uid) else { return };
        let of = each(&spec).map(|(n, c)| {
            (c.name.as_str(), worker.bytes_of_body(n, now), c.requests.ephemeral_storage)
        });
        let message = pressure::low(
            "ephemeral-storage",
            &binary_si(threshold(self.node.disk.capacity)),
            &binary_si(available.max(0)),
            of,
        );
        let mut desk = Desk { cx, node: &mut self.node, shared };
        if let Some(watched) = self.pods.get_mut(&uid) {
            watched.worker.evict(message, true, &mut desk);
        }
        self.run(uid, shared, cx);
    }
}

/// A size as `formatSize` writes it: `93.1 GiB`.
fn shown(bytes: i64) -> String {
    let (mut unit, mut name) = (1_i64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if bytes / unit < 1024 {
            break;
        }
        (unit, name) = (unit.saturating_mul(1024), next);
    }
    if unit == 1 {
        return format!("{bytes} B");
    }
    let tenths = (i128::from(bytes) * 10 + i128::from(unit) / 2) / i128::from(unit);
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::kubelet::Preloaded;
    use crate::kubelet::testing::Cluster;
    use crate::model::{ConditionStatus, Kind, Object, Phase};

    fn secs(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    /// A cluster of one node with a disk of this size.
    fn cluster(disk: &str) -> Cluster {
        Cluster::with_disk(disk)
    }

    fn pod(script: &str, more: &Value) -> Value {
        let mut spec = json!({"terminationGracePeriodSeconds": 1, "containers": [{"name": "main",
            "image": "busybox:1.36", "command": ["sh", "-c", script]}]});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    }

    fn pressure(c: &Cluster) -> bool {
        let node = c.store.get(Kind::Node, &crate::model::Key::new("", "node-1"));
        let Some(Object::Node(node)) = node else { return false };
        node.condition("DiskPressure").is_some_and(|c| c.status == ConditionStatus::True)
    }

    #[test]
    fn sizes_are_written_as_upstream_does() {
        let check = |bytes: i64, text: &str| assert_eq!(shown(bytes), text);
        check(1023, "1023 B");
        check(1536, "1.5 KiB");
        check(100 << 30, "100.0 GiB");
        check((5 << 40) + (1 << 39), "5.5 TiB");
    }

    #[test]
    fn the_threshold_is_what_a_float_makes_of_fifteen_per_cent() {
        assert_eq!(threshold(100 << 30), 16_106_128_000);
    }

    #[test]
    fn the_pod_that_has_written_most_is_evicted_when_the_disk_is_full() {
        let mut c = cluster("10Mi");
        let fill =
            |kib: u32| format!("dd if=/dev/zero of=/f bs=1k count={kib} 2>/dev/null; sleep 9999");
        c.pod("small", pod(&fill(1000), &json!({})));
        c.pod("large", pod(&fill(8000), &json!({})));
        c.run(secs(60));
        let story = c.story.join("\n");
        assert!(
            story.contains("EvictionThresholdMet: Attempting to reclaim ephemeral-storage"),
            "{story}"
        );
        let text = "Evicted: The node was low on resource: ephemeral-storage. Threshold quantity: 1536Ki, \
            available: 1240Ki. Container main was using 8000Ki, request is 0, has larger consumption of \
            ephemeral-storage. ";
        assert!(story.contains(text), "{story}");
        assert_eq!(c.get("large").unwrap().status.phase, Phase::Failed);
        assert_eq!(c.get("small").unwrap().status.phase, Phase::Running);
        assert!(pressure(&c), "{story}");
        c.pod("late", pod("sleep 9", &json!({})));
        c.run(secs(5));
        assert_eq!(
            c.get("late").unwrap().status.message,
            "Pod was rejected: The node had condition: [DiskPressure]. "
        );
        c.run(secs(400));
        assert!(!pressure(&c), "{:#?}", c.story);
    }

    #[test]
    fn what_is_told_to_grow_and_what_is_in_volumes_counts_too() {
        let mut c = cluster("10Mi");
        let volumes = json!({"volumes": [{"name": "v", "emptyDir": {}}]});
        let mut spec = pod("dd if=/dev/zero of=/v/f bs=1M count=2; sleep 9999", &volumes);
        spec["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
        c.pod("volume", spec);
        c.told("grower", &[("disk", "100Ki +100Ki/s")], pod("sleep 9999", &json!({})));
        c.run(secs(55));
        assert!(!c.story.join("\n").contains("Evicted"), "{:#?}", c.story);
        c.run(secs(30));
        assert_eq!(c.get("grower").unwrap().status.phase, Phase::Failed, "{:#?}", c.story);
        assert_eq!(c.get("volume").unwrap().status.phase, Phase::Running);
    }

    #[test]
    fn images_that_no_container_uses_go_before_any_pod_does() {
        let mut c = cluster("100Mi");
        c.kubelets.images_mut().preloaded = Preloaded::Nothing;
        c.kubelets.images_mut().size = 40 << 20;
        c.pod("old", json!({"containers": [{"name": "main", "image": "old:1"}]}));
        c.run(secs(10));
        c.delete("old", 1);
        c.run(secs(200));
        c.pod("new", pod("sleep 9999", &json!({})));
        c.run(secs(10));
        c.pod("next", json!({"containers": [{"name": "main", "image": "nginx:1.25"}]}));
        c.run(secs(60));
        let story = c.story.join("\n");
        assert!(story.contains("EvictionThresholdMet") && !story.contains("Evicted"), "{story}");
        c.run(secs(400));
        c.pod("again", json!({"containers": [{"name": "main", "image": "old:1"}]}));
        c.run(secs(10));
        let pulls =
            |c: &Cluster| c.story.iter().filter(|l| l.contains("Pulling image \"old:1\"")).count();
        assert_eq!(pulls(&c), 2, "{:#?}", c.story);
    }
}
