//! Reading manifests: 10,000 documents, about 20 MB, through parsing, strict decoding, defaulting and
//! validation, and the whole of `wavetank check` on them.
//!
//! `cargo bench --bench manifests`. The aim is below 2 s for the whole process on one core.

#![expect(missing_docs, reason = "a bench is no library")]

use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use wavetank::api::load::{Options, load_sources};
use wavetank::api::source::Source;

const DOCUMENTS: usize = 10_000;

fn main() {
    divan::main();
}

/// The pod spec most documents share: two containers with all that charts write.
const POD: &str = r#"
      serviceAccountName: web-SERIAL
      securityContext: {runAsNonRoot: true, runAsUser: 1000, fsGroup: 2000}
      affinity:
        podAntiAffinity:
          preferredDuringSchedulingIgnoredDuringExecution:
            - weight: 100
              podAffinityTerm:
                labelSelector:
                  matchLabels: {app.kubernetes.io/name: web, app.kubernetes.io/instance: web-SERIAL}
                topologyKey: kubernetes.io/hostname
      initContainers:
        - name: wait-for-backend
          image: "docker.io/library/busybox:1.36"
          command: ["sh", "-c", "until nslookup backend-SERIAL; do echo waiting; sleep 2; done"]
      containers:
        - name: web
          image: "registry.example.com/team/web:1.2.SERIAL"
          imagePullPolicy: IfNotPresent
          ports:
            - {name: http, containerPort: 8080, protocol: TCP}
            - {name: metrics, containerPort: 9090, protocol: TCP}
          env:
            - name: POD_NAME
              valueFrom: {fieldRef: {fieldPath: metadata.name}}
            - name: DATABASE_URL
              value: "postgres://db-SERIAL.default.svc.cluster.local:5432/app?sslmode=require"
            - name: PASSWORD
              valueFrom: {secretKeyRef: {name: db-SERIAL, key: password}}
          resources:
            requests: {cpu: 250m, memory: 256Mi}
            limits: {cpu: "1", memory: 512Mi}
          livenessProbe:
            httpGet: {path: /healthz, port: http}
            initialDelaySeconds: 10
            periodSeconds: 15
          readinessProbe:
            httpGet: {path: /ready, port: http}
            periodSeconds: 5
          volumeMounts:
            - {name: config, mountPath: /etc/web}
            - {name: tmp, mountPath: /tmp}
        - name: exporter
          image: "registry.example.com/team/exporter:0.9.SERIAL"
          args: ["--web.listen-address=:9113", "--log.level=info"]
          resources:
            requests: {cpu: 50m, memory: 32Mi}
      volumes:
        - name: config
          configMap: {name: web-SERIAL}
        - name: tmp
          emptyDir: {}
"#;

fn document(serial: usize) -> String {
    let name = format!("web-{serial}");
    let labels = format!("{{app.kubernetes.io/name: web, app.kubernetes.io/instance: {name}}}");
    let template = format!("  template:\n    metadata:\n      labels: {labels}\n    spec:{POD}")
        .replace("SERIAL", &serial.to_string());
    let head = |version: &str, kind: &str| {
        format!(
            "apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n  labels: {labels}\n"
        )
    };
    match serial % 8 {
        0 => format!(
            "{}spec:\n  type: ClusterIP\n  selector: {labels}\n  ports:\n    - {{name: http, port: 80, targetPort: http}}\n",
            head("v1", "Service")
        ),
        1 => {
            let mut out = format!("{}data:\n  app.conf: |\n", head("v1", "ConfigMap"));
            for line in 0..60 {
                let _written =
                    writeln!(out, "    setting.{line} = value of number {line} # {serial}");
            }
            out
        }
        2 => format!(
            "{}spec:\n  serviceName: {name}\n  replicas: 3\n  selector:\n    matchLabels: {labels}\n{template}",
            head("apps/v1", "StatefulSet")
        ),
        3 => format!(
            "{}spec:\n  selector:\n    matchLabels: {labels}\n{template}",
            head("apps/v1", "DaemonSet")
        ),
        _ => format!(
            "{}spec:\n  replicas: 3\n  selector:\n    matchLabels: {labels}\n  strategy:\n    rollingUpdate: {{maxSurge: 1, maxUnavailable: 0}}\n{template}",
            head("apps/v1", "Deployment")
        ),
    }
}

fn documents() -> String {
    (0..DOCUMENTS).map(document).collect::<Vec<_>>().join("---\n")
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn load(bencher: divan::Bencher<'_, '_>) {
    let source = Arc::new(Source::new("all.yaml", documents()));
    bencher.bench_local(|| {
        let loaded = load_sources(std::slice::from_ref(&source), Options::default());
        assert!(loaded.is_ok_and(|loaded| loaded.manifests.len() == DOCUMENTS), "all is well");
    });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn check(bencher: divan::Bencher<'_, '_>) {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifests-bench.yaml");
    std::fs::write(&path, documents()).expect("the folder for such files can be written");
    bencher.bench_local(|| {
        let done = Command::new(env!("CARGO_BIN_EXE_wavetank"))
            .arg("check")
            .arg(&path)
            .stdout(Stdio::null())
            .status();
        assert!(done.is_ok_and(|status| status.success()), "nothing is refused");
    });
}
