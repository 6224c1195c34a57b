//! What each metric of an autoscaler asks for, and what the status says of it.
//!
//! Follows `pkg/controller/podautoscaler/horizontal.go`, `computeReplicasForMetric` and the functions
//! `computeStatusFor…Metric`.

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as WireQuantity;

use super::replicas::{
    Delays, Given, Measured, Proposal, Tolerances, for_average, for_utilization, for_value,
    for_value_per_pod,
};
use super::usage::{Asked, NO_CUSTOM_METRICS, Usage, no_external_metrics};
use crate::base::quantity::{Format, Quantity};
use crate::model::Pod;
use crate::model::wire::autoscaling::{
    ContainerResourceMetricStatus, ExternalMetricStatus, HorizontalPodAutoscalerBehavior,
    MetricIdentifier, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus,
    ObjectMetricStatus, PodsMetricStatus, ResourceMetricStatus,
};
use crate::model::wire::meta::LabelSelector;

/// What one metric asks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asks {
    pub(super) replicas: i32,
    /// The metric as events name it.
    pub(super) name: String,
    pub(super) status: MetricStatus,
}

/// Why one metric asks for nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    /// The reason of the event and of condition `ScalingActive`.
    pub(super) reason: &'static str,
    /// The text of the event.
    pub(super) event: String,
    /// The error as the sum of all metrics quotes it.
    pub(super) error: String,
}

/// The target's scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replicas {
    pub(super) spec: i32,
    pub(super) status: i32,
}

/// What one metric asks for.
pub(super) fn ask(
    spec: &MetricSpec,
    replicas: Replicas,
    namespace: &str,
    tolerances: Tolerances,
    usage: &Usage<'_>,
) -> Result<Asks, Failure> {
    let of = Asking { replicas, namespace, tolerances, usage };
    match spec.type_.as_str() {
        "Resource" => of.resource(spec),
        "ContainerResource" => of.container_resource(spec),
        "Pods" => of.pods(spec),
        "Object" => of.object(spec),
        "External" => of.external(spec),
        other => {
            let error = format!("unknown metric source type {other:?}");
            Err(Failure { reason: "InvalidMetricSourceType", event: error.clone(), error })
        }
    }
}

struct Asking<'a> {
    replicas: Replicas,
    namespace: &'a str,
    tolerances: Tolerances,
    usage: &'a Usage<'a>,
}

