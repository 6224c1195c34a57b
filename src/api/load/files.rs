//! What the user named: files, folders, patterns, the standard input. Nothing else is ever read.
//!
//! A folder is searched with its subfolders, in the order of names, for `.yaml`, `.yml` and `.json`;
//! hidden entries are passed over (a repository's `.github` holds no manifests). A symbolic link inside
//! of a folder is followed only if it stays inside of it. A file that is named is read whatever it is
//! called. Sizes are checked before anything is read.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::api::diagnostic::{Code, Diagnostic};
use crate::api::limits::Limits;
use crate::api::source::{Source, Span};
use crate::api::suggest;

/// Reads everything that `paths` names; what went wrong goes to `problems`.
pub(super) fn read_all(
    paths: &[PathBuf],
    stdin: Option<&mut dyn Read>,
    limits: &Limits,
    problems: &mut Vec<Diagnostic>,
) -> Vec<Arc<Source>> {
    let mut finder =
        Finder { limits, problems, found: Vec::new(), seen: BTreeSet::new(), looked_at: 0 };
    for path in paths {
        finder.find(path);
    }
    let files = finder.found;
    let mut reader = Reader { limits, left: limits.total_bytes };
    let mut stdin = stdin;
    let mut sources = Vec::new();
    for file in files {
        let read = match file.to_str() {
            Some("-") => match stdin.take() {
                Some(stdin) => reader.read_stdin(stdin),
                None => {
                    let message = "the standard input is not connected";
                    Err(Box::new(Diagnostic::new(Code::NotFound, message)))
                }
            },
            _ => reader.read_file(&file),
        };
        match read {
            Ok((source, warning)) => {
                problems.extend(warning);
                sources.push(source);
            }
            Err(problem) => problems.push(*problem),
        }
    }
    sources
}

struct Finder<'a> {
    limits: &'a Limits,
    problems: &'a mut Vec<Diagnostic>,
    found: Vec<PathBuf>,
    seen: BTreeSet<PathBuf>,
    looked_at: usize,
}

