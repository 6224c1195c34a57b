//! Checkpoints: `wavetank run … --save FILE` and `wavetank run --resume FILE`.
//!
//! A checkpoint is not the state of a simulation. It holds what the run was made of (the command line, as far as
//! it decides about the run, and the text of every file that was read), and where the run stood: how many events
//! had been handled, and the digest after the last of them. To resume is to make the run again, to let it come to
//! that point without a word, to hold its digest against the one that is kept, and to go on. ADR 0008 says why.
//!
//! The first line holds a digest of the rest, so that a file that was cut off or changed by hand is told from
//! one that is whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use clap::Parser as _;
use serde::{Deserialize, Serialize};

use super::exit_code;
use super::floats::Floats;
use super::inputs::named_files;
use crate::api::limits::Limits;
use crate::api::load;
use crate::api::yaml;
use crate::base::digest::digest_of;
use crate::scenario::runner::Mark;

/// No checkpoint is larger, and no more text of files stands in one.
const MOST_BYTES: u64 = 256 << 20;
const FIRST_LINE: &str = "# wavetank checkpoint, digest ";
const API_VERSION: &str = "wavetank.dev/v1alpha1";
const KIND: &str = "Checkpoint";

/// The file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Checkpoint {
    api_version: String,
    kind: String,
    /// Which version of the program wrote it.
    program: String,
    /// The words of the command line that decide about the run.
    run: Vec<String>,
    /// When the run stood there, for people.
    time: String,
    events: u64,
    digest: String,
    /// What was read, by its path.
    files: BTreeMap<String, String>,
}

/// Why a checkpoint cannot be used, and the exit code.
pub(super) type Refused = (String, u8);

fn bad(text: String) -> Refused {
    (text, exit_code::BAD_INPUT)
}

