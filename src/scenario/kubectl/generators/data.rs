//! `kubectl create configmap`, `kubectl create secret`.
//!
//! After `pkg/cmd/create/create_configmap.go`, `create_secret*.go` and `pkg/cmd/util/env_file.go`.
//! Variables of the environment are not read: a line of an env file without `=` gives an empty value.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde_json::{Value, json};

use super::super::args::Args;
use super::super::create::name;
use super::super::table::{
    DRY_RUN, Flag, MANAGER, PRINT, SAVE, VALIDATE, Verb, list, switch, text, texts,
};
use super::super::{Cx, Failure, Tasks};
use super::{one, verb};
use crate::api::names;

const HASH: Flag = switch("append-hash").refused("name the object for what it holds");

const SOURCES: &[Flag] = &[list("from-file"), texts("from-literal"), list("from-env-file"), HASH];

pub(super) const CONFIG_MAP: Verb = verb(
    "create configmap",
    &["cm"],
    "create configmap NAME [--from-file=[key=]source] [--from-literal=key1=value1] [--dry-run=server|client|none] [options]",
    "Create a config map based on a file, directory, or specified literal value.",
    &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, SOURCES],
    config_map,
);

pub(super) const GENERIC: Verb = verb(
    "create secret generic",
    &[],
    "create secret generic NAME [--type=string] [--from-file=[key=]source] [--from-literal=key1=value1] [--dry-run=server|client|none] [options]",
    "Create a secret based on a file, directory, or specified literal value.",
    &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, SOURCES, &[text("type")]],
    generic,
);

pub(super) const TLS: Verb = verb(
    "create secret tls",
    &[],
    "create secret tls NAME --cert=path/to/cert/file --key=path/to/key/file [--dry-run=server|client|none] [options]",
    "Create a TLS secret from the given public/private key pair.",
    &[PRINT, DRY_RUN, MANAGER, VALIDATE, SAVE, &[text("cert"), text("key"), HASH]],
    tls,
);

pub(super) const DOCKER: Verb = verb(
    "create secret docker-registry",
    &[],
    "create secret docker-registry NAME --docker-username=user --docker-password=password --docker-email=email [--docker-server=string] [--from-file=[key=]source] [--dry-run=server|client|none] [options]",
    "Create a new secret for use with Docker registries.",
    &[
        PRINT,
        DRY_RUN,
        MANAGER,
        VALIDATE,
        SAVE,
        &[
            text("docker-username"),
            text("docker-password"),
            text("docker-email"),
            text("docker-server").or("https://index.docker.io/v1/"),
            list("from-file"),
            HASH,
        ],
    ],
    docker,
);

/// Keys and their bytes.
type Data = BTreeMap<String, Vec<u8>>;

/// How a kind refuses a key.
#[derive(Clone, Copy)]
struct Rules<'a> {
    wrong: fn(&str, &str) -> String,
    taken: fn(&str, &str) -> String,
    folder: &'a str,
    name: &'a str,
}

const SECRET: Rules<'static> = Rules {
    wrong: |key, why| format!("{key:?} is not valid key name for a Secret {why}"),
    taken: |key, _| format!("cannot add key {key}, another key by that name already exists"),
    folder: "env secret file cannot be a directory",
    name: "",
};

fn add(data: &mut Data, key: &str, value: Vec<u8>, rules: Rules<'_>) -> Result<(), Failure> {
    let wrong = names::config_map_key(key);
    if !wrong.is_empty() {
        return Err((rules.wrong)(key, &wrong.join(",")).into());
    }
    if data.contains_key(key) {
        return Err((rules.taken)(key, rules.name).into());
    }
    data.insert(key.to_owned(), value);
    Ok(())
}

fn literals(args: &Args, data: &mut Data, rules: Rules<'_>) -> Result<(), Failure> {
    for literal in args.list("from-literal") {
        match literal.split_once('=').filter(|(key, _)| !key.is_empty()) {
            Some((key, value)) => add(data, key, value.as_bytes().to_vec(), rules)?,
            None => {
                return Err(format!("invalid literal source {literal}, expected key=value").into());
            }
        }
    }
    Ok(())
}

/// `KEY=PATH` or `PATH` (`ParseFileSource`).
fn source(text: &str) -> Result<(String, &str), Failure> {
    match text.matches('=').count() {
        0 => Ok((text.trim_end_matches('/').rsplit('/').next().unwrap_or(text).to_owned(), text)),
        1 => match text.split_once('=') {
            Some(("", path)) => Err(format!("key name for file path {path} missing").into()),
            Some((key, "")) => Err(format!("file path for key name {key} missing").into()),
            Some((key, path)) => Ok((key.to_owned(), path)),
            None => Ok((text.to_owned(), text)),
        },
        _ => Err("key names or file paths cannot contain '='".into()),
    }
}

fn files(
    sources: &[String],
    data: &mut Data,
    rules: Rules<'_>,
    cx: &Cx<'_>,
) -> Result<(), Failure> {
    for text in sources {
        let (key, path) = source(text)?;
        let Some(names) = cx.files.folder(path)? else {
            add(data, &key, cx.files.data(path)?, rules)?;
            continue;
        };
        if text.contains('=') {
            return Err("cannot give a key name for a directory path".into());
        }
        for name in names {
            let bytes = cx.files.data(&format!("{}/{name}", path.trim_end_matches('/')))?;
            add(data, &name, bytes, rules)?;
        }
    }
    Ok(())
}

