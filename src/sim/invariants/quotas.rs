//! Quotas: what is made under a quota stays within it.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Found, LAG, Seen};
use crate::api::quota::{self, Evaluator, Quota};
use crate::base::time::SimTime;
use crate::model::{Key, Kind, Object, Uid};
use crate::trace::Change;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Quotas {
    quotas: BTreeMap<Key, (Arc<Quota>, SimTime)>,
    pods: BTreeMap<Uid, Object>,
    jobs: BTreeMap<Uid, Object>,
}

impl Quotas {
    pub(super) fn see(&mut self, seen: Seen<'_>, found: &mut Found) {
        let gone = seen.change == Change::Deleted;
        let known = match seen.new {
            Object::ResourceQuota(new) => return self.quota(seen, new),
            Object::Pod(_) => &mut self.pods,
            Object::Job(_) => &mut self.jobs,
            _ => return,
        };
        if gone {
            known.remove(&seen.new.meta().uid);
        } else {
            known.insert(seen.new.meta().uid, seen.new.clone());
        }
        if seen.change == Change::Added {
            self.judge(seen, found);
        }
    }

    fn quota(&mut self, seen: Seen<'_>, new: &Arc<Quota>) {
        let key = new.meta.key();
        if seen.change == Change::Deleted {
            self.quotas.remove(&key);
            return;
        }
        let (stored, since) = self.quotas.entry(key).or_insert_with(|| (Arc::clone(new), seen.at));
        if !quota::equal(&quota::hard(stored), &quota::hard(new)) {
            *since = seen.at;
        }
        *stored = Arc::clone(new);
    }

    fn judge(&self, seen: Seen<'_>, found: &mut Found) {
        let Some(evaluator) = Evaluator::of(seen.new) else { return };
        let namespace = &seen.new.meta().namespace;
        let here = self.quotas.values().filter(|(q, since)| {
            q.meta.namespace == *namespace
                && *since + LAG < seen.at
                && evaluator.applies(q, seen.new)
        });
        for (quota, _) in here {
            let list = |kind| {
                let of_kind = match kind {
                    Kind::Pod => Some(&self.pods),
                    Kind::Job => Some(&self.jobs),
                    _ => None,
                };
                let all = of_kind.into_iter().flat_map(BTreeMap::values);
                all.filter(|o| o.meta().namespace == *namespace).collect()
            };
            let used = quota::calculate(quota, list, seen.at);
            let asked = evaluator.usage(seen.new, seen.at);
            for (name, hard) in quota::hard(quota) {
                let over = used.get(&name).is_some_and(|used| *used > hard);
                if over && asked.contains_key(&name) {
                    let text = format!("{}: {name}", quota.meta.name);
                    found.say(seen.at, seen.new, "what is made stays within its quota", text);
                }
            }
        }
    }
}