impl Checkpoint {
    /// Of what a run is made of; where it stands is said later.
    ///
    /// # Errors
    /// Manifests of standard input, files that are no text or too large.
    pub(super) fn of(floats: &Floats) -> Result<Self, Refused> {
        let mut files = BTreeMap::new();
        let mut left = MOST_BYTES;
        for path in named_files(floats).map_err(bad)? {
            let text = text_of(&path, left).map_err(bad)?;
            left = left.saturating_sub(text.len() as u64);
            files.insert(path.display().to_string(), text);
        }
        Ok(Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            program: env!("CARGO_PKG_VERSION").to_owned(),
            run: floats.words(),
            time: String::new(),
            events: 0,
            digest: String::new(),
            files,
        })
    }

    /// The same inputs, run as these words say.
    pub(super) fn run_as(mut self, floats: &Floats) -> Self {
        self.run = floats.words();
        self.program = env!("CARGO_PKG_VERSION").to_owned();
        self
    }

    /// Where the run stands.
    pub(super) fn at(mut self, mark: Mark, time: String) -> Self {
        (self.events, self.digest, self.time) =
            (mark.events, format!("{:016x}", mark.digest), time);
        self
    }

    /// Where the run stood.
    pub(super) fn mark(&self) -> Mark {
        let digest = u64::from_str_radix(&self.digest, 16).unwrap_or_default();
        Mark { events: self.events, digest }
    }

    /// The virtual time at which it stood.
    pub(super) fn time(&self) -> &str {
        &self.time
    }

    /// Which version of the program wrote it.
    pub(super) fn program(&self) -> &str {
        &self.program
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        let rest = yaml::write::to_string(self).expect("text and numbers are YAML");
        format!("{FIRST_LINE}{:016x}\n{rest}", digest_of(0, rest.as_bytes()))
    }

    /// Reads a file.
    ///
    /// # Errors
    /// What is no checkpoint, is damaged, or of another form than this program writes.
    pub(super) fn read(path: &Path) -> Result<Self, Refused> {
        let name = path.display();
        let text = text_of(path, MOST_BYTES).map_err(bad)?;
        Self::parse(&text).map_err(|why| bad(format!("{name} {why}")))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
        let digest = first
            .strip_prefix(FIRST_LINE)
            .ok_or("is no checkpoint\n  hint: `wavetank run … --save FILE` writes one")?;
        if digest != format!("{:016x}", digest_of(0, rest.as_bytes())) {
            return Err("is damaged: it was cut off, or changed since it was written".to_owned());
        }
        let document = yaml::read_document(rest, &Limits::default())
            .map_err(|e| format!("cannot be read: {}", e.problem))?;
        let value = document.tree.value(0);
        let (version, kind) = (&value["apiVersion"], &value["kind"]);
        if *kind != KIND || *version != API_VERSION {
            return Err(format!(
                "is a {kind} of {version}, and this program reads a {KIND} of {API_VERSION}"
            ));
        }
        serde_json::from_value(value).map_err(|e| format!("is no checkpoint of this program: {e}"))
    }

    /// The run that it is of.
    ///
    /// # Errors
    /// A command line that this program does not have.
    pub(super) fn floats(&self) -> Result<Floats, Refused> {
        #[derive(clap::Parser)]
        struct Words {
            #[command(flatten)]
            floats: Floats,
        }
        let words = std::iter::once("run").chain(self.run.iter().map(String::as_str));
        let parsed = Words::try_parse_from(words);
        parsed.map(|words| words.floats).map_err(|e| {
            bad(format!(
                "its command line is none of this program (it was made by {}): {e}",
                self.program
            ))
        })
    }

    /// Does something with the files as they were: where they are as they were, and otherwise in a folder
    /// that holds them so.
    ///
    /// # Errors
    /// Files that have changed and cannot be put elsewhere: their paths are absolute, or the run reads files
    /// as it goes.
    pub(super) fn with_files<T>(
        &self,
        floats: &Floats,
        act: impl FnOnce() -> T,
    ) -> Result<T, Refused> {
        let changed = |(path, text): &(&String, &String)| {
            fs::read(path).map_or(true, |now| now != text.as_bytes())
        };
        let new = |path: &PathBuf| !self.files.contains_key(&path.display().to_string());
        let changed = self.files.iter().find(changed).map(|(path, _)| path.clone()).or_else(|| {
            let now = named_files(floats).unwrap_or_default();
            now.into_iter().find(new).map(|path| path.display().to_string())
        });
        let Some(path) = changed else { return Ok(act()) };
        let stays = |path: &String| {
            Path::new(path)
                .components()
                .all(|c| matches!(c, Component::Normal(_) | Component::CurDir))
        };
        let reads_later =
            floats.scenario.is_some() || floats.step.iter().any(|s| s.contains(" -f"));
        if reads_later || !self.files.keys().all(stays) {
            return Err(bad(format!(
                "{path} has changed, or is new, since the checkpoint was made\n  hint: the checkpoint holds it as it was"
            )));
        }
        let failed = |error: std::io::Error| {
            (format!("the files of the checkpoint cannot be unpacked: {error}"), exit_code::IO)
        };
        let folder = std::env::temp_dir().join(format!("wavetank-resume-{}", std::process::id()));
        for (path, text) in &self.files {
            let full = folder.join(path);
            fs::create_dir_all(full.parent().unwrap_or(&folder)).map_err(failed)?;
            fs::write(full, text).map_err(failed)?;
        }
        let here = std::env::current_dir().map_err(failed)?;
        std::env::set_current_dir(&folder).map_err(failed)?;
        let made = act();
        std::env::set_current_dir(here).map_err(failed)?;
        drop(fs::remove_dir_all(&folder));
        Ok(made)
    }
}

fn text_of(path: &Path, most: u64) -> Result<String, String> {
    let bound = format!("a checkpoint holds {} MiB at most", MOST_BYTES >> 20);
    load::text_of(path, most, &bound).map_err(|problem| problem.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        Checkpoint {
            api_version: API_VERSION.into(),
            kind: KIND.into(),
            program: "0.1.0".into(),
            run: vec!["--seed=7".into(), "--".into(), "a b/web.yaml".into()],
            time: "2026-01-01T00:00:05Z".into(),
            events: 12,
            digest: "00000000000000ff".into(),
            files: BTreeMap::from([("a b/web.yaml".into(), "kind: Pod\n# µ: 'x'\n".into())]),
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let read = Checkpoint::parse(&sample().text()).unwrap();
        assert_eq!(read, sample());
        assert_eq!(read.mark(), Mark { events: 12, digest: 255 });
        let floats = read.floats().unwrap();
        assert_eq!((floats.seed, floats.words()), (Some(7), read.run));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        let text = sample().text();
        for cut in [0, 40, text.len() / 2, text.len() - 1] {
            assert!(Checkpoint::parse(&text[..cut]).is_err(), "cut off after {cut} bytes");
        }
        let changed = text.replace("events: 12", "events: 13");
        assert!(Checkpoint::parse(&changed).unwrap_err().contains("damaged"));
        assert!(Checkpoint::parse("kind: Pod\n").unwrap_err().contains("no checkpoint"));
        let other = Checkpoint { api_version: "wavetank.dev/v9".into(), ..sample() }.text();
        assert!(Checkpoint::parse(&other).unwrap_err().contains("wavetank.dev/v9"));
    }
}
