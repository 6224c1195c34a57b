//! What an object is called: its kind, its key, its uid, its slot.

use std::fmt;

use crate::base::Str;

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $plural:literal, $group:literal, $version:literal, $namespaced:literal;)*) => {
        /// The kinds that the simulation knows; any other kind of object is [`Kind::Inert`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $($(#[$doc])* $name,)*
        }

        impl Kind {
            /// Every kind, in declaration order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The kind as manifests write it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// The plural resource name, such as `pods`.
            pub const fn plural(self) -> &'static str {
                match self { $(Self::$name => $plural,)* }
            }

            /// The API group; empty for the core group.
            pub const fn group(self) -> &'static str {
                match self { $(Self::$name => $group,)* }
            }

            /// The version in which v1.36 serves the kind.
            pub const fn version(self) -> &'static str {
                match self { $(Self::$name => $version,)* }
            }

            /// Whether its objects live in a namespace.
            pub const fn namespaced(self) -> bool {
                match self { $(Self::$name => $namespaced,)* }
            }

            /// `apps/v1`, or `v1` for the core group.
            pub const fn api_version(self) -> &'static str {
                match (self, self.group().is_empty()) {
                    $((Self::$name, true) => $version,)*
                    $((Self::$name, false) => concat!($group, "/", $version),)*
                }
            }
        }
    };
}

kinds! {
    /// A pod.
    Pod = "pods", "", "v1", true;
    /// A node.
    Node = "nodes", "", "v1", false;
    /// A job.
    Job = "jobs", "batch", "v1", true;
    /// A schedule of jobs.
    CronJob = "cronjobs", "batch", "v1", true;
    /// One pod per node.
    DaemonSet = "daemonsets", "apps", "v1", true;
    /// Pods with stable identities.
    StatefulSet = "statefulsets", "apps", "v1", true;
    /// A rolled-out set of like pods.
    Deployment = "deployments", "apps", "v1", true;
    /// A number of like pods.
    ReplicaSet = "replicasets", "apps", "v1", true;
    /// The older form of a ReplicaSet.
    ReplicationController = "replicationcontrollers", "", "v1", true;
    /// A kept revision of a StatefulSet or DaemonSet.
    ControllerRevision = "controllerrevisions", "apps", "v1", true;
    /// A stable name and address for pods.
    Service = "services", "", "v1", true;
    /// The addresses behind a Service.
    EndpointSlice = "endpointslices", "discovery.k8s.io", "v1", true;
    /// The addresses behind a Service, in one object.
    Endpoints = "endpoints", "", "v1", true;
    /// Configuration data.
    ConfigMap = "configmaps", "", "v1", true;
    /// Confidential data.
    Secret = "secrets", "", "v1", true;
    /// A piece of storage.
    PersistentVolume = "persistentvolumes", "", "v1", false;
    /// A claim on storage.
    PersistentVolumeClaim = "persistentvolumeclaims", "", "v1", true;
    /// A class of storage.
    StorageClass = "storageclasses", "storage.k8s.io", "v1", false;
    /// A limit on voluntary disruption.
    PodDisruptionBudget = "poddisruptionbudgets", "policy", "v1", true;
    /// An autoscaler.
    HorizontalPodAutoscaler = "horizontalpodautoscalers", "autoscaling", "v2", true;
    /// A namespace.
    Namespace = "namespaces", "", "v1", false;
    /// A limit on what a namespace uses.
    ResourceQuota = "resourcequotas", "", "v1", true;
    /// Defaults and bounds for what single objects use.
    LimitRange = "limitranges", "", "v1", true;
    /// A named priority.
    PriorityClass = "priorityclasses", "scheduling.k8s.io", "v1", false;
    /// An identity for pods.
    ServiceAccount = "serviceaccounts", "", "v1", true;
    /// Any other kind: kept, listed, deleted, but without behaviour.
    Inert = "", "", "", true;
}

impl Kind {
    /// How many kinds there are: the length of tables indexed by [`Kind::index`].
    pub const COUNT: usize = Self::ALL.len();

