//! What a failure and what success mean: `podFailurePolicy` and `successPolicy`.
//!
//! Follows `pkg/controller/job/pod_failure_policy.go` (`matchPodFailurePolicy`) and
//! `pkg/controller/job/success_policy.go` (`matchSuccessPolicy`).

use super::indexes::Indexes;
use crate::model::wire::batch::{
    PodFailurePolicy, PodFailurePolicyOnExitCodesRequirement, PodFailurePolicyRule, SuccessPolicy,
    SuccessPolicyRule,
};
use crate::model::{ContainerState, ContainerStatus, Pod, PodCondition};

/// What is done about a failed pod (`batch.PodFailurePolicyAction`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// The Job fails.
    FailJob,
    /// The pod's index fails.
    FailIndex,
    /// The failure is not counted.
    Ignore,
    /// The failure is counted, as without a policy.
    Count,
}

impl Action {
    /// As the API writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FailJob => "FailJob",
            Self::FailIndex => "FailIndex",
            Self::Ignore => "Ignore",
            Self::Count => "Count",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::FailJob, Self::FailIndex, Self::Ignore, Self::Count]
            .into_iter()
            .find(|a| a.as_str() == text)
    }
}

/// The rule that a failed pod matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// What it asks for.
    pub action: Action,
    /// Why the Job fails, where it does.
    pub fails_job: Option<String>,
}

/// The first rule that applies to a failed pod; `None` where there is none, or no policy: the failure
/// then counts.
pub fn match_failure(policy: Option<&PodFailurePolicy>, pod: &Pod) -> Option<Match> {
    policy?.rules.iter().enumerate().find_map(|(index, rule)| apply(rule, index, pod))
}

/// Whether a failed pod counts towards the back-off limits.
pub fn counts(policy: Option<&PodFailurePolicy>, pod: &Pod) -> bool {
    match_failure(policy, pod).is_none_or(|m| m.action != Action::Ignore)
}

/// The text with which a success policy is met by these succeeded indexes; `None` while it is not.
pub fn match_success(
    policy: Option<&SuccessPolicy>,
    completions: i64,
    succeeded: &Indexes,
) -> Option<String> {
    let policy = policy.filter(|_| !succeeded.is_empty())?;
    let met = |rule: &SuccessPolicyRule| {
        let enough = |n: i64| rule.succeeded_count.is_some_and(|count| n >= i64::from(count));
        match &rule.succeeded_indexes {
            None => enough(succeeded.total()),
            Some(text) => {
                let required = Indexes::parse(text, completions);
                let have = required.overlap(succeeded);
                !required.is_empty() && (have == required.total() || enough(have))
            }
        }
    };
    let index = policy.rules.iter().position(met)?;
    Some(format!("Matched rules at index {index}"))
}

fn apply(rule: &PodFailurePolicyRule, index: usize, pod: &Pod) -> Option<Match> {
    let subject = if let Some(codes) = &rule.on_exit_codes {
        Subject::Container(
            exited(&pod.status.containers, codes)
                .or_else(|| exited(&pod.status.init_containers, codes))?,
        )
    } else {
        Subject::Condition(pod.status.conditions.iter().find(|c| {
            let patterns = || rule.on_pod_conditions.iter().flatten();
            patterns().any(|p| c.kind == p.type_ && p.status.as_deref() == Some(c.status.as_str()))
        })?)
    };
    let action = Action::parse(&rule.action)?;
    let fails_job = (action == Action::FailJob).then(|| subject.failure(pod, index));
    Some(Match { action, fails_job })
}

enum Subject<'a> {
    Container((&'a ContainerStatus, i32)),
    Condition(&'a PodCondition),
}

impl Subject<'_> {
    fn failure(&self, pod: &Pod, index: usize) -> String {
        let name = format!("{}/{}", pod.meta.namespace, pod.meta.name);
        let rule = format!("matching FailJob rule at index {index}");
        match self {
            Self::Container((status, code)) => {
                format!(
                    "Container {} for pod {name} failed with exit code {code} {rule}",
                    status.name
                )
            }
            Self::Condition(c) => format!("Pod {name} has condition {} {rule}", c.kind),
        }
    }
}

/// The first ended container that the requirement matches, with its exit code
/// (`getMatchingContainerFromList`).
fn exited<'a>(
    statuses: &'a [ContainerStatus],
    requirement: &PodFailurePolicyOnExitCodesRequirement,
) -> Option<(&'a ContainerStatus, i32)> {
    let named = |s: &ContainerStatus| {
        requirement.container_name.as_ref().is_none_or(|name| s.name == name.as_str())
    };
    let listed = |code: i32| requirement.values.contains(&code);
    statuses.iter().filter(|s| named(s)).find_map(|s| {
        let ContainerState::Terminated(end) = &s.state else { return None };
        let code = end.exit_code;
        let matches = match requirement.operator.as_str() {
            "In" => listed(code),
            "NotIn" => !listed(code),
            _ => false,
        };
        (code != 0 && matches).then_some((s, code))
    })
}
