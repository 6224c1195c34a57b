//! The openb form of cluster traces: a list of nodes and a list of pods as comma-separated values, as in
//! Alibaba's GPU cluster trace of 2023.
//!
//! Nodes have `sn`, `cpu_milli`, `memory_mib`, `gpu` and `model`; pods have `name`, `cpu_milli`, `memory_mib`,
//! `num_gpu`, `gpu_milli`, `gpu_spec`, `qos`, `pod_phase`, `creation_time`, `deletion_time` and
//! `scheduled_time`, in seconds since the start. Columns are found by their names; others are passed over.
//!
//! A pod is created when the trace says and runs for as long as it ran there, from its scheduling to its
//! deletion, wherever and whenever it is placed here; one without an end runs until the run ends. GPUs are one
//! extended resource in thousandths, [`GPU`]: shares of one device are added up over a node, so that what fits
//! a node fits, though it may not fit one device. The models that a pod accepts are a required node affinity to
//! the label [`MODEL`].

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::cluster::NodeSpec;
use super::runner::{StepAction, TimedStep};

/// The extended resource of GPUs, in thousandths of a device.
pub const GPU: &str = "alibabacloud.com/gpu-milli";
/// The label of a node's model of GPU.
pub const MODEL: &str = "alibabacloud.com/gpu-card-model";
/// More rows than this are not read.
pub const MOST_ROWS: usize = 200_000;
/// Nothing of a trace is later than this after its start.
const LONGEST: u64 = 366 * 24 * 3600;

/// A trace as it is run.
#[derive(Clone, Debug)]
pub struct Openb {
    /// Its nodes.
    pub nodes: Vec<NodeSpec>,
    /// Its pods, by the time at which they are created.
    pub steps: Vec<TimedStep>,
    /// How many pods there are.
    pub pods: usize,
    /// An hour after the last that the trace tells of.
    pub length: Duration,
}

/// Reads the two lists.
///
/// # Errors
/// What is wrong, with the list, the line and the column.
pub fn read(nodes: (&str, &str), pods: (&str, &str)) -> Result<Openb, String> {
    let mut specs = Vec::new();
    for row in Table::read(nodes.0, nodes.1)? {
        specs.push(node(&row?)?);
    }
    let (mut by_time, mut last, mut count) = (BTreeMap::<u64, Vec<Value>>::new(), 0, 0);
    for row in Table::read(pods.0, pods.1)? {
        let row = row?;
        let created = row.number("creation_time")?;
        last = last.max(created).max(row.optional("deletion_time")?.unwrap_or(0));
        by_time.entry(created).or_default().push(pod(&row)?);
        count += 1;
    }
    if last > LONGEST {
        return Err(format!(
            "{}: it lasts for {last} s, and a run for {LONGEST} s at most",
            pods.0
        ));
    }
    let source = pods.0.to_owned();
    let steps = by_time.into_iter().map(|(at, documents)| TimedStep {
        at: Duration::from_secs(at),
        written: format!("{at}s"),
        action: StepAction::Apply { source: source.clone(), documents },
        ..TimedStep::default()
    });
    let length = Duration::from_secs(last + 3600);
    Ok(Openb { nodes: specs, steps: steps.collect(), pods: count, length })
}

fn node(row: &Row<'_>) -> Result<NodeSpec, String> {
    let mut node = NodeSpec::worker(name(row.text("sn")?));
    node.capacity.insert("cpu".into(), format!("{}m", row.number("cpu_milli")?));
    node.capacity.insert("memory".into(), format!("{}Mi", row.number("memory_mib")?));
    let gpus = row.optional("gpu")?.unwrap_or(0);
    if gpus > 0 {
        node.capacity.insert(GPU.into(), row.thousand(gpus)?);
        node.labels.insert(MODEL.into(), row.text("model")?.into());
    }
    Ok(node)
}

fn pod(row: &Row<'_>) -> Result<Value, String> {
    let mut requests = Map::new();
    requests.insert("cpu".into(), format!("{}m", row.number("cpu_milli")?).into());
    requests.insert("memory".into(), format!("{}Mi", row.number("memory_mib")?).into());
    let gpus = row.optional("num_gpu")?.unwrap_or(0);
    let milli = row.optional("gpu_milli")?.filter(|milli| *milli > 0).unwrap_or(1000);
    let mut limits = Map::new();
    if gpus > 0 {
        let all = gpus.checked_mul(milli).ok_or_else(|| row.wrong("num_gpu", "is too large"))?;
        requests.insert(GPU.into(), all.to_string().into());
        limits.insert(GPU.into(), all.to_string().into());
    }
    let phase = row.get("pod_phase").unwrap_or_default();
    let mut annotations = Map::new();
    if let Some(ended) = row.optional("deletion_time")? {
        let created = row.number("creation_time")?;
        let started = row.optional("scheduled_time")?.unwrap_or(created).max(created);
        let length = ended.saturating_sub(started).max(1);
        annotations.insert("wavetank.dev/duration".into(), format!("{length}s").into());
        let code = if phase == "Failed" { "1" } else { "0" };
        annotations.insert("wavetank.dev/exitCode".into(), code.into());
    } else {
        annotations.insert("wavetank.dev/duration".into(), "forever".into());
    }
    let models: Vec<&str> =
        row.get("gpu_spec").unwrap_or_default().split('|').filter(|m| !m.is_empty()).collect();
    let mut spec = json!({
        "restartPolicy": "Never",
        "containers": [{"name": "main", "image": "openb", "resources": {"requests": requests, "limits": limits}}],
    });
    if !models.is_empty() && gpus > 0 {
        let wanted = json!([{"key": MODEL, "operator": "In", "values": models}]);
        spec["affinity"] = json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [{"matchExpressions": wanted}]}}});
    }
    let labels = json!({"qos": row.get("qos").unwrap_or_default()});
    Ok(json!({"apiVersion": "v1", "kind": "Pod", "spec": spec,
        "metadata": {"name": name(row.text("name")?), "namespace": "default", "labels": labels,
            "annotations": annotations}}))
}

