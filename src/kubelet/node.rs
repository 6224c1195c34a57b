//! What the pods of one node share: its clocks, images, addresses and numbers.

use std::net::Ipv4Addr;
use std::time::Duration;

use super::disk::Disk;
use super::images::NodeImages;
use super::pressure::Uses;
use super::probes::next_tick;
use crate::base::Str;
use crate::base::rng::Rng;
use crate::base::time::SimTime;
use crate::engine::Cx;
use crate::model::{Node, Slot};

/// The agent's loops run in fixed periods; where in them a given node stands is drawn when its agent
/// starts. No loop is an event: what it would notice is computed from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phases {
    /// Relists of the container runtime (`pkg/kubelet/pleg`).
    relist: SimTime,
    /// Looks at pods whose sync is due (`syncLoop`, 1 s).
    sync: SimTime,
    /// Full comparisons of statuses with the API server's (`syncPeriod`, 10 s).
    status: SimTime,
    /// Renewals of the node's lease (10 s).
    lease: SimTime,
    /// Looks at what pods use too much of (`monitoringInterval`, 10 s).
    eviction: SimTime,
    /// Looks for images that nobody uses (`ImageGCPeriod`, 5 min).
    images: SimTime,
    /// Looks for volumes to mount or unmount (`reconcilerLoopSleepPeriod`, 100 ms).
    volumes: SimTime,
}

const SYNC_TICK: Duration = Duration::from_secs(1);
const STATUS_TICK: Duration = Duration::from_secs(10);
const LEASE_TICK: Duration = Duration::from_secs(10);
const EVICTION_TICK: Duration = Duration::from_secs(10);
const IMAGES_TICK: Duration = Duration::from_mins(5);
const VOLUME_TICK: Duration = Duration::from_millis(100);

impl Phases {
    /// The phases of the agent of `node` that starts at `now`, for the `boot`-th time.
    pub(super) fn draw(rng: Rng, node: &str, boot: u64, now: SimTime) -> Self {
        let mut stream = rng.numbered_stream("kubelet-phases", node, boot);
        // As if the loops had been running for a while: the first tick is up to a period away.
        let mut begin = |period: Duration| now - stream.up_to(period);
        Self {
            relist: begin(Duration::from_secs(1)),
            sync: begin(SYNC_TICK),
            status: begin(STATUS_TICK),
            lease: begin(LEASE_TICK),
            volumes: begin(VOLUME_TICK),
            eviction: begin(EVICTION_TICK),
            images: begin(IMAGES_TICK),
        }
    }

    /// The first relist after `at`.
    pub(super) fn relist_after(self, at: SimTime, period: Duration) -> SimTime {
        after(self.relist, period, at)
    }

    /// The first look at due pods at `at` or later.
    pub(super) fn sync_from(self, at: SimTime) -> SimTime {
        next_tick(self.sync, SYNC_TICK, at)
    }

    /// The first full comparison of statuses after `at`.
    pub(super) fn status_after(self, at: SimTime) -> SimTime {
        after(self.status, STATUS_TICK, at)
    }

    /// When the lease was last renewed at `at`.
    pub(super) fn lease_before(self, at: SimTime) -> SimTime {
        after(self.lease, LEASE_TICK, at) - LEASE_TICK
    }

    /// The first tick of the eviction loop at `at` or later.
    pub(super) fn eviction_from(self, at: SimTime) -> SimTime {
        next_tick(self.eviction, EVICTION_TICK, at)
    }

    /// The first look for images that nobody uses at `at` or later.
    pub(super) fn images_from(self, at: SimTime) -> SimTime {
        next_tick(self.images, IMAGES_TICK, at)
    }

    /// The first look for volumes after `at`.
    pub(super) fn volumes_after(self, at: SimTime) -> SimTime {
        after(self.volumes, VOLUME_TICK, at)
    }
}

fn after(base: SimTime, period: Duration, at: SimTime) -> SimTime {
    next_tick(base, period, at + Duration::from_nanos(1))
}