    /// The kind's place in [`Kind::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The kind named so in manifests, whatever its group; `None` for kinds without behaviour.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| *k != Self::Inert && k.as_str() == name)
    }

    /// `deployment.apps`, `pod`: as kubectl prefixes names.
    pub fn singular(self) -> String {
        let lower = self.as_str().to_ascii_lowercase();
        match self.group() {
            "" => lower,
            group => format!("{lower}.{group}"),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Characters of a UUID's text.
const UID_LENGTH: usize = 36;
/// Where in it the dashes are.
const UID_DASHES: [usize; 4] = [8, 13, 18, 23];

/// The hexadecimal digit that each byte is; [`u8::MAX`] for none.
const HEX_DIGITS: [u8; 256] = {
    let mut table = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 16 {
        table[b"0123456789abcdef"[digit] as usize] = digit.to_le_bytes()[0];
        table[b"0123456789ABCDEF"[digit] as usize] = digit.to_le_bytes()[0];
        digit += 1;
    }
    table
};

/// An object's unique id: a version 4 UUID in 128 bits. Ordered as its text is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Uid(u128);

impl Uid {
    /// The UUID made of 128 random bits, with the version and variant bits set.
    pub const fn from_random(bits: u128) -> Self {
        let bits = bits & !(0xf << 76) | (0x4 << 76);
        Self(bits & !(0x3 << 62) | (0x2 << 62))
    }

    /// The UUID that a text names (8-4-4-4-12 hexadecimal digits).
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: &[u8; UID_LENGTH] = text.as_bytes().try_into().ok()?;
        if UID_DASHES.iter().any(|place| bytes[*place] != b'-') {
            return None;
        }
        // Each group of digits for itself: uids are read often.
        let mut bits = 0_u128;
        let mut from = 0;
        for to in UID_DASHES.into_iter().chain([UID_LENGTH]) {
            let mut group = 0_u64;
            for byte in &bytes[from..to] {
                let digit = HEX_DIGITS[usize::from(*byte)];
                if digit > 0xf {
                    return None;
                }
                group = group << 4 | u64::from(digit);
            }
            bits = bits << (4 * (to - from)) | u128::from(group);
            from = to + 1;
        }
        Some(Self(bits))
    }

    /// The 128 bits.
    pub const fn bits(self) -> u128 {
        self.0
    }
}

impl fmt::Display for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'-'; UID_LENGTH];
        let mut digits = self.0.to_be_bytes().into_iter().flat_map(|b| [b >> 4, b & 0xf]);
        for (i, place) in text.iter_mut().enumerate() {
            if !UID_DASHES.contains(&i)
                && let Some(digit) = digits.next()
            {
                *place = b"0123456789abcdef"[usize::from(digit)];
            }
        }
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Uid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An object's place in the table of its kind. Reused after the object is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub u32);

impl Slot {
    /// The slot as an index.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A name within its namespace; the namespace is empty for cluster-wide kinds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Key {
    /// The namespace, or empty.
    pub namespace: Str,
    /// The name.
    pub name: Str,
}

impl Key {
    /// The key `namespace/name`.
    pub fn new(namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

/// An object by kind and key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ref {
    /// Its kind.
    pub kind: Kind,
    /// Its namespace and name.
    pub key: Key,
}

impl Ref {
    /// The object `namespace/name` of `kind`.
    pub fn new(kind: Kind, namespace: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self { kind, key: Key::new(namespace, name) }
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_is_a_version_4_uuid_and_sorts_as_its_text() {
        let a = Uid::from_random(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);
        assert_eq!(a.to_string(), "01234567-89ab-4def-8123-456789abcdef");
        assert_eq!(Uid::parse(&a.to_string()), Some(a));
        let b = Uid::from_random(0xf << 124);
        assert_eq!(a < b, a.to_string() < b.to_string());
        assert_eq!(Uid::parse("web"), None);
        assert_eq!(Uid::parse("01234567-89ab-4def-8123456-789abcdef"), None);
        assert_eq!(Uid::parse("+1234567-89ab-4def-8123-456789abcdef"), None);
    }

    #[test]
    fn kinds_know_their_names() {
        assert_eq!(Kind::Deployment.api_version(), "apps/v1");
        assert_eq!(Kind::Pod.api_version(), "v1");
        assert_eq!(Kind::from_name("EndpointSlice"), Some(Kind::EndpointSlice));
        assert_eq!(Kind::from_name("Ingress"), None);
        assert_eq!(Kind::Job.singular(), "job.batch");
        assert!(Kind::ALL.iter().enumerate().all(|(i, k)| k.index() == i));
    }
}
