"use strict";
// The page of a run: everything is drawn from the data beside this script, for the time that is chosen.
// Lists hold as many rows as are seen, so that ten thousand pods cost what forty do.

const data = JSON.parse(document.getElementById("data").textContent);
const WORDS = ["pending", "starting", "running", "ready", "in trouble", "terminating", "succeeded", "failed"];
const ROW = 24;
const $ = (id) => document.getElementById(id);
const END = Math.max(data.end, 1);

let now = data.end;
let view = [0, END];
let chosen = null;
let timer = null;

function el(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Milliseconds as people write them: 1h5m, 3.25s. */
function span(ms) {
  const s = Math.floor(ms / 1000), part = ms % 1000;
  if (s >= 86400) return Math.floor(s / 86400) + "d" + (Math.floor(s / 3600) % 24 ? (Math.floor(s / 3600) % 24) + "h" : "");
  if (s >= 3600) return Math.floor(s / 3600) + "h" + (Math.floor(s / 60) % 60 ? (Math.floor(s / 60) % 60) + "m" : "");
  if (s >= 60) return Math.floor(s / 60) + "m" + (s % 60 ? (s % 60) + "s" : "");
  return (part ? (ms / 1000).toFixed(part % 100 ? 3 : 1).replace(/0+$/, "").replace(/\.$/, "") : s) + "s";
}

function bytes(n) {
  const units = ["", "Ki", "Mi", "Gi", "Ti"];
  let unit = 0;
  while (n >= 1024 && unit < 4) { n /= 1024; unit += 1; }
  return (Number.isInteger(n) ? n : n.toFixed(1)) + units[unit];
}

/** The last entry of a list sorted by its first item that is not after `at`. */
function last(list, at) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle][0] <= at) low = middle + 1; else high = middle;
  }
  return low - 1;
}

function stateAt(pod, at) {
  if (pod.born > at || (pod.gone !== null && pod.gone <= at)) return null;
  const i = last(pod.states, at);
  return i < 0 ? null : pod.states[i];
}

/** A list of which the rows in sight exist. */
class Rows {
  constructor(box, draw) {
    this.box = box;
    this.draw = draw;
    this.items = [];
    this.isList = box.getAttribute("role") === "list";
    this.room = el("div", "room");
    // The rows are the box's own, to those who hear the page.
    this.room.setAttribute("role", "presentation");
    box.append(this.room);
    box.addEventListener("scroll", () => requestAnimationFrame(() => this.paint()));
  }
  set(items) {
    this.items = items;
    this.room.style.height = items.length * ROW + "px";
    this.paint();
  }
  paint() {
    const first = Math.max(0, Math.floor(this.box.scrollTop / ROW) - 4);
    const past = Math.min(this.items.length, first + Math.ceil(this.box.clientHeight / ROW) + 8);
    const rows = [];
    for (let i = first; i < past; i += 1) {
      const row = this.draw(this.items[i], i);
      row.style.top = i * ROW + "px";
      if (this.isList) {
        row.setAttribute("role", "listitem");
        row.setAttribute("aria-setsize", String(this.items.length));
        row.setAttribute("aria-posinset", String(i + 1));
      }
      rows.push(row);
    }
    this.room.replaceChildren(...rows);
  }
  show(index) {
    const top = index * ROW;
    if (top < this.box.scrollTop) this.box.scrollTop = top;
    else if (top + ROW > this.box.scrollTop + this.box.clientHeight) this.box.scrollTop = top + ROW - this.box.clientHeight;
    this.paint();
  }
}

// ---- pods over time

const left = (ms) => ((ms - view[0]) / (view[1] - view[0])) * 100;

function describePod(pod) {
  const parts = pod.states.map(([at, , word]) => word + " from " + span(at));
  const where = pod.node === null ? "on no node" : "on " + data.nodes[pod.node].name;
  return pod.name + " " + where + ": " + parts.join(", ") + (pod.gone === null ? "" : ", gone at " + span(pod.gone));
}

