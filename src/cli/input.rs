//! The manifests that a command is given: arguments that all commands share, and how they are read.

use std::io::{self, Read};
use std::path::PathBuf;

use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::load::{self, FieldValidation, Loaded, Options, Rules};

/// Where manifests come from.
#[derive(Debug, clap::Args)]
pub(super) struct Input {
    /// Files, folders and patterns of manifests
    pub(super) paths: Vec<PathBuf>,
    /// A file or folder of manifests, `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    pub(super) filename: Vec<PathBuf>,
    /// What to do about fields that a kind does not have
    #[arg(long, value_enum, default_value_t = Validate::Strict)]
    validate: Validate,
}

/// kubectl's `--validate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Validate {
    /// Refuse them
    Strict,
    /// Warn of them
    Warn,
    /// Pass over them
    Ignore,
}

impl Input {
    /// Whether nothing was named.
    pub(super) fn is_empty(&self) -> bool {
        self.paths.is_empty() && self.filename.is_empty()
    }

    /// All that was named, as the user wrote it.
    pub(super) fn named(&self) -> Vec<PathBuf> {
        self.paths.iter().chain(&self.filename).cloned().collect()
    }

    /// The words that say the same, options first and paths behind `--`.
    pub(super) fn words(&self) -> (Vec<String>, Vec<String>) {
        let mut options: Vec<String> =
            self.filename.iter().map(|path| format!("--filename={}", path.display())).collect();
        match self.validate {
            Validate::Strict => {}
            Validate::Warn => options.push("--validate=warn".to_owned()),
            Validate::Ignore => options.push("--validate=ignore".to_owned()),
        }
        (options, self.paths.iter().map(|path| path.display().to_string()).collect())
    }

    /// Reads everything that was named, and holds it against the rules of the API.
    ///
    /// # Errors
    /// All that is wrong. Input that holds no manifests is wrong too.
    pub(super) fn load(&self) -> Result<Loaded, Vec<Diagnostic>> {
        self.load_by(Rules::Checked)
    }

    /// Reads everything that was named.
    ///
    /// # Errors
    /// All that is wrong. Input that holds no manifests is wrong too.
    pub(super) fn load_by(&self, rules: Rules) -> Result<Loaded, Vec<Diagnostic>> {
        let paths = self.named();
        let mut stdin = io::stdin();
        let reader: Option<&mut dyn Read> =
            if paths.iter().any(|p| p.as_os_str() == "-") { Some(&mut stdin) } else { None };
        let validation = match self.validate {
            Validate::Strict => FieldValidation::Strict,
            Validate::Warn => FieldValidation::Warn,
            Validate::Ignore => FieldValidation::Ignore,
        };
        let options = Options { validation, rules, ..Options::default() };
        let loaded = load::load_with(&paths, reader, options)?;
        if loaded.manifests.is_empty() {
            let names: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
            let message = format!("{} holds no manifests", names.join(", "));
            let problem = Diagnostic::new(Code::NothingToLoad, message)
                .server("no objects passed to apply")
                .hint("a manifest begins with apiVersion, kind and metadata");
            return Err(vec![problem]);
        }
        Ok(loaded)
    }
}
