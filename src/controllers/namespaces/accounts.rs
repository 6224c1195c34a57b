//! The account `default` of every active namespace.

use std::sync::Arc;

use super::{Namespace, concluded, is_in};
use crate::base::Str;
use crate::base::time::SimTime;
use crate::controllers::controller::{Controller, Kinds, Step, SyncCx};
use crate::controllers::view::View;
use crate::engine::WorkQueue;
use crate::model::{Key, Kind, Meta, Whole, wire};
use crate::store::{Delta, ErrorReason, Reply, Request};
use crate::trace::Change;

/// The name of the account.
const DEFAULT: &str = "default";

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct ServiceAccountsController;

impl Controller for ServiceAccountsController {
    type Key = Str;
    type Work = ();

    const HEARS: Kinds = Kinds::of(&[Kind::Namespace, Kind::ServiceAccount]);
    const NAME: &'static str = "serviceaccount-controller";
    const WORKERS: usize = 1;

    fn observe(
        &mut self,
        kind: Kind,
        delta: &Delta<'_>,
        _view: &View,
        _now: SimTime,
        queue: &mut WorkQueue<Str>,
    ) {
        let meta = delta.new.meta();
        match (kind, delta.change) {
            (Kind::Namespace, Change::Added | Change::Modified) => {
                queue.add(meta.name.clone(), delta.fact);
            }
            (Kind::ServiceAccount, Change::Deleted) => {
                queue.add(meta.namespace.clone(), delta.fact);
            }
            _ => {}
        }
    }

    fn sync(&mut self, key: &Str, cx: &mut SyncCx<'_, '_>) -> Step<()> {
        let namespace = cx.view.typed::<Namespace>(Kind::Namespace, &Key::new("", key.clone()));
        let account = Key::new(key.clone(), DEFAULT);
        if !namespace.is_some_and(|n| is_in(n, "Active"))
            || cx.view.get(Kind::ServiceAccount, &account).is_some()
        {
            return Step::done();
        }
        let body = Arc::new(wire::core::ServiceAccount::default());
        let account = Whole { meta: Meta::named(key.clone(), DEFAULT), body };
        Step::ask(Request::Create(account.into()), ())
    }

    fn resume(
        &mut self,
        _key: &Str,
        _work: (),
        replies: Vec<Reply>,
        _cx: &mut SyncCx<'_, '_>,
    ) -> Step<()> {
        concluded(&replies, |e| e.reason == ErrorReason::AlreadyExists)
    }
}