function drawPod(item, index) {
  if (item.title !== undefined) {
    const row = el("div", "row group");
    row.append(el("span", "who", item.title), el("span", "text", item.count + (item.count === 1 ? " pod" : " pods")));
    row.setAttribute("role", "presentation");
    return row;
  }
  const pod = data.pods[item.pod];
  const row = el("div", "row" + (item.pod === chosen ? " chosen" : ""));
  row.id = "pod-" + item.pod;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", String(item.pod === chosen));
  row.setAttribute("aria-label", describePod(pod));
  row.addEventListener("click", () => choose(item.pod, index));
  row.append(el("span", "who", pod.name));
  const lane = el("div", "lane");
  pod.states.forEach(([at, state, word], i) => {
    const until = i + 1 < pod.states.length ? pod.states[i + 1][0] : pod.gone === null ? data.end : pod.gone;
    if (until < view[0] || at > view[1]) return;
    const seg = el("div", "seg c" + state);
    const from = Math.max(0, left(at));
    seg.style.left = from + "%";
    seg.style.width = Math.max(0, Math.min(100, left(until)) - from) + "%";
    seg.title = word + ", " + span(at) + " to " + span(until);
    lane.append(seg);
  });
  for (const [at, container, reason, code] of pod.restarts) {
    if (at < view[0] || at > view[1]) continue;
    const mark = el("div", "restart");
    mark.style.left = left(at) + "%";
    mark.title = container + " started again at " + span(at) + (reason ? " after " + reason + ", exit code " + code : "");
    lane.append(mark);
  }
  row.append(lane);
  return row;
}

const gantt = new Rows($("gantt"), drawPod);

/** The line that stands for the time chosen, over all pods; it moves, and no row is drawn again. */
const cursor = el("div", "cursor");
$("gantt").append(cursor);

function drawCursor() {
  cursor.hidden = now < view[0] || now > view[1] || !gantt.items.length;
  cursor.style.left = "calc(var(--name) + (100% - var(--name)) * " + left(now) / 100 + ")";
  cursor.style.height = gantt.room.style.height;
}

function groupPods() {
  const by = $("group").value, wanted = $("filter").value.trim().toLowerCase(), troubled = $("troubled").checked;
  const groups = new Map();
  data.pods.forEach((pod, i) => {
    if (wanted && !pod.name.toLowerCase().includes(wanted)) return;
    if (troubled && !pod.restarts.length && !pod.states.some(([, s]) => s === 4 || s === 7)) return;
    const key = by === "node" ? (pod.node === null ? "on no node" : data.nodes[pod.node].name) : pod.owner || "pods by themselves";
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(i);
  });
  const items = [];
  for (const [title, pods] of [...groups].sort((a, b) => a[0].localeCompare(b[0], "en", { numeric: true }))) {
    items.push({ title, count: pods.length });
    for (const pod of pods) items.push({ pod });
  }
  gantt.set(items);
  drawView();
  if (!items.length) gantt.room.replaceChildren(el("p", "none", data.pods.length ? "No pod is like that." : "There were no pods."));
}

function drawAxis() {
  const ticks = [];
  const steps = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 43200, 86400, 604800].map((s) => s * 1000);
  const length = view[1] - view[0], most = Math.max(2, $("axis").clientWidth / 70);
  // As wide as the lanes, which have a scroll bar beside them when they are many.
  $("axis").style.marginRight = $("gantt").offsetWidth - $("gantt").clientWidth + "px";
  const step = steps.find((s) => length / s <= most) || length;
  for (let at = Math.ceil(view[0] / step) * step; at <= view[1]; at += step) {
    const tick = el("span", "", span(at));
    tick.style.left = left(at) + "%";
    if (left(at) > 97) tick.className = "last";
    ticks.push(tick);
  }
  $("axis").replaceChildren(...ticks);
}

function showWhole() {
  view = [0, END];
  drawView();
}

function zoom(by) {
  const length = Math.min(END, Math.max(100, (view[1] - view[0]) * by));
  const from = Math.max(0, Math.min(END - length, now - length / 2));
  view = [from, from + length];
  drawView();
}

function drawView() {
  drawAxis();
  gantt.paint();
  drawCursor();
}

// ---- the pod that is chosen

function choose(pod, index) {
  chosen = pod;
  $("gantt").setAttribute("aria-activedescendant", "pod-" + pod);
  if (index !== undefined) gantt.show(index);
  drawDetail();
  drawLogs();
}

