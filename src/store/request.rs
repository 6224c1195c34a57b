//! What can be asked of the API server, and what it answers.

use std::time::Duration;

use crate::base::Str;
use crate::base::time::SimTime;
use crate::model::{Key, Kind, Object, OwnerRef, PodCondition, PodStatus, Ref, Uid};

/// One API request. Components send them; they reach the server after a latency.
#[derive(Clone, Debug)]
pub enum Request {
    /// Reads an object as it is now, past the informers; a missing one is refused as not found.
    Get(Ref),
    /// Stores a new object; its name may be left to the server (`generate_name`).
    Create(Object),
    /// Replaces metadata and spec. A `resource_version` other than 0 must be the current one.
    Update(Object),
    /// Replaces the status. A `resource_version` other than 0 must be the current one.
    UpdateStatus(Object),
    /// Replaces a pod's status, whatever its revision: the node agent's patch.
    PodStatus {
        /// The pod.
        pod: Key,
        /// It must still be this one.
        uid: Uid,
        /// The status.
        status: Box<PodStatus>,
    },
    /// Sets conditions of a pod, and the node it is nominated to: the scheduler's and the taint
    /// manager's patch.
    PodConditions {
        /// The pod.
        pod: Key,
        /// It must still be this one.
        uid: Uid,
        /// The conditions.
        conditions: Vec<PodCondition>,
        /// The nominated node, where it is to change; empty clears it.
        nominated_node: Option<Str>,
    },
    /// Changes metadata, whatever the revision.
    PatchMeta {
        /// The object.
        target: Ref,
        /// It must still be this one.
        uid: Uid,
        /// What changes.
        changes: Vec<MetaChange>,
    },
    /// Binds a pod to a node.
    Bind {
        /// The pod.
        pod: Key,
        /// It must still be this one.
        uid: Uid,
        /// The node.
        node: Str,
    },
    /// The node agent's lease: renewed from now on (`None`), or not renewed since that time.
    Lease {
        /// The node.
        node: Str,
        /// See [`crate::model::Node::lease_stopped`].
        stopped: Option<SimTime>,
    },
    /// Asks for deletion.
    Delete {
        /// The object.
        target: Ref,
        /// How.
        options: DeleteOptions,
    },
    /// Asks for the deletion of all objects of a kind in a namespace; the answer holds no object.
    DeleteCollection {
        /// The kind; all inert kinds are one.
        kind: Kind,
        /// The namespace.
        namespace: Str,
        /// How.
        options: DeleteOptions,
    },
    /// Asks for a pod's eviction, which disruption budgets may refuse.
    Evict {
        /// The pod.
        pod: Key,
        /// How.
        options: DeleteOptions,
    },
    /// A request with a document as its body, from outside the cluster: it is decoded, defaulted and
    /// validated.
    Wire {
        /// What to do.
        verb: WireVerb,
        /// Of which kind, namespace and name. For inert kinds as [`Object::key`] has it.
        target: Ref,
        /// The document or patch.
        body: Box<serde_json::Value>,
        /// `status`, `scale` or none.
        subresource: Option<&'static str>,
    },
    /// A request whose outcome is answered and not kept (`dryRun=All`).
    DryRun(Box<Self>),
}

/// What to do with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireVerb {
    /// Store it as a new object.
    Create,
    /// Put it in the place of the object.
    Update,
    /// Patch the object with it.
    Patch(PatchType),
}

/// The patch formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' strategic merge patch.
    Strategic,
}

/// One change of an object's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetaChange {
    /// Sets a label, or removes it.
    Label(Str, Option<Str>),
    /// Sets an annotation, or removes it.
    Annotation(Str, Option<Str>),
    /// Adds an owner, or replaces the reference with the same uid.
    AddOwner(Box<OwnerRef>),
    /// Removes the owner with that uid.
    RemoveOwner(Uid),
    /// Sets whether the reference to that owner blocks its foreground deletion.
    BlockOwnerDeletion(Uid, bool),
    /// Adds a finalizer.
    AddFinalizer(Str),
    /// Removes a finalizer.
    RemoveFinalizer(Str),
}

/// How an object is to be deleted (`metav1.DeleteOptions`).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DeleteOptions {
    /// It must still be this one.
    pub uid: Option<Uid>,
    /// It must still be this version.
    pub resource_version: Option<u64>,
    /// The grace, whole seconds; `None` takes the object's own.
    pub grace: Option<Duration>,
    /// What becomes of dependents; `None` takes the kind's default.
    pub propagation: Option<Propagation>,
}

