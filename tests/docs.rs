//! The pages for users: what they show is what the program prints.

use std::path::Path;
use std::process::Command;

/// The examples of a page: each `$ wavetank …` of a `console` block, with the lines after it.
fn examples(page: &str) -> Vec<(String, Vec<String>)> {
    let mut found: Vec<(String, Vec<String>)> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```console" => inside = true,
            "```" => inside = false,
            _ if !inside => {}
            _ => match (line.strip_prefix("$ wavetank "), found.last_mut()) {
                (Some(command), _) => found.push((command.to_owned(), Vec::new())),
                (None, Some((_, shown))) => shown.push(line.to_owned()),
                (None, None) => panic!("a block begins without a command: {line}"),
            },
        }
    }
    found
}

#[test]
fn the_examples_of_the_page_on_behaviours_are_true() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/behaviours.md")).unwrap();
    let examples = examples(&page);
    assert!(examples.len() >= 4, "the page shows runs");
    for (command, shown) in examples {
        let out = Command::new(env!("CARGO_BIN_EXE_wavetank"))
            .args(command.split_whitespace())
            .current_dir(root)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&out.stdout).into_owned();
        // A digest changes with everything, and says nothing on a page.
        let lines: Vec<&str> = told.lines().filter(|l| !l.starts_with("digest ")).collect();
        let (lines, shown) = (lines.join("\n"), shown.join("\n"));
        assert_eq!(lines.trim(), shown.trim(), "$ wavetank {command}");
    }
}
