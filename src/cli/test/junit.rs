//! The JUnit report: a suite for each simulation, a case for each expectation.
//!
//! There is no one schema of it. What is written here fits the two that are met most: the one that Jenkins'
//! xUnit plugin checks with (`junit-10.xsd`), and the stricter one of Ant's task (`JUnit.xsd`): elements in
//! its order, all attributes that it requires, and none that one of them does not know.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesEnd, BytesStart, BytesText, Event};

use super::Verdict;
use super::golden::Kept;
use crate::cli::verdict::violation_text;
use crate::scenario::simulation::Simulation;
use crate::scenario::trial::Trial;

/// What came of a case.
#[derive(Debug)]
enum Came {
    Well,
    Skipped,
    /// The element, its message, its type and its text.
    Badly(&'static str, String, &'static str, String),
}

#[derive(Debug)]
struct Case {
    name: String,
    came: Came,
}

type Xml = Writer<Vec<u8>>;

/// The report as XML; `date` is when it was made, as `2026-01-05T08:00:00`.
pub(super) fn report(simulations: &[Arc<Simulation>], verdicts: &[Verdict], date: &str) -> String {
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    let written = write(&mut xml, simulations, verdicts, date);
    // Writing into memory does not fail.
    written.map_or_else(
        |_| String::new(),
        |()| String::from_utf8(xml.into_inner()).unwrap_or_default(),
    )
}

fn write(
    xml: &mut Xml,
    simulations: &[Arc<Simulation>],
    verdicts: &[Verdict],
    date: &str,
) -> io::Result<()> {
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    xml.write_event(Event::Start(BytesStart::new("testsuites")))?;
    for (id, (simulation, verdict)) in simulations.iter().zip(verdicts).enumerate() {
        suite(xml, id, simulation, verdict, date)?;
    }
    xml.write_event(Event::End(BytesEnd::new("testsuites")))?;
    xml.get_mut().push(b'\n');
    Ok(())
}

fn suite(
    xml: &mut Xml,
    id: usize,
    simulation: &Simulation,
    verdict: &Verdict,
    date: &str,
) -> io::Result<()> {
    let cases = cases(simulation, verdict);
    let count = |element: &str| {
        let is = |case: &&Case| match &case.came {
            Came::Well => false,
            Came::Skipped => element == "skipped",
            Came::Badly(what, ..) => *what == element,
        };
        cases.iter().filter(is).count().to_string()
    };
    let mut start = BytesStart::new("testsuite");
    for (key, value) in [
        ("name", clean(&simulation.name)),
        ("package", package(simulation)),
        ("id", id.to_string()),
        ("hostname", "localhost".to_owned()),
        ("timestamp", date.to_owned()),
        ("tests", cases.len().to_string()),
        ("failures", count("failure")),
        ("errors", count("error")),
        ("skipped", count("skipped")),
        ("time", seconds(verdict.took)),
    ] {
        start.push_attribute((key, value.as_str()));
    }
    xml.write_event(Event::Start(start))?;
    properties(xml, simulation, verdict)?;
    for case in &cases {
        write_case(xml, simulation, case)?;
    }
    let output = verdict.failed.first().map_or("", |t| t.timeline.as_str());
    text_element(xml, "system-out", output)?;
    text_element(xml, "system-err", "")?;
    xml.write_event(Event::End(BytesEnd::new("testsuite")))
}

/// Where the simulation is, with which seed it ran first, and how many runs there were.
fn properties(xml: &mut Xml, simulation: &Simulation, verdict: &Verdict) -> io::Result<()> {
    xml.write_event(Event::Start(BytesStart::new("properties")))?;
    for (name, value) in [
        ("file", simulation.file.display().to_string()),
        ("seed", simulation.plan.options.seed.to_string()),
        ("runs", verdict.runs.to_string()),
    ] {
        let mut property = BytesStart::new("property");
        property.push_attribute(("name", name));
        property.push_attribute(("value", clean(&value).as_str()));
        xml.write_event(Event::Empty(property))?;
    }
    xml.write_event(Event::End(BytesEnd::new("properties")))
}