impl Finder<'_> {
    fn find(&mut self, path: &Path) {
        let text = path.to_string_lossy();
        if text == "-" {
            self.add(path.to_owned());
        } else if let Some((scheme, _)) = text.split_once("://") {
            let message = format!("{text} is a URL; only local files are read");
            let hint = match scheme {
                "http" | "https" => format!("fetch it first: curl -fsSL {text} | wavetank … -"),
                _ => "fetch it first".to_owned(),
            };
            self.problems.push(Diagnostic::new(Code::UrlRefused, message).hint(hint));
        } else if path.is_dir() {
            let before = (self.found.len(), self.problems.len());
            self.folder(path, path);
            if before == (self.found.len(), self.problems.len()) {
                self.nothing(format!("no .yaml, .yml or .json file in {text}"));
            }
        } else if path.exists() {
            self.add(path.to_owned());
        } else if text.contains(['*', '?']) {
            let before = (self.found.len(), self.problems.len());
            self.pattern(path);
            if before == (self.found.len(), self.problems.len()) {
                self.nothing(format!("no file matches {text}"));
            }
        } else {
            let message = format!("the path \"{text}\" does not exist");
            let diagnostic = Diagnostic::new(Code::NotFound, message).maybe_hint(sibling(path));
            self.problems.push(diagnostic);
        }
    }

    fn nothing(&mut self, message: String) {
        self.problems.push(Diagnostic::new(Code::NothingToLoad, message));
    }

    /// Adds a file once, however often it is named; false when there are too many.
    fn add(&mut self, path: PathBuf) -> bool {
        if self.found.len() >= self.limits.files {
            let message = format!("more than {} files", self.limits.files);
            if !self.problems.iter().any(|known| known.message == message) {
                self.problems.push(Diagnostic::new(Code::Limit, message));
            }
            return false;
        }
        if self.seen.insert(path.clone()) {
            self.found.push(path);
        }
        true
    }

    /// Adds the manifests of `folder`, which is `root` or below it. False: stop.
    fn folder(&mut self, folder: &Path, root: &Path) -> bool {
        // Folders are kept in a list of their own, so that deep trees do not recurse.
        let mut open = vec![self.entries(folder)];
        while let Some(entries) = open.last_mut() {
            let Some(path) = entries.next() else {
                open.pop();
                continue;
            };
            if !self.count() {
                return false;
            }
            match self.inside(&path, root) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(problem) => {
                    self.problems.push(*problem);
                    continue;
                }
            }
            if path.is_dir() {
                let entries = self.entries(&path);
                open.push(entries);
            } else if is_manifest(&path) && path.is_file() && !self.add(path) {
                return false;
            }
        }
        true
    }

    fn count(&mut self) -> bool {
        self.looked_at += 1;
        let most = self.limits.files * 10;
        if self.looked_at == most {
            let message = format!("more than {most} entries in the folders that were named");
            self.problems.push(Diagnostic::new(Code::Limit, message));
        }
        self.looked_at < most
    }

    /// The entries of a folder in the order of their names, without hidden ones.
    fn entries(&mut self, folder: &Path) -> std::vec::IntoIter<PathBuf> {
        let listed = fs::read_dir(folder).and_then(|entries| {
            let most = self.limits.files * 10;
            entries.take(most).map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()
        });
        match listed {
            Ok(mut paths) => {
                paths.retain(|path| !is_hidden(path));
                paths.sort();
                paths.into_iter()
            }
            Err(error) => {
                let message =
                    format!("the folder {} cannot be read: {}", folder.display(), plain(&error));
                self.problems.push(Diagnostic::new(Code::Unreadable, message));
                Vec::new().into_iter()
            }
        }
    }

    /// Whether an entry may be followed: links must end inside of `root`, and not above themselves.
    fn inside(&self, path: &Path, root: &Path) -> Result<bool, Box<Diagnostic>> {
        let link = fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_symlink());
        if !link {
            return Ok(true);
        }
        let (Ok(target), Ok(root)) = (fs::canonicalize(path), fs::canonicalize(root)) else {
            if !is_manifest(path) {
                return Ok(false);
            }
            let message = format!("the symbolic link {} leads nowhere", path.display());
            return Err(Box::new(Diagnostic::new(Code::NotFound, message)));
        };
        if !target.starts_with(&root) {
            if !target.is_dir() && !is_manifest(path) {
                return Ok(false);
            }
            let message = format!(
                "the symbolic link {} leads out of the folder {}",
                path.display(),
                root.display()
            );
            let hint = format!("name its target as well to read it: {}", target.display());
            return Err(Box::new(Diagnostic::new(Code::OutsideFolder, message).hint(hint)));
        }
        // A link to a folder shows again what is in the folder already, or loops.
        Ok(!target.is_dir())
    }

    /// Adds what a pattern with `*`, `?` and `**` matches, in the order of names.
    fn pattern(&mut self, pattern: &Path) {
        let parts: Vec<Component<'_>> = pattern.components().collect();
        let is_wild =
            |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(['*', '?']);
        let fixed = parts.iter().position(is_wild).unwrap_or(parts.len());
        let root: PathBuf = parts[..fixed].iter().collect();
        let root = if fixed == 0 { PathBuf::from(".") } else { root };
        let wild: Vec<String> = parts[fixed..]
            .iter()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
            .collect();
        let mut open = vec![(root.clone(), 0)];
        let mut matched = BTreeSet::new();
        while let Some((folder, at)) = open.pop() {
            let Some(part) = wild.get(at) else { continue };
            let last = at + 1 == wild.len();
            if part == "**" {
                open.push((folder.clone(), at + 1));
            }
            for path in self.entries(&folder) {
                if !self.count() {
                    return;
                }
                match self.inside(&path, &root) {
                    Ok(true) => {}
                    Ok(false) => continue,
                    Err(problem) => {
                        self.problems.push(*problem);
                        continue;
                    }
                }
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if part == "**" {
                    if path.is_dir() {
                        open.push((path, at));
                    } else if last && is_manifest(&path) {
                        matched.insert(path);
                    }
                } else if matches(part, &name) {
                    if !last {
                        open.push((path, at + 1));
                    } else if path.is_file() {
                        matched.insert(path);
                    } else if path.is_dir() && !self.folder(&path, &root) {
                        return;
                    }
                }
            }
        }
        for path in matched {
            let path = if fixed == 0 {
                path.strip_prefix(".").map(Path::to_owned).unwrap_or(path)
            } else {
                path
            };
            if !self.add(path) {
                return;
            }
        }
    }
}

/// Whether `name` matches a pattern of `*` (any characters) and `?` (one character).
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == '*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            n = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

fn is_manifest(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"].iter().any(|known| extension.eq_ignore_ascii_case(known))
    })
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

/// The entry beside a missing path whose name is nearest.
fn sibling(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let listed = fs::read_dir(folder.unwrap_or(Path::new("."))).ok()?;
    let mut names: Vec<String> = listed
        .take(1000)
        .filter_map(|entry| Some(entry.ok()?.file_name().to_string_lossy().into_owned()))
        .collect();
    names.sort();
    let name = path.file_name()?.to_string_lossy();
    let nearest = suggest::nearest(&name, names.iter().map(String::as_str))?;
    Some(format!("did you mean \"{}\"?", path.with_file_name(nearest).display()))
}

struct Reader<'a> {
    limits: &'a Limits,
    /// Bytes that may still be read.
    left: u64,
}

type Read1 = Result<(Arc<Source>, Option<Diagnostic>), Box<Diagnostic>>;

