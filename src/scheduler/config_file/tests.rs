//! Files of settings as they are written, and what is made or said of them.

use super::*;
use crate::scheduler::config::Strategy;
use crate::scheduler::plugins::PluginId;

const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

fn load(body: &str) -> Result<Config, Vec<String>> {
    let source = Source::new("scheduler.yaml", format!("{HEAD}{body}"));
    read(&source).map(|s| s.config).map_err(|problems| {
        let place =
            |d: &Diagnostic| d.location.as_ref().map(ToString::to_string).unwrap_or_default();
        problems.iter().map(|d| format!("{} {}", place(d), d.message)).collect()
    })
}

fn refused(body: &str, expect: &[&str]) {
    assert_eq!(load(body).unwrap_err(), expect, "{body}");
}

#[test]
fn an_empty_file_is_the_default_configuration() {
    assert_eq!(load("").unwrap(), Config::default());
}

#[test]
fn several_profiles_have_their_own_plugins_weights_and_arguments() {
    let config = load(
        "percentageOfNodesToScore: 30
podInitialBackoffSeconds: 2
podMaxBackoffSeconds: 20
profiles:
- schedulerName: default-scheduler
- schedulerName: packing
  percentageOfNodesToScore: 70
  plugins:
    multiPoint:
      enabled: [{name: NodeResourcesFit, weight: 5}]
      disabled: [{name: InterPodAffinity}]
    score:
      disabled: [{name: '*'}]
      enabled: [{name: NodeResourcesFit, weight: 7}, {name: ImageLocality}]
    filter:
      disabled: [{name: TaintToleration}]
  pluginConfig:
  - name: NodeResourcesFit
    args:
      scoringStrategy:
        type: RequestedToCapacityRatio
        resources: [{name: cpu, weight: 3}, {name: nvidia.com/gpu}]
        requestedToCapacityRatio:
          shape: [{utilization: 0, score: 0}, {utilization: 100, score: 10}]
  - name: PodTopologySpread
    args:
      defaultingType: List
      defaultConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
",
    )
    .unwrap();
    assert_eq!(config.percentage_of_nodes_to_score, 30);
    assert_eq!(config.max_backoff, Duration::from_secs(20));
    assert_eq!(config.profiles[0], Profile::default());
    let packing = config.profile("packing").unwrap();
    assert_eq!(packing.percentage_of_nodes_to_score, Some(70));
    assert_eq!(packing.score, [(PluginId::NodeResourcesFit, 7), (PluginId::ImageLocality, 1)]);
    assert!(!packing.filter.contains(&PluginId::TaintToleration));
    assert!(!packing.pre_filter.contains(&PluginId::InterPodAffinity));
    let Strategy::RequestedToCapacityRatio(shape) = &packing.args.fit.strategy else { panic!() };
    assert_eq!(shape[1].score, 100);
    let weights: Vec<i64> = packing.args.fit.resources.iter().map(|r| r.weight).collect();
    assert_eq!(weights, [3, 1]);
    assert!(packing.args.spread.defaults[0].hard && !packing.args.spread.system);
}

#[test]
fn misspelt_and_mistyped_fields_are_refused_with_their_place() {
    refused("profile: []\n", &["scheduler.yaml:3:1 unknown field \"profile\""]);
    refused(
        "profiles:\n- pluginConfig:\n  - name: NodeAffinity\n    args: {added: {}}\n",
        &["scheduler.yaml:6:12 unknown field \"added\""],
    );
    let wrong = load("parallelism: many\n").unwrap_err();
    assert!(wrong[0].contains("cannot unmarshal string into Go struct field"), "{wrong:?}");
}

#[test]
fn values_are_judged_in_the_schedulers_words() {
    refused(
        "percentageOfNodesToScore: 101\npodInitialBackoffSeconds: 5\npodMaxBackoffSeconds: 2\n",
        &[
            "scheduler.yaml:3:1 percentageOfNodesToScore: Invalid value: 101: not in valid range [0-100]",
            "scheduler.yaml:5:1 podMaxBackoffSeconds: Invalid value: 2: must be greater than or equal to \
             PodInitialBackoffSeconds",
        ],
    );
    refused(
        "profiles: [{schedulerName: a}, {schedulerName: a}, {}]\n",
        &[
            "scheduler.yaml:3:33 profiles[1].schedulerName: Duplicate value: \"profiles[0].schedulerName\"",
            "scheduler.yaml:3:52 profiles[2].schedulerName: Required value",
        ],
    );
    refused(
        "profiles:\n- pluginConfig:\n  - name: NodeResourcesFit\n    args: {scoringStrategy: {type: Most}}\n",
        &[
            "scheduler.yaml:6:30 profiles[0].pluginConfig[0].args.scoringStrategy.type: Unsupported value: \
           \"Most\": supported values: \"LeastAllocated\", \"MostAllocated\", \"RequestedToCapacityRatio\"",
        ],
    );
    refused(
        "profiles:\n- pluginConfig:\n  - name: DefaultPreemption\n    args: {minCandidateNodesPercentage: 0, minCandidateNodesAbsolute: 0}\n",
        &[
            "scheduler.yaml:6:12 profiles[0].pluginConfig[0].args.minCandidateNodesPercentage: Invalid value: \
             0: cannot be zero at the same time as minCandidateNodesAbsolute",
            "scheduler.yaml:6:44 profiles[0].pluginConfig[0].args.minCandidateNodesAbsolute: Invalid value: 0: \
             cannot be zero at the same time as minCandidateNodesPercentage",
        ],
    );
}

#[test]
fn profiles_that_cannot_be_built_are_refused() {
    let creating = "initializing profiles: creating profile for scheduler name default-scheduler:";
    refused(
        "profiles:\n- plugins:\n    filter:\n      enabled: [{name: NodeNam}]\n",
        &[&format!("scheduler.yaml:6:18 {creating} FilterPlugin \"NodeNam\" does not exist")],
    );
    refused(
        "profiles:\n- plugins:\n    score:\n      enabled: [{name: NodeName}]\n",
        &[&format!(
            "scheduler.yaml:6:18 {creating} plugin \"NodeName\" does not extend ScorePlugin plugin"
        )],
    );
    refused(
        "profiles:\n- plugins:\n    bind:\n      disabled: [{name: '*'}]\n",
        &[&format!(
            "scheduler.yaml:4:3 {creating} at least one bind plugin is needed for profile with scheduler name \
             \"default-scheduler\""
        )],
    );
}

#[test]
fn extenders_are_refused_with_words() {
    let said = load("extenders: [{urlPrefix: 'http://x'}]\n").unwrap_err();
    assert_eq!(
        said,
        ["scheduler.yaml:3:1 extenders are not modelled: nothing is called over a network"]
    );
}

#[test]
fn another_kind_of_document_is_refused() {
    let source = Source::new("pod.yaml", "apiVersion: v1\nkind: Pod\n");
    let said = read(&source).unwrap_err();
    assert!(said[0].message.starts_with("no kind \"Pod\" is registered for version \"v1\""));
    assert!(read(&Source::new("none.yaml", "# nothing\n")).is_err());
}
