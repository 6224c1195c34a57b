//! The pages for users: what they show is what the program prints.
//!
//! Each `$ wavetank …` of a `console` block is run, and what stands below it must be its standard output.
//! `UPDATE_DOCS=1 cargo nextest run --test docs` writes the outputs into the pages.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A page with the outputs of its commands as they are now, and how many commands it shows.
fn rewritten(page: &str) -> (String, usize) {
    let (mut out, mut commands) = (Vec::new(), 0);
    let (mut inside, mut below) = (false, false);
    for line in page.lines() {
        match line {
            "```console" => (inside, below) = (true, false),
            "```" if inside => inside = false,
            _ => {}
        }
        match line.strip_prefix("$ wavetank ").filter(|_| inside) {
            Some(command) => {
                commands += 1;
                below = true;
                out.push(line.to_owned());
                out.extend(printed(command));
            }
            None if inside && below => {}
            None => out.push(line.to_owned()),
        }
    }
    (out.join("\n") + "\n", commands)
}

/// What a command prints. A digest changes with everything, and says nothing on a page.
fn printed(command: &str) -> Vec<String> {
    let out = Command::new(env!("CARGO_BIN_EXE_wavetank"))
        .args(words(command))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&out.stdout).into_owned();
    let lines = told.lines().filter(|l| !l.starts_with("digest "));
    let mut lines: Vec<String> = lines.map(|l| l.trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines.into_iter().skip_while(String::is_empty).collect()
}

/// The words of a command line, as a shell divides them at spaces outside single quotes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (i, part) in line.split('\'').enumerate() {
        if i % 2 == 1 {
            words.last_mut().unwrap().push_str(part);
            continue;
        }
        for (j, piece) in part.split(' ').enumerate() {
            if j > 0 {
                words.push(String::new());
            }
            words.last_mut().unwrap().push_str(piece);
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

fn pages() -> Vec<PathBuf> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let lessons = std::fs::read_dir(docs.join("lessons")).unwrap().map(|e| e.unwrap().path());
    let mut pages: Vec<PathBuf> =
        lessons.filter(|p| p.extension().is_some_and(|e| e == "md")).collect();
    pages.extend(["behaviours.md", "guide.md"].map(|name| docs.join(name)));
    pages.sort();
    pages
}

#[test]
fn the_examples_of_the_pages_are_true() {
    let (mut stale, mut commands) = (Vec::new(), 0);
    let pages = pages();
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        let (now, found) = rewritten(&text);
        commands += found;
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(page, &now).unwrap();
        } else if now != text {
            let differs = now.lines().zip(text.lines()).find(|(a, b)| a != b);
            stale.push(format!("{}: {differs:?}", page.display()));
        }
    }
    assert!(stale.is_empty(), "UPDATE_DOCS=1 writes them:\n{}", stale.join("\n"));
    assert!(pages.len() >= 9 && commands >= 25, "{commands} commands on {} pages", pages.len());
}
