//! A report of ten thousand pods: the page of a small run, with its pods, events and lines many times over.

use serde_json::{Value, json};

use crate::devtools::Browser;
use crate::{DESKTOP, check, complaints, folder, probe, report};

const PODS: usize = 10_000;
const LINES: usize = 20_000;
/// Elements that the page may have, however many pods there are: what is in sight, and what is around it.
const ELEMENTS: u64 = 3_000;
/// A step through time takes a fraction of this; more would be felt as standing still.
const STEP_MILLIS: f64 = 1_000.0;

/// The page with its data put through `change`.
fn with_data(page: &str, change: impl FnOnce(&mut Value)) -> String {
    let open = "<script id=\"data\" type=\"application/json\">";
    let start = page.find(open).unwrap() + open.len();
    let end = start + page[start..].find("</script>").unwrap();
    let mut data = serde_json::from_str(&page[start..end]).unwrap();
    change(&mut data);
    let data = data.to_string().replace('<', "\\u003c");
    format!("{}{data}{}", &page[..start], &page[end..])
}

/// So many items as `few` has, in turn.
fn many(few: &mut Value, count: usize) {
    let few = few.as_array_mut().unwrap();
    let all = few.iter().cycle().take(count).cloned().collect();
    *few = all;
}

fn grown(data: &mut Value) {
    let few = data["pods"].as_array().unwrap().len();
    many(&mut data["pods"], PODS);
    for (i, pod) in data["pods"].as_array_mut().unwrap().iter_mut().enumerate() {
        let name = format!("{}-{}", pod["name"].as_str().unwrap(), i / few);
        pod["name"] = json!(name);
    }
    many(&mut data["events"], LINES);
    many(&mut data["lines"], LINES);
    data["events"].as_array_mut().unwrap().sort_by_key(|event| event[0].as_u64());
    data["lines"].as_array_mut().unwrap().sort_by_key(|line| line[0].as_u64());
}

#[test]
fn a_report_of_ten_thousand_pods_draws_what_is_in_sight_and_nothing_else() {
    let mut browser = Browser::start(&folder("browser-large"));
    let (_, small) = report("seed", "large");
    let large = small.with_file_name("large.html");
    let page = with_data(&std::fs::read_to_string(small).unwrap(), grown);
    std::fs::write(&large, page).unwrap();
    browser.look(DESKTOP, "light");
    browser.open(&large);
    assert_eq!(browser.evaluate("data.pods.length"), PODS);
    let elements = |browser: &mut Browser| {
        browser.evaluate("document.querySelectorAll('*').length").as_u64().unwrap()
    };
    let drawn = elements(&mut browser);
    assert!(drawn < ELEMENTS, "{drawn} elements");
    let step = browser.evaluate(
        "(() => {
          const began = performance.now();
          for (let i = 0; i < 20; i += 1) { setTime((data.end * i) / 20); document.body.offsetHeight; }
          return (performance.now() - began) / 20;
        })()",
    );
    assert!(step.as_f64().unwrap() < STEP_MILLIS, "a step through time takes {step} ms");
    let last = browser.evaluate(
        "(() => { $('gantt').scrollTop = $('gantt').scrollHeight; gantt.paint(); return $('gantt').textContent; })()",
    );
    assert!(last.as_str().unwrap().contains("web-1-1249"), "{last}");
    let drawn = elements(&mut browser);
    assert!(drawn < ELEMENTS, "{drawn} elements at the end of the list");
    check(&probe(&mut browser, &["contrasts", "overflow", "structure"]));
    check(&complaints(&mut browser));
}