/** Chooses no pod. */
function letGo() {
  if (chosen === null) return;
  chosen = null;
  $("gantt").removeAttribute("aria-activedescendant");
  gantt.paint();
  $("all").hidden = true;
  $("detail-title").textContent = "No pod chosen";
  $("detail-body").replaceChildren(el("p", "", "Choose a pod to see its states, restarts, events and output."));
  drawLogs();
}

function table(head, rows) {
  const made = el("table"), top = el("tr");
  for (const title of head) top.append(el("th", "", title));
  made.append(top);
  for (const cells of rows) {
    const row = el("tr");
    cells.forEach((cell, i) => row.append(el("td", i === 0 ? "num" : "", cell)));
    made.append(row);
  }
  return made;
}

/** A text that can be folded away. */
function fold(title, text, open, wrap) {
  const made = el("details"), told = el("pre", wrap ? "mono wrap" : "mono", text);
  made.open = open;
  told.tabIndex = 0;
  told.setAttribute("role", "region");
  told.setAttribute("aria-label", title);
  made.append(el("summary", "", title), told);
  return made;
}

function drawDetail() {
  if (chosen === null) return;
  const pod = data.pods[chosen], body = $("detail-body"), state = stateAt(pod, now);
  $("detail-title").textContent = pod.name;
  $("all").hidden = false;
  const about = el("p", "", [
    pod.ns, pod.owner || "by itself", pod.node === null ? "on no node" : "on " + data.nodes[pod.node].name,
    "requests " + pod.cpu + "m cpu, " + bytes(pod.memory) + " memory",
  ].join(" · "));
  const was = el("p", "", "At " + span(now) + ": " + (state ? state[2] : now < pod.born ? "not made yet" : "gone"));
  const parts = [about, was, el("h2", "", "States"), table(["since", "state"], pod.states.map(([at, s, word]) => [span(at), word + (word.toLowerCase() === WORDS[s] ? "" : " (" + WORDS[s] + ")")]))];
  if (pod.gone !== null) parts.push(el("p", "", "Gone at " + span(pod.gone)));
  if (pod.restarts.length) {
    parts.push(el("h2", "", pod.restarts.length + (pod.restarts.length === 1 ? " restart" : " restarts")));
    parts.push(table(["at", "container", "ended"], pod.restarts.map(([at, c, reason, code]) => [span(at), c, (reason || "ended") + ", exit code " + code])));
  }
  if (pod.causes) parts.push(fold("Why it is as it is", pod.causes, true, true));
  if (pod.why) parts.push(fold(pod.node === null ? "Why it goes to no node" : "Why this node", pod.why, pod.node === null, false));
  const events = data.events.filter((event) => event[6] === chosen);
  if (events.length) {
    parts.push(el("h2", "", "Events"));
    parts.push(table(["at", "event"], events.slice(-60).map(([at, , , reason, message]) => [span(at), reason + ": " + message])));
  }
  const lines = data.lines.filter((line) => line[1] === chosen && line[0] <= now);
  if (lines.length) {
    parts.push(el("h2", "", "Output"));
    const box = el("div", "mono");
    for (const line of lines.slice(-30)) box.append(el("div", line[4] ? "stderr" : "", line[3]));
    parts.push(box);
  }
  body.replaceChildren(...parts);
}

// ---- nodes, events, output

const machines = new Rows($("machines"), (node) => {
  const row = el("div", "row");
  const load = (what, used, all, shown) => {
    const box = el("div", "load"), fill = el("i"), part = all ? Math.round((100 * used) / all) : 0;
    fill.style.width = Math.min(100, part) + "%";
    box.append(fill);
    box.setAttribute("role", "img");
    box.setAttribute("aria-label", what + ": " + part + " percent requested");
    return [box, el("span", "amount", shown(used) + " of " + shown(all))];
  };
  row.append(el("span", "who", node.name), el("span", "reason", node.state));
  row.append(...load("cpu", node.cpuUsed, node.cpu, (n) => n + "m"), ...load("memory", node.memoryUsed, node.memory, bytes));
  row.append(el("span", "text", node.count + (node.count === 1 ? " pod" : " pods") + " of " + node.pods));
  return row;
});