impl Asking<'_> {
    fn resource(&self, spec: &MetricSpec) -> Result<Asks, Failure> {
        let Some(metric) = &spec.resource else { return Err(unset("Resource")) };
        let asked = Asked::Resource { name: &metric.name, container: None };
        match self.amount(&metric.target, &metric.name, None, asked) {
            Ok((replicas, name, current)) => {
                let name_of = metric.name.clone();
                let resource = Some(ResourceMetricStatus { name: name_of, current });
                let status = MetricStatus { resource, ..status("Resource") };
                Ok(Asks { replicas, name, status })
            }
            Err(error) => Err(Failure {
                reason: "FailedGetResourceMetric",
                error: format!("failed to get {} resource metric value: {error}", metric.name),
                event: error,
            }),
        }
    }

    fn container_resource(&self, spec: &MetricSpec) -> Result<Asks, Failure> {
        let Some(metric) = &spec.container_resource else {
            return Err(unset("ContainerResource"));
        };
        let container = Some(metric.container.as_str());
        let asked = Asked::Resource { name: &metric.name, container };
        match self.amount(&metric.target, &metric.name, container, asked) {
            Ok((replicas, name, current)) => {
                let container_resource = Some(ContainerResourceMetricStatus {
                    name: metric.name.clone(),
                    container: metric.container.clone(),
                    current,
                });
                let status = MetricStatus { container_resource, ..status("ContainerResource") };
                Ok(Asks { replicas, name, status })
            }
            Err(error) => Err(Failure {
                reason: "FailedGetContainerResourceMetric",
                error: format!(
                    "failed to get {} container metric value: {error}",
                    metric.container
                ),
                event: error,
            }),
        }
    }

    /// `computeStatusForResourceMetricGeneric`.
    fn amount(
        &self,
        target: &MetricTarget,
        resource: &str,
        container: Option<&str>,
        asked: Asked<'_>,
    ) -> Result<(i32, String, MetricValueStatus), String> {
        let is_cpu = resource == "cpu";
        let no_metrics = |e| format!("unable to get metrics for resource {resource}: {e}");
        let measured = self.usage.measured(asked).map_err(no_metrics);
        let format = if resource == "memory" { Format::BinarySi } else { Format::DecimalSi };
        if let Some(wanted) = &target.average_value {
            let proposal = measured
                .and_then(|pods| {
                    for_average(self.given(self.replicas.spec, &pods), is_cpu, milli(wanted))
                })
                .map_err(|e| format!("failed to get {resource} usage: {e}"))?;
            let current = value_status(None, Some(quantity(proposal.usage, format)), None);
            return Ok((proposal.replicas, format!("{resource} resource"), current));
        }
        let Some(wanted) = target.average_utilization else {
            return Err(
                "invalid resource metric source: neither an average utilization target nor \
                        an average value (usage) target was set"
                    .to_owned(),
            );
        };
        let proposal = measured
            .and_then(|pods| {
                let requests = |i: usize| request(&self.usage.pods[i], resource, container);
                for_utilization(self.given(self.replicas.spec, &pods), is_cpu, wanted, requests)
            })
            .map_err(|e| format!("failed to get {resource} utilization: {e}"))?;
        let of = if container.is_some() { " container" } else { "" };
        let name = format!("{resource}{of} resource utilization (percentage of request)");
        let average = Some(quantity(proposal.usage, format));
        Ok((proposal.replicas, name, value_status(None, average, proposal.utilization)))
    }

    fn pods(&self, spec: &MetricSpec) -> Result<Asks, Failure> {
        let Some(metric) = &spec.pods else { return Err(unset("Pods")) };
        let name = &metric.metric.name;
        let target = metric.target.average_value.as_ref().map_or(0, milli);
        let proposal = self
            .usage
            .measured(Asked::Metric(name))
            .map_err(|e| format!("unable to get metric {name}: {e}"))
            .and_then(|pods| for_average(self.given(self.replicas.spec, &pods), false, target))
            .map_err(|error| Failure {
                reason: "FailedGetPodsMetric",
                error: format!("failed to get pods metric value: {error}"),
                event: error,
            })?;
        let current = value_status(None, Some(decimal(proposal.usage)), None);
        let pods = Some(PodsMetricStatus { metric: metric.metric.clone(), current });
        let status = MetricStatus { pods, ..status("Pods") };
        Ok(Asks { replicas: proposal.replicas, name: format!("pods metric {name}"), status })
    }

    fn object(&self, spec: &MetricSpec) -> Result<Asks, Failure> {
        let Some(metric) = &spec.object else { return Err(unset("Object")) };
        let (of, name) = (&metric.described_object, &metric.metric.name);
        let failed = |event: String, more: String| Failure {
            reason: "FailedGetObjectMetric",
            error: format!("failed to get object metric value: {more}{event}"),
            event,
        };
        let value = self.usage.value(name, NO_CUSTOM_METRICS).map_err(|e| {
            format!(
                "unable to get metric {name}: {e} on {} {}/{}",
                of.kind, self.namespace, of.name
            )
        });
        let (replicas, shown, current) = match (&metric.target.value, &metric.target.average_value)
        {
            (Some(target), _) if metric.target.type_ == "Value" => {
                let proposal = value
                    .and_then(|v| for_value(self.all(self.replicas.spec).given(), v, milli(target)))
                    .map_err(|e| failed(e, String::new()))?;
                let shown = format!("{} metric {name}", of.kind);
                let current = value_status(Some(decimal(proposal.usage)), None, None);
                (proposal.replicas, shown, current)
            }
            (_, Some(target)) if metric.target.type_ == "AverageValue" => {
                let more = format!("failed to get {name} object metric: ");
                let value = value.map_err(|e| failed(e, more))?;
                let (proposal, current) = self.spread(value, milli(target));
                (proposal.replicas, external_name(&metric.metric), current)
            }
            _ => {
                let text = "invalid object metric source: neither a value target nor an average \
                            value target was set";
                return Err(failed(text.to_owned(), String::new()));
            }
        };
        let object = Some(ObjectMetricStatus {
            described_object: of.clone(),
            metric: metric.metric.clone(),
            current,
        });
        Ok(Asks { replicas, name: shown, status: MetricStatus { object, ..status("Object") } })
    }

    fn external(&self, spec: &MetricSpec) -> Result<Asks, Failure> {
        let Some(metric) = &spec.external else { return Err(unset("External")) };
        let name = &metric.metric.name;
        let failed = |event: String, more: String| Failure {
            reason: "FailedGetExternalMetric",
            error: format!("failed to get {name} external metric value: {more}{event}"),
            event,
        };
        let value = self.usage.value(name, &no_external_metrics(name)).map_err(|e| {
            let selector = selector_text(metric.metric.selector.as_ref());
            format!("unable to get external metric {}/{name}/{selector}: {e}", self.namespace)
        });
        let (replicas, current) = match (&metric.target.average_value, &metric.target.value) {
            (Some(target), _) => {
                let more = format!("failed to get {name} external metric: ");
                let value = value.map_err(|e| failed(e, more))?;
                let (proposal, current) = self.spread(value, milli(target));
                (proposal.replicas, current)
            }
            (None, Some(target)) => {
                let more = format!("failed to get external metric {name}: ");
                let proposal = value
                    .and_then(|v| for_value(self.all(self.replicas.spec).given(), v, milli(target)))
                    .map_err(|e| failed(e, more))?;
                (proposal.replicas, value_status(Some(decimal(proposal.usage)), None, None))
            }
            (None, None) => {
                let text = "invalid external metric source: neither a value target nor an average \
                            value target was set";
                return Err(failed(text.to_owned(), String::new()));
            }
        };
        let external = Some(ExternalMetricStatus { metric: metric.metric.clone(), current });
        let status = MetricStatus { external, ..status("External") };
        Ok(Asks { replicas, name: external_name(&metric.metric), status })
    }

    /// One value, spread among the replicas that there are.
    fn spread(&self, value: i64, target: i64) -> (Proposal, MetricValueStatus) {
        let proposal = for_value_per_pod(self.given(self.replicas.status, &[]), value, target);
        (proposal, value_status(None, Some(decimal(proposal.usage)), None))
    }

    fn given<'b>(&self, current: i32, pods: &'b [Measured]) -> Given<'b> {
        let (tolerances, now) = (self.tolerances, self.usage.now);
        Given { current, tolerances, delays: Delays::default(), pods, now }
    }

    /// All pods, without samples.
    fn all(&self, current: i32) -> Unmeasured<'_> {
        Unmeasured { asking: self, current, pods: self.usage.unmeasured() }
    }
}