/// A name as Kubernetes allows it.
fn name(text: &str) -> String {
    text.to_ascii_lowercase().replace('_', "-")
}

/// A list of the trace.
struct Table<'t> {
    file: &'t str,
    header: csv::StringRecord,
}

/// One row of it.
struct Row<'t> {
    table: Table<'t>,
    record: csv::StringRecord,
    line: u64,
}

impl<'t> Table<'t> {
    /// The rows of a list.
    fn read(
        file: &'t str,
        text: &'t str,
    ) -> Result<impl Iterator<Item = Result<Row<'t>, String>>, String> {
        let mut reader = csv::Reader::from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| format!("{file}: {e}"))?.clone();
        let rows = reader.into_records().enumerate().map(move |(i, record)| {
            let record = record.map_err(|e| format!("{file}: {e}"))?;
            if i >= MOST_ROWS {
                return Err(format!("{file}: it has more than {MOST_ROWS} rows"));
            }
            let line = record.position().map_or(0, csv::Position::line);
            Ok(Row { table: Table { file, header: header.clone() }, record, line })
        });
        Ok(rows)
    }
}

impl Row<'_> {
    fn get(&self, column: &str) -> Option<&str> {
        let place = self.table.header.iter().position(|name| name.trim() == column)?;
        self.record.get(place).map(str::trim).filter(|cell| !cell.is_empty())
    }

    fn text(&self, column: &str) -> Result<&str, String> {
        self.get(column).ok_or_else(|| self.wrong(column, "is missing"))
    }

    fn number(&self, column: &str) -> Result<u64, String> {
        self.optional(column)?.ok_or_else(|| self.wrong(column, "is missing"))
    }

    /// A whole number; some lists write `12.0`.
    fn optional(&self, column: &str) -> Result<Option<u64>, String> {
        let Some(text) = self.get(column) else { return Ok(None) };
        let whole = text.strip_suffix(".0").unwrap_or(text);
        whole
            .parse()
            .map(Some)
            .map_err(|_| self.wrong(column, &format!("is `{text}`, not a whole number")))
    }

    fn thousand(&self, gpus: u64) -> Result<String, String> {
        let milli = gpus.checked_mul(1000).ok_or_else(|| self.wrong("gpu", "is too large"))?;
        Ok(milli.to_string())
    }

    fn wrong(&self, column: &str, what: &str) -> String {
        format!("{}:{}: `{column}` {what}", self.table.file, self.line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODES: &str = "sn,cpu_milli,memory_mib,gpu,model\nopenb-node-0000,64000,262144,2,P100\nopenb-node-0001,8000,16384,0,\n";
    const PODS: &str = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\n\
        openb-pod-0000,12000,16384,1,1000,,LS,Running,0,12537496,0.0\n\
        openb-pod-0001,6000,12288,1,460,V100M16|P100,LS,Failed,0,90,30\n\
        openb-pod-0002,1000,1024,0,0,,BE,Pending,427,,\n";

    #[test]
    fn nodes_and_pods_become_what_kubernetes_has_for_them() {
        let trace = read(("n.csv", NODES), ("p.csv", PODS)).unwrap();
        assert_eq!((trace.nodes.len(), trace.pods, trace.steps.len()), (2, 3, 2));
        assert_eq!(trace.nodes[0].capacity[GPU], "2000");
        assert_eq!(trace.nodes[0].labels[MODEL], "P100");
        assert!(!trace.nodes[1].capacity.contains_key(GPU));
        assert_eq!(trace.length, Duration::from_secs(12_537_496 + 3600));
        let StepAction::Apply { documents, .. } = &trace.steps[0].action else { panic!("pods") };
        let (first, second) = (&documents[0], &documents[1]);
        assert_eq!(first["metadata"]["annotations"]["wavetank.dev/duration"], "12537496s");
        assert_eq!(second["metadata"]["annotations"]["wavetank.dev/duration"], "60s");
        assert_eq!(second["metadata"]["annotations"]["wavetank.dev/exitCode"], "1");
        assert_eq!(second["spec"]["containers"][0]["resources"]["requests"][GPU], "460");
        assert!(second["spec"]["affinity"].to_string().contains("V100M16"));
        assert_eq!(trace.steps[1].at, Duration::from_secs(427));
    }

    #[test]
    fn what_is_wrong_is_told_with_list_line_and_column() {
        let refused =
            |nodes: &str, pods: &str| read(("n.csv", nodes), ("p.csv", pods)).unwrap_err();
        assert_eq!(
            refused("sn,cpu_milli\na,x\n", PODS),
            "n.csv:2: `cpu_milli` is `x`, not a whole number"
        );
        assert_eq!(refused("sn,cpu_milli\na,1\n", PODS), "n.csv:2: `memory_mib` is missing");
        let late = "name,cpu_milli,memory_mib,creation_time\np,1,1,99999999999\n";
        assert!(refused(NODES, late).contains("lasts for"));
    }
}