function drawNodes() {
  const rows = data.nodes.map((node) => {
    const i = last(node.states, now);
    return { ...node, state: i < 0 ? "not there yet" : node.states[i][1], cpuUsed: 0, memoryUsed: 0, count: 0 };
  });
  for (const pod of data.pods) {
    if (pod.node === null || pod.placed === null || pod.placed > now) continue;
    const state = stateAt(pod, now);
    if (!state || state[1] === 6 || state[1] === 7) continue;
    const node = rows[pod.node];
    node.cpuUsed += pod.cpu;
    node.memoryUsed += pod.memory;
    node.count += 1;
  }
  machines.set(rows.filter((row) => row.states.length));
}

const events = new Rows($("event-list"), ([at, kind, about, reason, message, count]) => {
  const row = el("div", "row" + (kind === "Warning" ? " warning" : ""));
  row.append(el("span", "when", span(at)), el("span", "about", about), el("span", "reason", reason));
  row.append(el("span", "text", message + (count > 1 ? " (x" + count + ")" : "")));
  row.title = message;
  return row;
});

function drawEvents() {
  const warnings = $("warnings").checked, until = $("until").checked;
  const shown = data.events.filter((e) => (!warnings || e[1] === "Warning") && (!until || e[0] <= now));
  const left = data.eventsLeftOut ? ", " + data.eventsLeftOut + " later ones left out" : "";
  $("events-note").textContent = shown.length + " of " + data.events.length + left;
  events.set(shown);
  $("event-list").scrollTop = shown.length * ROW;
}

const logs = new Rows($("log-list"), ([at, pod, container, text, stderr]) => {
  const row = el("div", "row" + (stderr ? " stderr" : ""));
  row.append(el("span", "when", span(at)), el("span", "about", (pod === null ? "" : data.pods[pod].name) + "/" + container), el("span", "text", text));
  return row;
});

function drawLogs() {
  const shown = data.lines.filter((line) => line[0] <= now && (chosen === null || line[1] === chosen));
  const left = data.linesLeftOut ? ", " + data.linesLeftOut + " later ones left out" : "";
  $("logs-note").textContent = (chosen === null ? "of all pods: " : "of " + data.pods[chosen].name + ": ") + shown.length + " lines" + left;
  logs.set(shown);
  if (!shown.length) logs.room.replaceChildren(el("p", "none", "Nothing was written" + (chosen === null ? "" : " by it") + " by then."));
  $("log-list").scrollTop = shown.length * ROW;
}

// ---- time

const moments = [...new Set(data.pods.flatMap((pod) => pod.states.map((s) => s[0]).concat(pod.gone === null ? [] : [pod.gone])).concat(data.steps.map((s) => s[0]), [0, data.end]))].sort((a, b) => a - b);

function setTime(at) {
  now = Math.max(0, Math.min(data.end, Math.round(at)));
  $("time").value = String(now);
  $("time").setAttribute("aria-valuetext", span(now));
  $("now").textContent = span(now);
  const counts = new Array(8).fill(0);
  for (const pod of data.pods) {
    const state = stateAt(pod, now);
    if (state) counts[state[1]] += 1;
  }
  $("counts").replaceChildren(...counts.map((count, i) => {
    const item = el("li", "c" + i);
    item.append(el("b", "", String(count)), " " + WORDS[i]);
    return item;
  }));
  document.querySelectorAll(".at").forEach((place) => { place.textContent = span(now); });
  drawCursor();
  drawNodes();
  drawDetail();
  drawEvents();
  drawLogs();
}

function step(by) {
  const list = chosen === null ? moments : data.pods[chosen].states.map((s) => s[0]).concat(data.pods[chosen].gone === null ? [] : [data.pods[chosen].gone]);
  const at = by > 0 ? list.find((m) => m > now) : [...list].reverse().find((m) => m < now);
  if (at !== undefined) setTime(at);
}