struct Unmeasured<'a> {
    asking: &'a Asking<'a>,
    current: i32,
    pods: Vec<Measured>,
}

impl Unmeasured<'_> {
    fn given(&self) -> Given<'_> {
        self.asking.given(self.current, &self.pods)
    }
}

/// The tolerances of an autoscaler (`tolerancesForHpa`).
pub(super) fn tolerances(behavior: Option<&HorizontalPodAutoscalerBehavior>) -> Tolerances {
    let of = |rules: Option<&crate::model::wire::autoscaling::HPAScalingRules>| {
        let text = rules?.tolerance.as_ref()?;
        Some(super::replicas::ratio(milli(text)))
    };
    let mut out = Tolerances::default();
    if let Some(behavior) = behavior {
        out.down = of(behavior.scale_down.as_ref()).unwrap_or(out.down);
        out.up = of(behavior.scale_up.as_ref()).unwrap_or(out.up);
    }
    out
}

/// What a pod requests, in thousandths (`calculateRequests`): of one container, of the pod where it
/// has requests of its own, or of all its containers and sidecars.
fn request(pod: &Pod, resource: &str, container: Option<&str>) -> Result<i64, String> {
    let (wire, name) = (&pod.spec.wire, &pod.meta.name);
    let level = wire.resources.as_ref().and_then(|r| r.requests.as_ref());
    let is_level =
        |r: &String| matches!(r.as_str(), "cpu" | "memory") || r.starts_with("hugepages-");
    if container.is_none() && level.is_some_and(|requests| requests.keys().any(is_level)) {
        return match resource {
            "cpu" => Ok(pod.spec.requests.cpu_milli),
            "memory" => Ok(pod.spec.requests.memory.saturating_mul(1000)),
            _ => Err(format!("missing pod-level request for {resource} in Pod {name}")),
        };
    }
    let is_sidecar =
        |c: &&crate::model::wire::core::Container| c.restart_policy.as_deref() == Some("Always");
    let sidecars = wire.init_containers.iter().flatten().filter(is_sidecar);
    let mut sum = 0_i64;
    for c in wire.containers.iter().chain(sidecars) {
        if container.is_some_and(|wanted| wanted != c.name) {
            continue;
        }
        let requests = c.resources.as_ref().and_then(|r| r.requests.as_ref());
        let amount = requests.and_then(|r| r.get(resource)).ok_or_else(|| {
            format!("missing request for {resource} in container {} of Pod {name}", c.name)
        })?;
        sum = sum.saturating_add(milli(amount));
        if container.is_some() {
            return Ok(sum);
        }
    }
    match container {
        Some(container) => Err(format!("container {container} not found in Pod {name}")),
        None => Ok(sum),
    }
}