impl DeleteOptions {
    /// Deletes the object with that uid and no other.
    pub fn of(uid: Uid) -> Self {
        Self { uid: Some(uid), ..Self::default() }
    }
}

/// What becomes of dependents (`metav1.DeletionPropagation`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They lose their owner.
    Orphan,
    /// They go after the object.
    Background,
    /// The object goes after them.
    Foreground,
}

/// The server's answer: the object as stored (for deletion: as it was last, or as it waits), or a refusal.
pub type Reply = Result<Option<Object>, Box<ApiError>>;

/// A refusal (`metav1.Status`).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// The HTTP status.
    pub code: u16,
    /// The reason.
    pub reason: ErrorReason,
    /// The text.
    pub message: String,
    /// Kind and name of the object in the status details of a refusal for field errors.
    pub object: Option<(Str, Str)>,
    /// The causes listed in the status details: field and message.
    pub causes: Vec<(String, String)>,
    /// Seconds after which to try again; 0 where none are named.
    pub retry_after: u32,
}

/// Why a request was refused (`metav1.StatusReason`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorReason {
    /// 404.
    NotFound,
    /// 409 on creation.
    AlreadyExists,
    /// 409: the object has changed.
    Conflict,
    /// 422: validation.
    Invalid,
    /// 400.
    BadRequest,
    /// 403: quota, limits, admission.
    Forbidden,
    /// 429: a disruption budget.
    TooManyRequests,
    /// 405.
    MethodNotAllowed,
    /// 500.
    InternalError,
}

impl ErrorReason {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "NotFound",
            Self::AlreadyExists => "AlreadyExists",
            Self::Conflict => "Conflict",
            Self::Invalid => "Invalid",
            Self::BadRequest => "BadRequest",
            Self::Forbidden => "Forbidden",
            Self::TooManyRequests => "TooManyRequests",
            Self::MethodNotAllowed => "MethodNotAllowed",
            Self::InternalError => "InternalError",
        }
    }

    /// The HTTP status that goes with it.
    pub const fn code(self) -> u16 {
        match self {
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Conflict => 409,
            Self::Invalid => 422,
            Self::BadRequest => 400,
            Self::Forbidden => 403,
            Self::TooManyRequests => 429,
            Self::MethodNotAllowed => 405,
            Self::InternalError => 500,
        }
    }
}

impl ApiError {
    /// A refusal with a text of its own.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Box<Self> {
        Box::new(Self {
            code: reason.code(),
            reason,
            message: message.into(),
            object: None,
            causes: Vec::new(),
            retry_after: 0,
        })
    }

    /// Whether the object does not exist (`apierrors.IsNotFound`).
    pub fn is_not_found(&self) -> bool {
        self.reason == ErrorReason::NotFound
    }

    /// Whether the object has changed since it was read (`apierrors.IsConflict`).
    pub fn is_conflict(&self) -> bool {
        self.reason == ErrorReason::Conflict
    }

    /// Whether nothing can be created because its namespace is being deleted
    /// (`apierrors.HasStatusCause`, `NamespaceTerminatingCause`).
    pub fn is_namespace_terminating(&self) -> bool {
        self.reason == ErrorReason::Forbidden
            && self.message.ends_with("because it is being terminated")
    }

    /// The object does not exist (`apierrors.NewNotFound`).
    pub fn not_found(kind: Kind, name: &str) -> Box<Self> {
        Self::new(ErrorReason::NotFound, format!("{} {name:?} not found", qualified(kind)))
    }

    /// The object exists already (`apierrors.NewAlreadyExists`).
    pub fn already_exists(kind: Kind, name: &str) -> Box<Self> {
        Self::new(
            ErrorReason::AlreadyExists,
            format!("{} {name:?} already exists", qualified(kind)),
        )
    }

    /// The object has changed since it was read (`apierrors.NewConflict` with the registry's text).
    pub fn conflict(kind: Kind, name: &str) -> Box<Self> {
        let text = format!(
            "Operation cannot be fulfilled on {} {name:?}: the object has been modified; \
             please apply your changes to the latest version and try again",
            qualified(kind)
        );
        Self::new(ErrorReason::Conflict, text)
    }

    /// Admission refused it (`apierrors.NewForbidden`).
    pub fn forbidden(kind: Kind, name: &str, why: &str) -> Box<Self> {
        let text = format!("{} {name:?} is forbidden: {why}", qualified(kind));
        Self::new(ErrorReason::Forbidden, text)
    }
}

fn qualified(kind: Kind) -> String {
    match kind.group() {
        "" => kind.plural().to_owned(),
        group => format!("{}.{group}", kind.plural()),
    }
}
