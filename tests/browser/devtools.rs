//! A headless Chromium, talked to over its DevTools protocol.
//!
//! The browser reads commands from descriptor 3 and writes answers to descriptor 4, each a JSON document that
//! ends with a zero byte (`--remote-debugging-pipe`): no port, no socket, no library. A shell puts its own
//! standard input and output there.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};

/// A browser that says nothing for so long is taken for dead.
const PATIENCE: Duration = Duration::from_secs(120);

/// The browser, with one page open.
pub(crate) struct Browser {
    process: Child,
    commands: ChildStdin,
    answers: Receiver<Value>,
    session: Option<String>,
    next: u64,
    /// What the page told without being asked, in order.
    told: VecDeque<Value>,
}

/// The names under which a Chromium may be installed.
const NAMES: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];

/// The first of them on the search path.
fn program() -> String {
    let found = Command::new("sh")
        .arg("-c")
        .arg(format!("for n in {}; do command -v $n && exit; done; exit 1", NAMES.join(" ")))
        .output()
        .unwrap();
    let path = String::from_utf8(found.stdout).unwrap().trim().to_owned();
    assert!(!path.is_empty(), "this test needs a Chromium, and none of {NAMES:?} is on the path");
    path
}

impl Browser {
    /// Starts a browser that keeps what it has to keep in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        // A reader's choices of an earlier run are not this one's.
        let profile = folder.join("profile");
        if profile.exists() {
            std::fs::remove_dir_all(&profile).unwrap();
        }
        let script = "exec \"$0\" \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>\"$LOG\"";
        let mut process = Command::new("sh")
            .args(["-c", script, &program()])
            .args(["--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"])
            .args(["--no-first-run", "--disable-extensions", "--disable-background-networking"])
            .args(["--disable-dev-shm-usage", "--force-device-scale-factor=1", "--lang=en"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .env("LOG", folder.join("browser.log"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (sender, answers) = channel();
        let out = process.stdout.take().unwrap();
        std::thread::spawn(move || {
            let mut out = BufReader::new(out);
            let mut bytes = Vec::new();
            while out.read_until(0, &mut bytes).is_ok_and(|n| n > 0) {
                bytes.pop();
                let answer = serde_json::from_slice(&bytes).expect("the protocol is JSON");
                bytes.clear();
                if sender.send(answer).is_err() {
                    return;
                }
            }
        });
        let commands = process.stdin.take().unwrap();
        let mut browser =
            Self { process, commands, answers, session: None, next: 0, told: VecDeque::new() };
        let target = browser.ask("Target.createTarget", &json!({"url": "about:blank"}));
        let id = &target["targetId"];
        let session =
            browser.ask("Target.attachToTarget", &json!({"targetId": id, "flatten": true}));
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Runtime", "Log", "Network", "DOM", "Accessibility"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    /// Sends a command and waits for its answer.
    pub(crate) fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut command = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let answer = self.hear(method);
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].clone();
            }
            self.told.push_back(answer);
        }
    }

    fn hear(&self, what: &str) -> Value {
        let heard = self.answers.recv_timeout(PATIENCE);
        heard.unwrap_or_else(|_| panic!("the browser gives no answer to {what}"))
    }

    /// Everything that the page has told since the last time.
    pub(crate) fn told(&mut self) -> Vec<Value> {
        self.told.drain(..).collect()
    }

    /// Waits until the page has told `method`.
    pub(crate) fn wait(&mut self, method: &str) {
        if self.told.iter().any(|told| told["method"] == method) {
            return;
        }
        loop {
            let told = self.hear(method);
            let is_it = told["method"] == method;
            self.told.push_back(told);
            if is_it {
                return;
            }
        }
    }

    /// What a JavaScript expression comes to; promises are waited for.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let answer = self.ask(
            "Runtime.evaluate",
            &json!({"expression": expression, "returnByValue": true, "awaitPromise": true}),
        );
        let failed = &answer["exceptionDetails"];
        let of: String = expression.chars().take(80).collect();
        assert!(failed.is_null(), "{of}: {}", failed["exception"]["description"]);
        answer["result"]["value"].clone()
    }

    /// Opens a file and waits until it is shown.
    pub(crate) fn open(&mut self, file: &Path) {
        self.told.clear();
        self.ask("Page.navigate", &json!({"url": format!("file://{}", file.display())}));
        self.wait("Page.loadEventFired");
        self.settle();
    }

    /// Waits until the page has been drawn twice.
    pub(crate) fn settle(&mut self) {
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(0))))");
    }

    /// How wide and high the window is, and whether its reader likes the dark.
    pub(crate) fn look(&mut self, (width, height): (u32, u32), scheme: &str) {
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            &json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": false}),
        );
        let dark = json!([{"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"}]);
        self.ask("Emulation.setEmulatedMedia", &json!({"features": dark}));
    }

    /// Presses a key and lets it go.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, number, text) = match key {
            "Tab" => ("Tab", 9, ""),
            "Enter" => ("Enter", 13, "\r"),
            "Escape" => ("Escape", 27, ""),
            "ArrowLeft" => ("ArrowLeft", 37, ""),
            "ArrowUp" => ("ArrowUp", 38, ""),
            "ArrowRight" => ("ArrowRight", 39, ""),
            "ArrowDown" => ("ArrowDown", 40, ""),
            "Home" => ("Home", 36, ""),
            "End" => ("End", 35, ""),
            " " => ("Space", 32, " "),
            "," => ("Comma", 188, ","),
            "." => ("Period", 190, "."),
            "+" => ("Equal", 187, "+"),
            "0" => ("Digit0", 48, "0"),
            _ => panic!("no such key here: {key}"),
        };
        let mut event = json!({"type": "keyDown", "key": key, "code": code,
            "windowsVirtualKeyCode": number, "text": text});
        self.ask("Input.dispatchKeyEvent", &event);
        event["type"] = json!("keyUp");
        self.ask("Input.dispatchKeyEvent", &event);
    }

    /// A picture of the window, into `file`.
    pub(crate) fn picture(&mut self, file: &Path) {
        let picture = self.ask("Page.captureScreenshot", &json!({"format": "png"}));
        let bytes = from_base64(picture["data"].as_str().unwrap());
        std::fs::write(file, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself, and nobody is left to be told.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

fn from_base64(text: &str) -> Vec<u8> {
    let value = |c: u8| match c {
        b'A'..=b'Z' => c - b'A',
        b'a'..=b'z' => c - b'a' + 26,
        b'0'..=b'9' => c - b'0' + 52,
        b'+' => 62,
        _ => 63,
    };
    let digits: Vec<u8> = text.bytes().filter(|c| *c != b'=').map(value).collect();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for four in digits.chunks(4) {
        let whole = four.iter().fold(0u32, |sum, digit| sum << 6 | u32::from(*digit))
            << (6 * (4 - four.len()));
        bytes.extend(&whole.to_be_bytes()[1..four.len()]);
    }
    bytes
}