fn unset(kind: &str) -> Failure {
    let error = format!("no {kind} metric is given");
    Failure { reason: "InvalidMetricSourceType", event: error.clone(), error }
}

fn status(kind: &str) -> MetricStatus {
    MetricStatus { type_: kind.to_owned(), ..MetricStatus::default() }
}

const fn value_status(
    value: Option<WireQuantity>,
    average_value: Option<WireQuantity>,
    average_utilization: Option<i32>,
) -> MetricValueStatus {
    MetricValueStatus { average_utilization, average_value, value }
}

fn external_name(metric: &MetricIdentifier) -> String {
    format!("external metric {}({})", metric.name, selector_text(metric.selector.as_ref()))
}

/// A selector as Go prints it.
fn selector_text(selector: Option<&LabelSelector>) -> String {
    let Some(selector) = selector else { return "nil".to_owned() };
    let labels = selector.match_labels.iter().flatten();
    let labels: String = labels.map(|(k, v)| format!("{k}: {v},")).collect();
    let expressions = selector.match_expressions.iter().flatten().map(|e| {
        let values = e.values.iter().flatten().cloned().collect::<Vec<_>>().join(" ");
        format!(
            "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{values}],}},",
            e.key, e.operator
        )
    });
    let expressions: String = expressions.collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},\
         MatchExpressions:[]LabelSelectorRequirement{{{expressions}}},}}"
    )
}

fn milli(quantity: &WireQuantity) -> i64 {
    quantity.0.parse::<Quantity>().map_or(0, |q| q.milli_value())
}

fn decimal(milli: i64) -> WireQuantity {
    quantity(milli, Format::DecimalSi)
}

fn quantity(milli: i64, format: Format) -> WireQuantity {
    WireQuantity(Quantity::from_milli(milli, format).to_string())
}