fn write_case(xml: &mut Xml, simulation: &Simulation, case: &Case) -> io::Result<()> {
    let mut start = BytesStart::new("testcase");
    start.push_attribute(("name", clean(&case.name).as_str()));
    start.push_attribute(("classname", clean(&simulation.name).as_str()));
    // One run answers all of a simulation's cases: the suite has its time.
    start.push_attribute(("time", "0"));
    match &case.came {
        Came::Well => return xml.write_event(Event::Empty(start)),
        Came::Skipped => {
            xml.write_event(Event::Start(start))?;
            xml.write_event(Event::Empty(BytesStart::new("skipped")))?;
        }
        Came::Badly(element, message, kind, text) => {
            xml.write_event(Event::Start(start))?;
            let mut inner = BytesStart::new(*element);
            inner.push_attribute(("message", clean(message).as_str()));
            inner.push_attribute(("type", *kind));
            xml.write_event(Event::Start(inner))?;
            xml.write_event(Event::Text(BytesText::new(&clean(text))))?;
            xml.write_event(Event::End(BytesEnd::new(*element)))?;
        }
    }
    xml.write_event(Event::End(BytesEnd::new("testcase")))
}

fn text_element(xml: &mut Xml, name: &str, text: &str) -> io::Result<()> {
    xml.write_event(Event::Start(BytesStart::new(name)))?;
    xml.write_event(Event::Text(BytesText::new(&clean(text))))?;
    xml.write_event(Event::End(BytesEnd::new(name)))
}

fn cases(simulation: &Simulation, verdict: &Verdict) -> Vec<Case> {
    let start = simulation.plan.options.start.0;
    let was_run = !verdict.failed.is_empty() || verdict.passed.is_some();
    let mut cases = Vec::new();
    for (i, expectation) in simulation.expectations.iter().enumerate() {
        let name = match expectation.name.as_str() {
            "" => expectation.to_string(),
            name => name.to_owned(),
        };
        let violation = verdict
            .failed
            .iter()
            .find_map(|t: &Trial| Some((t, t.violations.iter().find(|v| v.expectation == i)?)));
        let came = match violation {
            None if was_run => Came::Well,
            None => Came::Skipped,
            Some((trial, violation)) => {
                let message = format!("{}: {}", violation.expected, violation.found);
                let text = violation_text(&simulation.expectations, violation, start, true);
                Came::Badly("failure", message, "violation", format!("seed {}\n{text}", trial.seed))
            }
        };
        cases.push(Case { name, came });
    }
    let mut extra = |name: &str, element: &'static str, kind: &'static str, text: &str| {
        let message = text.lines().next().unwrap_or_default().to_owned();
        let came = Came::Badly(element, message, kind, text.to_owned());
        cases.push(Case { name: name.to_owned(), came });
    };
    if let Some(why) = &verdict.broken {
        extra("it can be run", "error", "run", why);
    }
    match &verdict.kept {
        Kept::Differs { diff, .. } => {
            extra("its timeline is as it was", "failure", "timeline", diff);
        }
        Kept::Broken(why) => extra("its timeline is as it was", "error", "timeline", why),
        Kept::None | Kept::Same | Kept::Written => {}
    }
    cases
}

/// The folder of the simulation, as a package.
fn package(simulation: &Simulation) -> String {
    let folder = simulation.file.parent().map(|p| p.display().to_string()).unwrap_or_default();
    clean(if folder.is_empty() { "." } else { &folder })
}

/// Seconds with three digits behind the point.
fn seconds(took: Duration) -> String {
    // Thousands of seconds are written without separators: both schemas take digits alone.
    format!("{}.{:03}", took.as_secs(), took.subsec_millis())
}

/// A text that XML can hold.
fn clean(text: &str) -> String {
    let holds = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    text.chars()
        .map(|c| if matches!(c, '\n' | '\t') || holds(c) { c } else { '\u{fffd}' })
        .collect()
}
