//! Verbs that a step cannot use, each with the reason and what to do instead.

use super::Failure;
use super::table::{Treatment, Verb};

const fn refused(
    path: &'static str,
    usage: &'static str,
    about: &'static str,
    why: &'static str,
) -> Verb {
    Verb {
        path,
        aliases: &[],
        usage,
        about,
        // Whatever flags such a line has, the refusal is what counts.
        flags: &[],
        treatment: Treatment::Refused(why),
        plan: |_, _| Err(Failure::Silent),
    }
}

pub(super) const VERBS: &[Verb] = &[
    refused(
        "edit",
        "edit (RESOURCE/NAME | -f FILENAME)",
        "Edit a resource from the default editor.",
        "a step has no editor\nwavetank hint: use kubectl patch, kubectl set or kubectl apply",
    ),
    refused(
        "cp",
        "cp <file-spec-src> <file-spec-dest>",
        "Copy files and directories to and from containers.",
        "nothing is copied between your machine and a simulated container\nwavetank hint: put the files in a ConfigMap and mount it, or write them with kubectl exec",
    ),
    refused(
        "attach",
        "attach (POD | TYPE/NAME) -c CONTAINER",
        "Attach to a running container.",
        "a step has nobody to attach\nwavetank hint: use kubectl logs",
    ),
    refused(
        "port-forward",
        "port-forward TYPE/NAME [LOCAL_PORT:]REMOTE_PORT",
        "Forward one or more local ports to a pod.",
        "simulated pods are not reachable from your machine\nwavetank hint: run a client with kubectl exec",
    ),
    refused(
        "proxy",
        "proxy [--port=PORT]",
        "Run a proxy to the Kubernetes API server.",
        "there is no API server to reach over the network",
    ),
    refused(
        "certificate",
        "certificate (approve | deny) NAME",
        "Modify certificate resources.",
        "certificates are not modelled",
    ),
    refused(
        "config",
        "config SUBCOMMAND",
        "Modify kubeconfig files.",
        "there is one cluster, and no kubeconfig file\nwavetank hint: give -n on each line",
    ),
    refused(
        "diff",
        "diff -f FILENAME",
        "Diff the live version against a would-be applied version.",
        "a step starts no diff program\nwavetank hint: compare two runs, or use kubectl apply --dry-run=server -o yaml",
    ),
    refused(
        "explain",
        "explain TYPE",
        "Get documentation for a resource.",
        "the documentation of fields is not part of wavetank\nwavetank hint: wavetank explain tells about an object of a run",
    ),
    refused(
        "kustomize",
        "kustomize DIR",
        "Build a kustomization target from a directory or URL.",
        "kustomize is not part of wavetank: write its output to a file and apply that",
    ),
    refused(
        "plugin",
        "plugin [flags]",
        "Provides utilities for interacting with plugins.",
        "no program of your machine is run",
    ),
    refused(
        "completion",
        "completion SHELL",
        "Output shell completion code for the specified shell.",
        "a step has no shell",
    ),
    refused(
        "create token",
        "create token SERVICE_ACCOUNT_NAME",
        "Request a service account token.",
        "there is no authentication, and no token",
    ),
];