/// One node, as its agent's pods share it.
#[derive(Clone, Debug)]
pub(super) struct NodeState {
    /// Its name.
    pub(super) name: Str,
    /// Its place in the table of nodes.
    pub(super) slot: Slot,
    /// Its address.
    pub(super) address: Option<Ipv4Addr>,
    /// Where its loops stand.
    pub(super) phases: Phases,
    /// Its images.
    pub(super) images: NodeImages,
    /// What runs use of its memory.
    pub(super) uses: Uses,
    /// What is on its disk.
    pub(super) disk: Disk,
    /// Signals between containers of its pods: in which instant, and how many.
    pub(super) signals: (SimTime, u32),
    /// How far its clock is off.
    pub(super) skew: super::disturbances::Skew,
    /// How often its agent has started before.
    pub(super) boots: u64,
    runs: u32,
    network: Ipv4Addr,
    last_host: u8,
    /// Which of the range's addresses are taken, by their last byte.
    taken: [u64; 4],
}

impl NodeState {
    /// A node whose agent starts now; `runs` were numbered in its slot before.
    pub(super) fn new(node: &Node, slot: Slot, runs: u32, cx: &Cx<'_>) -> Self {
        let network = node.pod_cidr.split('/').next().and_then(|a| a.parse().ok());
        Self {
            name: node.meta.name.clone(),
            slot,
            address: node.internal_ip,
            phases: Phases::draw(cx.rng, &node.meta.name, 0, cx.now),
            images: NodeImages::default(),
            uses: Uses::default(),
            disk: Disk::of(node),
            signals: (SimTime::ZERO, 0),
            skew: super::disturbances::Skew::default(),
            boots: 0,
            runs,
            network: network.unwrap_or(Ipv4Addr::new(10, 244, 0, 0)),
            last_host: 1,
            taken: FREE,
        }
    }

    /// How many runs of containers were numbered.
    pub(super) const fn runs(&self) -> u32 {
        self.runs
    }

    /// The number of a new run of a container, unique in the simulation.
    pub(super) fn new_run(&mut self) -> u64 {
        self.runs += 1;
        u64::from(self.slot.0 + 1) << 32 | u64::from(self.runs)
    }

    /// The address of a new pod: the next free one of the node's range, going round; `None` when all
    /// are taken.
    pub(super) fn take_address(&mut self) -> Option<Ipv4Addr> {
        for _ in 0..256 {
            self.last_host = self.last_host.wrapping_add(1);
            let (word, bit) = place(self.last_host);
            if self.taken[word] & bit == 0 {
                self.taken[word] |= bit;
                let host = u32::from(self.last_host);
                return Some(Ipv4Addr::from(u32::from(self.network).saturating_add(host)));
            }
        }
        None
    }

    /// Takes an address that a pod has already; one of another range is none of the node's.
    pub(super) fn reserve_address(&mut self, address: Ipv4Addr) {
        if let Some((word, bit)) = self.place_of(address) {
            self.taken[word] |= bit;
        }
    }

    /// Nothing runs any more: all addresses are free.
    pub(super) fn free_all_addresses(&mut self) {
        self.taken = FREE;
    }

    /// Gives a pod's address back.
    pub(super) fn free_address(&mut self, address: Ipv4Addr) {
        if let Some((word, bit)) = self.place_of(address) {
            self.taken[word] &= !bit;
        }
    }

    fn place_of(&self, address: Ipv4Addr) -> Option<(usize, u64)> {
        let host = u32::from(address).wrapping_sub(u32::from(self.network));
        let host = u8::try_from(host).ok().filter(|host| (2..255).contains(host))?;
        Some(place(host))
    }
}

/// The network's own address, the gateway's and the broadcast address are never given away.
const FREE: [u64; 4] = [0b11, 0, 0, 1 << 63];

const fn place(host: u8) -> (usize, u64) {
    (host as usize / 64, 1 << (host % 64))
}
