//! Volume sources within a description: of pods and of persistent volumes.
//!
//! Follows `describeVolumes` and the functions `print…VolumeSource`. Most sources are a title and some
//! lines, and so an entry of a table.

use serde_json::Value;

use super::super::printers::cells::{has, items, text};
use super::containers::Place;
use super::page::{MAX_ANNOTATION, Page, bracketed, on, pairs, plain, put, texts};

/// How a field of a source is printed.
#[derive(Clone, Copy)]
enum Show {
    /// A text or a number; this one where there is none.
    Plain(&'static str),
    /// `true` or `false`.
    Flag,
    /// `[a b]`.
    List,
    /// `a, b`.
    Joined,
    /// `map[a:1]`.
    Map,
    /// A reference as Go prints a pointer to it, with these fields.
    Reference(&'static [(&'static str, &'static str)]),
    /// An amount, where it is more than nothing.
    Amount,
}

use Show::{Amount, Flag, Joined, List, Map, Plain, Reference};

/// A title, its field and how that is printed.
type Row = (&'static str, &'static str, Show);

/// One kind of source: its field, its description, its lines.
type Source = (&'static str, &'static str, &'static [Row]);

const TEXT: Show = Plain("");
const NUMBER: Show = Plain("0");
const LOCAL: Show = Reference(&[("Name", "/name")]);
const SECRET: Show = Reference(&[("Name", "/name"), ("Namespace", "/namespace")]);

const FS: Row = ("FSType:", "/fsType", TEXT);
const READ_ONLY: Row = ("ReadOnly:", "/readOnly", Flag);

/// Sources that pods and persistent volumes have alike.
const SHARED: &[Source] = &[
    (
        "hostPath",
        "HostPath (bare host directory volume)",
        &[("Path:", "/path", TEXT), ("HostPathType:", "/type", Plain("<none>"))],
    ),
    (
        "gcePersistentDisk",
        "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
        &[("PDName:", "/pdName", TEXT), FS, ("Partition:", "/partition", NUMBER), READ_ONLY],
    ),
    (
        "awsElasticBlockStore",
        "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
        &[("VolumeID:", "/volumeID", TEXT), FS, ("Partition:", "/partition", NUMBER), READ_ONLY],
    ),
    (
        "nfs",
        "NFS (an NFS mount that lasts the lifetime of a pod)",
        &[("Server:", "/server", TEXT), ("Path:", "/path", TEXT), READ_ONLY],
    ),
    (
        "quobyte",
        "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)",
        &[("Registry:", "/registry", TEXT), ("Volume:", "/volume", TEXT), READ_ONLY],
    ),
    (
        "vsphereVolume",
        "vSphereVolume (a Persistent Disk resource in vSphere)",
        &[
            ("VolumePath:", "/volumePath", TEXT),
            FS,
            ("StoragePolicyName:", "/storagePolicyName", TEXT),
        ],
    ),
    (
        "azureDisk",
        "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
        &[
            ("DiskName:", "/diskName", TEXT),
            ("DiskURI:", "/diskURI", TEXT),
            ("Kind: ", "/kind", TEXT),
            FS,
            ("CachingMode:", "/cachingMode", TEXT),
            READ_ONLY,
        ],
    ),
    (
        "photonPersistentDisk",
        "PhotonPersistentDisk (a Persistent Disk resource in photon platform)",
        &[("PdID:", "/pdID", TEXT), FS],
    ),
    (
        "portworxVolume",
        "PortworxVolume (a Portworx Volume resource)",
        &[("VolumeID:", "/volumeID", TEXT)],
    ),
    (
        "local",
        "LocalVolume (a persistent volume backed by local storage on a node)",
        &[("Path:", "/path", TEXT)],
    ),
    (
        "storageos",
        "StorageOS (a StorageOS Persistent Disk resource)",
        &[
            ("VolumeName:", "/volumeName", TEXT),
            ("VolumeNamespace:", "/volumeNamespace", TEXT),
            FS,
            READ_ONLY,
        ],
    ),
    (
        "fc",
        "FC (a Fibre Channel disk)",
        &[("TargetWWNs:", "/targetWWNs", Joined), ("LUN:", "/lun", Plain("<none>")), FS, READ_ONLY],
    ),
    (
        "flocker",
        "Flocker (a Flocker volume mounted by the Flocker agent)",
        &[("DatasetName:", "/datasetName", TEXT), ("DatasetUUID:", "/datasetUUID", TEXT)],
    ),
];

/// Sources that refer to a Secret, of the pod's own namespace (`LOCAL`) or of another (`SECRET`).
macro_rules! referring {
    ($reference:expr) => {
        &[
            (
                "iscsi",
                "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)",
                &[
                    ("TargetPortal:", "/targetPortal", TEXT),
                    ("IQN:", "/iqn", TEXT),
                    ("Lun:", "/lun", NUMBER),
                    // Without a colon, as upstream has it.
                    ("ISCSIInterface", "/iscsiInterface", TEXT),
                    FS,
                    READ_ONLY,
                    ("Portals:", "/portals", List),
                    ("DiscoveryCHAPAuth:", "/chapAuthDiscovery", Flag),
                    ("SessionCHAPAuth:", "/chapAuthSession", Flag),
                    ("SecretRef:", "/secretRef", $reference),
                    ("InitiatorName:", "/initiatorName", Plain("<none>")),
                ],
            ),
            (
                "rbd",
                "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)",
                &[
                    ("CephMonitors:", "/monitors", List),
                    ("RBDImage:", "/image", TEXT),
                    FS,
                    ("RBDPool:", "/pool", TEXT),
                    ("RadosUser:", "/user", TEXT),
                    ("Keyring:", "/keyring", TEXT),
                    ("SecretRef:", "/secretRef", $reference),
                    READ_ONLY,
                ],
            ),
            (
                "cinder",
                "Cinder (a Persistent Disk resource in OpenStack)",
                &[
                    ("VolumeID:", "/volumeID", TEXT),
                    FS,
                    READ_ONLY,
                    ("SecretRef:", "/secretRef", $reference),
                ],
            ),
            (
                "cephfs",
                "CephFS (a CephFS mount on the host that shares a pod's lifetime)",
                &[
                    ("Monitors:", "/monitors", List),
                    ("Path:", "/path", TEXT),
                    ("User:", "/user", TEXT),
                    ("SecretFile:", "/secretFile", TEXT),
                    ("SecretRef:", "/secretRef", $reference),
                    READ_ONLY,
                ],
            ),
            (
                "flexVolume",
                "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)",
                &[
                    ("Driver:", "/driver", TEXT),
                    FS,
                    ("SecretRef:", "/secretRef", $reference),
                    READ_ONLY,
                    ("Options:", "/options", Map),
                ],
            ),
        ]
    };
}

const OF_POD: &[Source] = referring!(LOCAL);
const OF_VOLUME: &[Source] = referring!(SECRET);

const GLUSTER: &str = "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)";
const SCALE_IO: &str = "ScaleIO (a persistent volume backed by a block device in ScaleIO)";
const AZURE_FILE: &str =
    "AzureFile (an Azure File Service mount on the host and bind mount to the pod)";
const CSI: &str = "CSI (a Container Storage Interface (CSI) volume source)";

/// Sources of pods alone.
const POD_ONLY: &[Source] = &[
    (
        "emptyDir",
        "EmptyDir (a temporary directory that shares a pod's lifetime)",
        &[("Medium:", "/medium", TEXT), ("SizeLimit:", "/sizeLimit", Amount)],
    ),
    (
        "gitRepo",
        "GitRepo (a volume that is pulled from git when the pod is created)",
        &[("Repository:", "/repository", TEXT), ("Revision:", "/revision", TEXT)],
    ),
    (
        "secret",
        "Secret (a volume populated by a Secret)",
        &[("SecretName:", "/secretName", TEXT), ("Optional:", "/optional", Flag)],
    ),
    (
        "configMap",
        "ConfigMap (a volume populated by a ConfigMap)",
        &[("Name:", "/name", TEXT), ("Optional:", "/optional", Flag)],
    ),
    (
        "glusterfs",
        GLUSTER,
        &[("EndpointsName:", "/endpoints", TEXT), ("Path:", "/path", TEXT), READ_ONLY],
    ),
    (
        "persistentVolumeClaim",
        "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        &[("ClaimName:", "/claimName", TEXT), READ_ONLY],
    ),
    (
        "scaleIO",
        SCALE_IO,
        &[
            ("Gateway:", "/gateway", TEXT),
            ("System:", "/system", TEXT),
            ("Protection Domain:", "/protectionDomain", TEXT),
            ("Storage Pool:", "/storagePool", TEXT),
            ("Storage Mode:", "/storageMode", TEXT),
            ("VolumeName:", "/volumeName", TEXT),
            FS,
            READ_ONLY,
        ],
    ),
    (
        "azureFile",
        AZURE_FILE,
        &[("SecretName:", "/secretName", TEXT), ("ShareName:", "/shareName", TEXT), READ_ONLY],
    ),
    ("csi", CSI, &[("Driver:", "/driver", TEXT), FS, READ_ONLY]),
    (
        "image",
        "Image (a container image or OCI artifact)",
        &[("Reference:", "/reference", TEXT), ("PullPolicy:", "/pullPolicy", TEXT)],
    ),
];

/// Sources of persistent volumes alone.
const VOLUME_ONLY: &[Source] = &[
    (
        "glusterfs",
        GLUSTER,
        &[
            ("EndpointsName:", "/endpoints", TEXT),
            ("EndpointsNamespace:", "/endpointsNamespace", Plain("<unset>")),
            ("Path:", "/path", TEXT),
            READ_ONLY,
        ],
    ),
    (
        "scaleIO",
        SCALE_IO,
        &[
            ("Gateway:", "/gateway", TEXT),
            ("System:", "/system", TEXT),
            ("Protection Domain:", "/protectionDomain", TEXT),
            ("Storage Pool:", "/storagePool", TEXT),
            ("Storage Mode:", "/storageMode", TEXT),
            ("VolumeName:", "/volumeName", TEXT),
            ("SecretName:", "/secretRef/name", TEXT),
            ("SecretNamespace:", "/secretRef/namespace", TEXT),
            FS,
            READ_ONLY,
        ],
    ),
    (
        "azureFile",
        AZURE_FILE,
        &[
            ("SecretName:", "/secretName", TEXT),
            ("SecretNamespace:", "/secretNamespace", TEXT),
            ("ShareName:", "/shareName", TEXT),
            READ_ONLY,
        ],
    ),
    (
        "csi",
        CSI,
        &[("Driver:", "/driver", TEXT), FS, ("VolumeHandle:", "/volumeHandle", TEXT), READ_ONLY],
    ),
];

/// Writes the volumes of a pod or a template.
pub(super) fn describe(page: &mut Page, volumes: &[Value], place: Place<'_>) {
    let space = place.space;
    if volumes.is_empty() {
        put!(page, 0, "{space}Volumes:\t<none>\n");
        return;
    }
    put!(page, 0, "{space}Volumes:\n");
    for volume in volumes {
        put!(page, 1, "{}{}:\n", place.name_indent(), text(volume, "/name"));
        if has(volume, "/ephemeral") {
            ephemeral(page, &volume["ephemeral"]);
        } else if has(volume, "/downwardAPI") {
            downward(page, &volume["downwardAPI"]);
        } else if has(volume, "/projected") {
            projected(page, &volume["projected"]);
        } else if !from_table(page, volume, &[SHARED, OF_POD, POD_ONLY]) {
            put!(page, 1, "<unknown>\n");
        }
    }
}

/// Writes the source of a persistent volume.
pub(super) fn source(page: &mut Page, spec: &Value) {
    if !from_table(page, spec, &[SHARED, OF_VOLUME, VOLUME_ONLY]) {
        put!(page, 1, "<unknown>\n");
    }
}

fn from_table(page: &mut Page, volume: &Value, tables: &[&[Source]]) -> bool {
    let all = tables.iter().copied().flatten();
    let Some((key, about, rows)) = all.into_iter().find(|(key, ..)| volume[*key].is_object())
    else {
        return false;
    };
    let source = &volume[*key];
    put!(page, 2, "Type:\t{about}\n");
    for (title, pointer, show) in *rows {
        put!(page, 2, "{title}\t{}\n", shown(source, pointer, *show));
    }
    if *key == "csi" {
        attributes(page, source);
    }
    true
}

fn shown(source: &Value, pointer: &str, show: Show) -> String {
    match show {
        Plain(otherwise) => plain(source, pointer, otherwise),
        Flag => on(source, pointer).to_string(),
        List => bracketed(source, pointer),
        Joined => texts(source, pointer).join(", "),
        Map => {
            let pairs = pairs(source.pointer(pointer));
            let all: Vec<String> = pairs.iter().map(|(k, v)| format!("{k}:{v}")).collect();
            format!("map[{}]", all.join(" "))
        }
        Reference(fields) => match source.pointer(pointer) {
            Some(to) if to.is_object() => {
                let all: Vec<String> =
                    fields.iter().map(|(name, at)| format!("{name}:{},", text(to, at))).collect();
                format!(
                    "&{}{{{}}}",
                    if fields.len() > 1 { "SecretReference" } else { "LocalObjectReference" },
                    all.concat()
                )
            }
            _ => "nil".to_owned(),
        },
        Amount => match super::containers::amount(&source["sizeLimit"]).as_str() {
            "0" => "<unset>".to_owned(),
            amount => amount.to_owned(),
        },
    }
}

fn attributes(page: &mut Page, source: &Value) {
    put!(page, 2, "VolumeAttributes:\t");
    let pairs = pairs(source.get("volumeAttributes"));
    if pairs.is_empty() {
        put!(page, 0, "<none>\n");
    }
    for (i, (key, value)) in pairs.into_iter().enumerate() {
        if i > 0 {
            put!(page, 2, "");
            put!(page, 2, "\t");
        }
        let line = super::page::shortened(&format!("{key}={value}"), MAX_ANNOTATION);
        put!(page, 2, "{line}\n");
    }
}

fn ephemeral(page: &mut Page, source: &Value) {
    put!(
        page,
        2,
        "Type:\tEphemeralVolume (an inline specification for a volume that gets created and deleted with the pod)\n"
    );
    let template = &source["volumeClaimTemplate"];
    if template.is_object() {
        super::storage::claim_of_pod(page, template);
    }
}

fn downward(page: &mut Page, source: &Value) {
    put!(
        page,
        2,
        "Type:\tDownwardAPI (a volume populated by information about the pod)\n    Items:\n"
    );
    for item in items(source, "/items") {
        let path = text(item, "/path");
        for field in ["/fieldRef/fieldPath", "/resourceFieldRef/resource"] {
            if has(item, field) {
                put!(page, 3, "{} -> {path}\n", text(item, field));
            }
        }
    }
}

fn projected(page: &mut Page, source: &Value) {
    put!(
        page,
        2,
        "Type:\tProjected (a volume that contains injected data from multiple sources)\n"
    );
    for source in items(source, "/sources") {
        let named = [("secret", "SecretName"), ("configMap", "ConfigMapName")];
        if let Some((key, title)) = named.into_iter().find(|(key, _)| source[*key].is_object()) {
            let of = &source[key];
            put!(page, 2, "{title}:\t{}\n", text(of, "/name"));
            put!(page, 2, "Optional:\t{}\n", on(of, "/optional"));
        } else if has(source, "/downwardAPI") {
            put!(page, 2, "DownwardAPI:\ttrue\n");
        } else if has(source, "/serviceAccountToken") {
            let seconds = plain(source, "/serviceAccountToken/expirationSeconds", "0");
            put!(page, 2, "TokenExpirationSeconds:\t{seconds}\n");
        }
    }
}
