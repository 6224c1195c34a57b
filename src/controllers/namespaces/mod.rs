//! What every namespace has, and how it goes.
//!
//! - [`NamespaceController`]: a namespace that is being deleted is emptied, pods first, and then let go
//!   (`pkg/controller/namespace`).
//! - [`ServiceAccountsController`]: each active namespace has the account `default`
//!   (`pkg/controller/serviceaccount/serviceaccounts_controller.go`).
//! - [`RootCaPublisher`]: each namespace has the ConfigMap `kube-root-ca.crt`
//!   (`pkg/controller/certificates/rootcacertpublisher`).

mod accounts;
mod deletion;
mod root_ca;

pub use accounts::ServiceAccountsController;
pub use deletion::NamespaceController;
pub use root_ca::{ROOT_CA, ROOT_CA_DESCRIPTION, RootCaPublisher};

use super::controller::Step;
use crate::model::{Whole, wire};
use crate::store::{ApiError, Reply};

type Namespace = Whole<wire::core::Namespace>;

/// The end of a sync that asked for an object: it is repeated where that was refused for a reason that is
/// not borne. What a namespace that is going refuses will not be wanted.
fn concluded(replies: &[Reply], borne: impl Fn(&ApiError) -> bool) -> Step<()> {
    let mut refusals = replies.iter().filter_map(|reply| reply.as_ref().err());
    if refusals.any(|e| !e.is_namespace_terminating() && !borne(e)) {
        Step::failed()
    } else {
        Step::done()
    }
}

/// Whether the namespace is in that phase.
fn is_in(namespace: &Namespace, phase: &str) -> bool {
    namespace.body.status.as_ref().and_then(|s| s.phase.as_deref()) == Some(phase)
}
