//! The page for everybody: contrast and labels, read from its style and its markup.
//!
//! What a browser alone can tell (what is drawn, what keys do) is looked at by `tests/browser`.

use std::collections::BTreeMap;

const CSS: &str = include_str!("page.css");
const HTML: &str = include_str!("page.html");

/// The colours of a theme, by the names of their variables; the dark one stands over the light one.
fn theme(dark: bool) -> BTreeMap<&'static str, u32> {
    let mut colours = BTreeMap::new();
    let blocks = [":root {", ":root[data-theme=\"dark\"] {"];
    for block in &blocks[..=usize::from(dark)] {
        let start = CSS.find(block).unwrap() + block.len();
        let body = &CSS[start..start + CSS[start..].find('}').unwrap()];
        for declaration in body.split(';') {
            let Some((name, value)) = declaration.split_once(':') else { continue };
            let Some(hex) = value.trim().strip_prefix('#') else { continue };
            let whole: String = match hex.len() {
                3 => hex.chars().flat_map(|c| [c, c]).collect(),
                _ => hex.to_owned(),
            };
            let name = name.trim().strip_prefix("--").unwrap();
            colours.insert(name, u32::from_str_radix(&whole, 16).unwrap());
        }
    }
    colours
}

/// Relative luminance (WCAG 2.2).
fn luminance(colour: u32) -> f64 {
    let channel = |shift: u32| {
        let c = f64::from(colour >> shift & 0xff) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * channel(16) + 0.7152 * channel(8) + 0.0722 * channel(0)
}

fn contrast(a: u32, b: u32) -> f64 {
    let (a, b) = (luminance(a), luminance(b));
    (a.max(b) + 0.05) / (a.min(b) + 0.05)
}

#[test]
fn every_text_and_every_mark_stands_out_from_its_ground_in_both_themes() {
    for dark in [false, true] {
        let of = theme(dark);
        let check = |front: &str, ground: &str, least: f64| {
            let found = contrast(of[front], of[ground]);
            assert!(found >= least, "dark: {dark}: {front} on {ground}: {found:.2} < {least}");
        };
        for ground in ["paper", "panel"] {
            for text in ["ink", "soft", "warn"] {
                check(text, ground, 4.5);
            }
            check("accent", ground, 3.0);
        }
        for state in ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"] {
            check(state, "paper", 3.0);
        }
    }
}

#[test]
fn every_control_has_a_name_and_the_page_a_language_and_a_way_past_its_head() {
    assert!(HTML.contains("<html lang=\"en\">") && HTML.contains("class=\"skip\" href=\"#pods\""));
    let tags =
        HTML.split('<').filter(|t| ["button", "input", "select"].iter().any(|n| t.starts_with(n)));
    let mut controls = 0;
    for tag in tags {
        controls += 1;
        let (head, text) = tag.split_once('>').unwrap();
        let id = head.split("id=\"").nth(1).and_then(|r| r.split('"').next()).unwrap();
        let around = format!("<{tag}");
        let before = &HTML[..HTML.find(around.as_str()).unwrap()];
        let inside_label =
            before.rfind("<label>").is_some_and(|open| !before[open..].contains("</label>"));
        let named = head.contains("aria-label=")
            || HTML.contains(&format!("for=\"{id}\""))
            || inside_label
            || text.trim().chars().any(char::is_alphabetic);
        assert!(named, "{id} has no name");
    }
    assert!(controls >= 12, "{controls}");
}