function play() {
  if (timer !== null) {
    cancelAnimationFrame(timer);
    timer = null;
  } else {
    if (now >= data.end) setTime(0);
    let before = performance.now(), drawn = 0, at = now;
    const tick = (clock) => {
      at += ((clock - before) / 20000) * END;
      before = clock;
      // Ten pictures a second are enough for the eye, and leave the rest to the reader.
      if (clock - drawn > 100) { drawn = clock; setTime(at); }
      if (at >= data.end) { setTime(data.end); play(); } else timer = requestAnimationFrame(tick);
    };
    timer = requestAnimationFrame(tick);
  }
  $("play").textContent = timer === null ? "▶" : "⏸";
  $("play").setAttribute("aria-label", timer === null ? "Play" : "Pause");
}

// ---- the reader

function chooseNext(by) {
  const at = gantt.items.findIndex((item) => item.pod === chosen && chosen !== null);
  for (let i = at + by; i >= 0 && i < gantt.items.length; i += by) {
    if (gantt.items[i].pod !== undefined) return choose(gantt.items[i].pod, i);
  }
}

document.addEventListener("keydown", (event) => {
  if (event.target.matches("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  const keys = { ",": () => step(-1), ".": () => step(1), "+": () => zoom(0.5), "-": () => zoom(2), "0": showWhole, Escape: letGo };
  if (event.target === $("gantt")) {
    keys.ArrowDown = () => chooseNext(1);
    keys.ArrowUp = () => chooseNext(-1);
  }
  if (!event.target.matches("button")) keys[" "] = play;
  if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
});

function drawSummary() {
  const parts = [];
  const section = (title, entries, bad) => entries.forEach((entry, i) => {
    parts.push(el("span", "kind", i === 0 ? title : ""), el("span", bad ? "bad" : "", entry.object || entry.subject), el("span", "", entry.state || entry.text));
    for (const cause of entry.causes || []) parts.push(el("span", "cause", cause));
    for (const root of entry.rootCauses || []) parts.push(el("span", "cause root", "Root cause: " + root.text));
    if (entry.fix) parts.push(el("span", "cause root", "What helps: " + entry.fix.text + (entry.fix.verified ? " (tried: it works)" : " (not verified: " + entry.fix.because + ")")));
  });
  const { completed, running, stuck, assumed, notModelled } = data.summary;
  section("stuck", stuck, true);
  section("completed", completed, false);
  section("running", running, false);
  section("assumed", assumed, false);
  section("not modelled", notModelled, false);
  $("summary").replaceChildren(...(parts.length ? parts : [el("span", "", "There was nothing to run.")]));
}

function begin() {
  let theme = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  try { theme = localStorage.getItem("wavetank-theme") || theme; } catch { /* a file may not keep anything */ }
  const dress = () => { document.documentElement.dataset.theme = theme; };
  dress();
  $("theme").addEventListener("click", () => {
    theme = theme === "dark" ? "light" : "dark";
    dress();
    try { localStorage.setItem("wavetank-theme", theme); } catch { /* as above */ }
  });
  const count = (n, what) => n + " " + what + (n === 1 ? "" : "s");
  $("facts").textContent = [count(data.nodes.length, "node"), count(data.pods.length, "pod"), "starts " + data.start, span(data.end) + " of virtual time, " + data.ended, "seed " + data.seed, "digest " + data.digest].join(" · ");
  $("time").max = String(data.end);
  $("time").addEventListener("input", (event) => setTime(Number(event.target.value)));
  $("back").addEventListener("click", () => step(-1));
  $("next").addEventListener("click", () => step(1));
  $("play").addEventListener("click", play);
  $("in").addEventListener("click", () => zoom(0.5));
  $("out").addEventListener("click", () => zoom(2));
  $("fit").addEventListener("click", showWhole);
  $("all").addEventListener("click", () => { letGo(); $("gantt").focus(); });
  $("time").addEventListener("keydown", (event) => {
    const keys = { ArrowRight: () => step(1), ArrowUp: () => step(1), ArrowLeft: () => step(-1), ArrowDown: () => step(-1), PageUp: () => setTime(now + END / 10), PageDown: () => setTime(now - END / 10) };
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  for (const id of ["group", "troubled"]) $(id).addEventListener("change", groupPods);
  $("filter").addEventListener("input", groupPods);
  for (const id of ["warnings", "until"]) $(id).addEventListener("change", drawEvents);
  addEventListener("resize", drawView);
  drawSummary();
  groupPods();
  setTime(data.end);
}

begin();
