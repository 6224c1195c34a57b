//! Label selectors, compiled for matching.

use super::{Labels, wire};
use crate::base::Str;

/// A compiled label selector: all requirements must hold.
///
/// Follows `metav1.LabelSelectorAsSelector`: no selector matches nothing, an empty one everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// Matches nothing (an absent selector).
    Nothing,
    /// Matches what meets every requirement.
    All(Vec<Requirement>),
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// The label is one of the values.
    In(Str, Vec<Str>),
    /// The label is absent or none of the values.
    NotIn(Str, Vec<Str>),
    /// The label is there.
    Exists(Str),
    /// The label is absent.
    DoesNotExist(Str),
}

/// A selector with an operator that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a valid label selector operator")]
pub struct SelectorError(
    /// The operator as written.
    pub String,
);

impl Selector {
    /// Compiles an API selector.
    ///
    /// # Errors
    /// An operator other than `In`, `NotIn`, `Exists`, `DoesNotExist`.
    pub fn compile(selector: Option<&wire::meta::LabelSelector>) -> Result<Self, SelectorError> {
        let Some(selector) = selector else { return Ok(Self::Nothing) };
        let mut all = Vec::new();
        for (k, v) in selector.match_labels.iter().flatten() {
            all.push(Requirement::In(k.into(), vec![v.into()]));
        }
        for e in selector.match_expressions.iter().flatten() {
            let key = Str::from(&e.key);
            let values = || e.values.iter().flatten().map(Str::from).collect();
            all.push(match e.operator.as_str() {
                "In" => Requirement::In(key, values()),
                "NotIn" => Requirement::NotIn(key, values()),
                "Exists" => Requirement::Exists(key),
                "DoesNotExist" => Requirement::DoesNotExist(key),
                other => return Err(SelectorError(other.to_owned())),
            });
        }
        Ok(Self::All(all))
    }

    /// The selector for exactly these labels; without labels it matches nothing, as a Service or
    /// ReplicationController without selector does.
    pub fn from_labels<'a>(labels: impl IntoIterator<Item = (&'a String, &'a String)>) -> Self {
        let all: Vec<Requirement> =
            labels.into_iter().map(|(k, v)| Requirement::In(k.into(), vec![v.into()])).collect();
        if all.is_empty() { Self::Nothing } else { Self::All(all) }
    }

    /// Whether it selects an object with these labels.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::Nothing => false,
            Self::All(all) => all.iter().all(|r| r.matches(labels)),
        }
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::All(all) if all.is_empty())
    }
}

impl Requirement {
    /// Whether these labels meet it.
    pub fn matches(&self, labels: &Labels) -> bool {
        match self {
            Self::In(k, vs) => labels.get(k).is_some_and(|v| vs.contains(v)),
            Self::NotIn(k, vs) => labels.get(k).is_none_or(|v| !vs.contains(v)),
            Self::Exists(k) => labels.get(k).is_some(),
            Self::DoesNotExist(k) => labels.get(k).is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(operator: &str, values: &[&str]) -> Result<Selector, SelectorError> {
        let e = wire::meta::LabelSelectorRequirement {
            key: "tier".to_owned(),
            operator: operator.to_owned(),
            values: Some(values.iter().map(|v| (*v).to_owned()).collect()),
        };
        Selector::compile(Some(&wire::meta::LabelSelector {
            match_labels: None,
            match_expressions: Some(vec![e]),
        }))
    }

    #[test]
    fn each_operator_selects_as_upstream() {
        let (gold, none) = (Labels::from([("tier", "gold")]), Labels::default());
        for (operator, values, on_gold, on_none) in [
            ("In", &["gold"][..], true, false),
            ("NotIn", &["gold"], false, true),
            ("Exists", &[], true, false),
            ("DoesNotExist", &[], false, true),
        ] {
            let s = compiled(operator, values).unwrap();
            assert_eq!((s.matches(&gold), s.matches(&none)), (on_gold, on_none), "{operator}");
        }
        assert!(compiled("Gt", &["1"]).is_err());
    }

    #[test]
    fn an_absent_selector_matches_nothing_and_an_empty_one_everything() {
        let any = Labels::from([("a", "b")]);
        assert!(!Selector::compile(None).unwrap().matches(&any));
        assert!(
            Selector::compile(Some(&wire::meta::LabelSelector::default())).unwrap().matches(&any)
        );
    }
}