impl Reader<'_> {
    fn read_file(&mut self, path: &Path) -> Read1 {
        let name = path.display().to_string();
        let unreadable = |error: io::Error| unreadable(&name, &error);
        let file = File::open(path).map_err(unreadable)?;
        let size = file.metadata().map_err(unreadable)?.len();
        self.check(&name, size)?;
        self.read(&name, file)
    }

    fn read_stdin(&mut self, stdin: &mut dyn Read) -> Read1 {
        self.read("<stdin>", stdin)
    }

    /// Refuses a size before anything is read.
    fn check(&self, name: &str, size: u64) -> Result<(), Box<Diagnostic>> {
        let (most, what) = if self.left < self.limits.file_bytes {
            (self.left, "all files together may have")
        } else {
            (self.limits.file_bytes, "a file may have")
        };
        if size <= most {
            return Ok(());
        }
        let bound = if most == self.left { self.limits.total_bytes } else { most };
        let message = format!("{name} is too large: {what} {bound} bytes");
        Err(Box::new(Diagnostic::new(Code::Limit, message)))
    }

    fn read(&mut self, name: &str, from: impl Read) -> Read1 {
        let most = self.left.min(self.limits.file_bytes);
        let mut bytes = Vec::new();
        from.take(most + 1).read_to_end(&mut bytes).map_err(|error| unreadable(name, &error))?;
        let size = bytes.len() as u64;
        self.check(name, size)?;
        self.left -= size;
        decode(name, bytes)
    }
}

fn unreadable(name: &str, error: &io::Error) -> Box<Diagnostic> {
    Box::new(Diagnostic::new(Code::Unreadable, format!("{name} cannot be read: {}", plain(error))))
}

/// An error of the system in its words, without the number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((words, _)) => words.to_lowercase(),
        None => text,
    }
}

/// Bytes to text as kubectl takes them: UTF-16 by its mark, else UTF-8, with U+FFFD for what is not.
fn decode(name: &str, bytes: Vec<u8>) -> Read1 {
    let text = match bytes.as_slice() {
        [0xFF, 0xFE, rest @ ..] => Ok(utf16(rest, u16::from_le_bytes)),
        [0xFE, 0xFF, rest @ ..] => Ok(utf16(rest, u16::from_be_bytes)),
        [0xEF, 0xBB, 0xBF, rest @ ..] => {
            String::from_utf8(rest.to_vec()).map_err(|error| error.into_bytes())
        }
        _ => String::from_utf8(bytes).map_err(|error| error.into_bytes()),
    };
    let (text, replaced) = match text {
        Ok(text) => (text, false),
        Err(bytes) => (String::from_utf8_lossy(&bytes).into_owned(), true),
    };
    if let Some(at) = text.find('\0') {
        let place = Source::new(name, &text[..at]).place(u32::try_from(at).unwrap_or(u32::MAX));
        let message = format!("{name} is not text: it holds a zero byte at {place}");
        return Err(Box::new(Diagnostic::new(Code::NotText, message)));
    }
    let warning_at = replaced.then(|| text.find(char::REPLACEMENT_CHARACTER)).flatten();
    let source = Source::new(name, text);
    let warning = warning_at.map(|at| {
        let span = Span::new(at, at + char::REPLACEMENT_CHARACTER.len_utf8());
        Diagnostic::new(
            Code::ReplacedBytes,
            "bytes that are no UTF-8 were read as U+FFFD, as kubectl does",
        )
        .at(&source, span)
        .hint("save the file as UTF-8")
    });
    Ok((source, warning))
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks(2).map(|pair| unit([pair[0], pair.get(1).copied().unwrap_or(0)]));
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_names() {
        let check = |pattern: &str, name: &str, wanted| {
            assert_eq!(matches(pattern, name), wanted, "{pattern} {name}");
        };
        check("*.yaml", "a.yaml", true);
        check("*.yaml", "a.yml", false);
        check("a?c*", "abcdef", true);
        check("*a*b*c", "xxaxxbxxc", true);
        check("*a*b*c", "xxaxxbxx", false);
        check("", "", true);
        check("**", "x", true);
    }

    #[test]
    fn bytes_become_text_as_kubectl_takes_them() {
        let check = |bytes: &[u8], wanted: &str, warns: bool| {
            let (source, warning) = decode("x", bytes.to_vec()).unwrap();
            assert_eq!((source.text(), warning.is_some()), (wanted, warns));
        };
        check(b"a: 1", "a: 1", false);
        check(b"\xef\xbb\xbfa: 1", "a: 1", false);
        check(b"\xff\xfea\0:\0 \x001\0", "a: 1", false);
        check(b"\xfe\xff\0a\0:\0 \x001", "a: 1", false);
        check(b"# caf\xe9", "# caf\u{fffd}", true);
        assert_eq!(decode("x", b"\x7fELF\0\0".to_vec()).unwrap_err().code, Code::NotText);
    }
}