fn env_files(args: &Args, data: &mut Data, rules: Rules<'_>, cx: &Cx<'_>) -> Result<(), Failure> {
    for path in args.list("from-env-file") {
        if cx.files.folder(path)?.is_some() {
            return Err(rules.folder.into());
        }
        let bytes = cx.files.data(path)?;
        let Ok(text) = std::str::from_utf8(&bytes) else {
            return Err(format!("env file {path} contains invalid utf8 bytes").into());
        };
        for line in text.strip_prefix('\u{feff}').unwrap_or(text).lines() {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line.split_once('=').unwrap_or((line, ""));
            let wrong = names::env_var_name(key);
            if !wrong.is_empty() {
                return Err(format!("{key:?} is not a valid key name: {}", wrong.join(";")).into());
            }
            add(data, key, value.as_bytes().to_vec(), rules)?;
        }
    }
    Ok(())
}

fn check_sources(args: &Args) -> Result<(), Failure> {
    let plain = !args.list("from-file").is_empty() || !args.list("from-literal").is_empty();
    if !args.list("from-env-file").is_empty() && plain {
        return Err("from-env-file cannot be combined with from-file or from-literal".into());
    }
    Ok(())
}

fn base64(bytes: Vec<u8>) -> Value {
    serde_json::to_value(ByteString(bytes)).unwrap_or_default()
}

fn config_map(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let name = name(args)?;
    check_sources(args)?;
    let rules = Rules {
        wrong: |key, why| format!("{key:?} is not a valid key name for a ConfigMap: {why}"),
        taken: |key, name| {
            format!(
                "cannot add key {key:?}, another key by that name already exists in Data for ConfigMap {name:?}"
            )
        },
        folder: "env config file cannot be a directory",
        name: &name,
    };
    let mut data = Data::new();
    files(args.list("from-file"), &mut data, rules, cx)?;
    literals(args, &mut data, rules)?;
    env_files(args, &mut data, rules, cx)?;
    let mut document = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
    for (key, bytes) in data {
        match String::from_utf8(bytes) {
            Ok(text) => document["data"][key] = text.into(),
            Err(error) => document["binaryData"][key] = base64(error.into_bytes()),
        }
    }
    one(document, "configmap:", args, cx)
}

fn secret(name: &str, of: &str, data: Data, args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let mut document = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}});
    if !of.is_empty() {
        document["type"] = of.into();
    }
    for (key, bytes) in data {
        document["data"][key] = base64(bytes);
    }
    one(document, "secret", args, cx)
}

fn generic(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let name = name(args)?;
    check_sources(args)?;
    let mut data = Data::new();
    literals(args, &mut data, SECRET)?;
    files(args.list("from-file"), &mut data, SECRET, cx)?;
    env_files(args, &mut data, SECRET, cx)?;
    secret(&name, args.text("type"), data, args, cx)
}

fn tls(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    let name = name(args)?;
    let (cert, key) = (args.text("cert"), args.text("key"));
    if cert.is_empty() || key.is_empty() {
        return Err("key and cert must be specified".into());
    }
    let read = |path: &str| {
        cx.files.data(path).map_err(|_| {
            Failure::Plain(format!(
                "Cannot read file {path}, open {path}: no such file or directory"
            ))
        })
    };
    let (cert, key) = (read(cert)?, read(key)?);
    for (bytes, block, what) in
        [(&cert, "CERTIFICATE-----", "certificate"), (&key, "PRIVATE KEY-----", "key")]
    {
        let text = String::from_utf8_lossy(bytes);
        if !text.contains("-----BEGIN ") || !text.contains(block) {
            return Err(format!("tls: failed to find any PEM data in {what} input").into());
        }
    }
    let data = [("tls.crt".to_owned(), cert), ("tls.key".to_owned(), key)].into();
    secret(&name, "kubernetes.io/tls", data, args, cx)
}

fn docker(args: &Args, cx: &Cx<'_>) -> Result<Tasks, Failure> {
    const KEY: &str = ".dockerconfigjson";
    let name = name(args)?;
    let text = |flag: &str| args.text(flag).to_owned();
    let (user, password, server) =
        (text("docker-username"), text("docker-password"), text("docker-server"));
    let sources: Vec<String> = args
        .list("from-file")
        .iter()
        .map(|s| if s.contains('=') { s.clone() } else { format!("{KEY}={s}") })
        .collect();
    if sources.is_empty() && (user.is_empty() || password.is_empty() || server.is_empty()) {
        return Err("either --from-file or the combination of --docker-username, --docker-password and --docker-server is required".into());
    }
    let mut data = Data::new();
    files(&sources, &mut data, SECRET, cx)?;
    if sources.is_empty() {
        let auth = base64(format!("{user}:{password}").into_bytes());
        let mut entry = json!({"username": user, "password": password});
        if !args.text("docker-email").is_empty() {
            entry["email"] = text("docker-email").into();
        }
        entry["auth"] = auth;
        let config = json!({"auths": {server: entry}});
        data.insert(KEY.to_owned(), config.to_string().into_bytes());
    }
    secret(&name, "kubernetes.io/dockerconfigjson", data, args, cx)
}
