// What is looked at from within a page: each function answers with sentences about what is wrong.
"use strict";
window.probe = (() => {
  const say = (element) => {
    const id = element.id ? "#" + element.id : "";
    const cls = typeof element.className === "string" && element.className ? "." + element.className.trim().split(/\s+/).join(".") : "";
    return element.tagName.toLowerCase() + id + cls;
  };
  // One pixel of a canvas knows every way to write a colour.
  const canvas = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas");
  canvas.width = canvas.height = 1;
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      pen.clearRect(0, 0, 1, 1);
      pen.fillStyle = colour;
      pen.fillRect(0, 0, 1, 1);
      const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
      known.set(colour, [r, g, b, a / 255]);
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const canvasColour = () => (matchMedia("(prefers-color-scheme: dark)").matches && getComputedStyle(document.documentElement).colorScheme.includes("dark") ? [18, 18, 18, 1] : [255, 255, 255, 1]);
  const ground = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const style = getComputedStyle(at);
      if (style.backgroundImage !== "none") throw new Error(say(at) + " has a picture behind it");
      layers.push(rgba(style.backgroundColor));
      if (layers.at(-1)[3] === 1) break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), canvasColour());
  };
  const luminance = (c) => {
    const [r, g, b] = c.map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [x, y] = [luminance(a), luminance(b)];
    return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
  };
  const seen = (element) => {
    if (!element.checkVisibility({ opacityProperty: true, visibilityProperty: true })) return false;
    const box = element.getBoundingClientRect();
    return box.width > 1 && box.height > 1 && getComputedStyle(element).clipPath === "none";
  };
  const ownText = (element) => [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
  const all = () => [...document.body.querySelectorAll("*")];

  /** Every text against what is behind it (WCAG 2.2, 1.4.3), every mark against it (1.4.11). */
  const contrasts = () => {
    const wrong = new Set();
    let texts = 0;
    for (const element of all()) {
      if (!seen(element) || ["SCRIPT", "STYLE", "TITLE", "OPTION"].includes(element.tagName)) continue;
      const style = getComputedStyle(element), behind = ground(element);
      const check = (colour, least, what) => {
        const found = contrast(over(rgba(colour), behind), behind);
        if (found < least) wrong.add(say(element) + ": " + what + " " + found.toFixed(2) + " < " + least);
      };
      const field = element.matches("input[type=search], input[type=text], select");
      if (ownText(element) || field) {
        texts += 1;
        const size = parseFloat(style.fontSize), large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
        check(element instanceof SVGElement ? style.fill : style.color, large ? 3 : 4.5, "text");
        if (element.placeholder) check(getComputedStyle(element, "::placeholder").color, 4.5, "placeholder");
      }
      if (element.matches("button, select, input[type=search]")) check(style.borderTopColor, 3, "border");
      if (element.matches("[data-mark]")) {
        const around = ground(element.parentElement), found = contrast(over(rgba(style.backgroundColor), around), around);
        if (found < 3) wrong.add(say(element) + ": mark " + found.toFixed(2) + " < 3");
      }
    }
    if (texts < 10) wrong.add("only " + texts + " texts");
    return [...wrong];
  };

  /** What is wider than the window or its box, and cannot be scrolled to. */
  const overflow = () => {
    const wrong = [], page = document.scrollingElement;
    if (page.scrollWidth > innerWidth) {
      wrong.push("the page is " + page.scrollWidth + " wide in a window of " + innerWidth);
    }
    for (const element of all()) {
      if (!seen(element) || element.closest(".hidden, .skip")) continue;
      const style = getComputedStyle(element), clips = (o) => o === "hidden" || o === "clip";
      if (element.scrollWidth > element.clientWidth + 1 && clips(style.overflowX) && style.textOverflow !== "ellipsis" && element.clientWidth > 0 && !element.matches("[data-clips]")) {
        wrong.push(say(element) + " cuts off what it holds: " + element.scrollWidth + " in " + element.clientWidth);
      }
      if (element.scrollWidth > element.clientWidth + 1 && style.textOverflow === "ellipsis" && !element.title && !element.closest("[title], [aria-label]")) {
        wrong.push(say(element) + " is shortened and tells nowhere what it was");
      }
    }
    return wrong;
  };

  /** Language, title, landmarks, headings, names of things: what can be read off the document. */
  const structure = () => {
    const wrong = [], root = document.documentElement;
    if (root.lang !== "en") wrong.push("the page has no language");
    if (!document.title.trim()) wrong.push("the page has no title");
    const viewport = document.querySelector("meta[name=viewport]");
    if (!viewport || /user-scalable=no|maximum-scale/.test(viewport.content)) wrong.push("the page cannot be zoomed");
    for (const landmark of ["header", "main", "footer"]) {
      const found = document.querySelectorAll("body > " + landmark).length;
      if (found !== 1) wrong.push(found + " landmarks " + landmark);
    }
    let level = 0, first = 0;
    for (const heading of document.querySelectorAll("h1, h2, h3, h4, h5, h6")) {
      const is = Number(heading.tagName[1]);
      if (is === 1) first += 1;
      if (is > level + 1) wrong.push("a heading " + say(heading) + " after one of level " + level);
      if (!heading.textContent.trim()) wrong.push(say(heading) + " is empty");
      level = is;
    }
    if (first !== 1) wrong.push(first + " headings of level 1");
    const ids = new Set();
    for (const element of document.querySelectorAll("[id]")) {
      if (ids.has(element.id)) wrong.push("two elements " + say(element));
      ids.add(element.id);
    }
    for (const name of ["aria-labelledby", "aria-describedby", "aria-activedescendant", "aria-controls", "for"]) {
      for (const element of document.querySelectorAll("[" + name + "]")) {
        for (const id of element.getAttribute(name).split(/\s+/)) if (!document.getElementById(id)) wrong.push(say(element) + " points with " + name + " to nothing: " + id);
      }
    }
    for (const link of document.querySelectorAll('a[href^="#"]')) {
      if (!document.getElementById(decodeURIComponent(link.hash.slice(1)))) wrong.push(say(link) + " leads to nothing");
    }
    for (const element of all()) {
      if (ownText(element) && seen(element) && !element.closest("header, main, footer, nav, section[aria-label], section[aria-labelledby], .skip")) wrong.push(say(element) + " stands in no landmark");
      if (element.tabIndex > 0) wrong.push(say(element) + " wants a place in the order of tabs");
      if (element.matches("table") && !element.querySelector("th")) wrong.push(say(element) + " has no heads");
    }
    return wrong;
  };

  /** Controls that are too small for a finger (WCAG 2.2, 2.5.8). */
  const targets = () => {
    const wrong = [];
    for (const element of document.querySelectorAll("button, select, input, summary")) {
      if (!seen(element)) continue;
      const box = (element.closest("label") || element).getBoundingClientRect();
      if (box.width < 24 || box.height < 24) wrong.push(say(element) + " is " + Math.round(box.width) + " by " + Math.round(box.height));
    }
    return wrong;
  };

  const controls = () => [...document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex='0']")].filter((e) => !e.disabled && e.checkVisibility());
  const mark = (element) => (element.dataset.probe ||= String(controls().indexOf(element)));

  /** Where the focus is, and what is wrong with how that shows. */
  const focus = () => {
    const element = document.activeElement;
    if (!element || element === document.body) return null;
    const wrong = [], style = getComputedStyle(element), box = element.getBoundingClientRect();
    if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) wrong.push(say(element) + " does not show its focus");
    else {
      const behind = ground(element.parentElement || element), found = contrast(over(rgba(style.outlineColor), behind), behind);
      if (found < 3) wrong.push(say(element) + ": focus " + found.toFixed(2) + " < 3");
    }
    const [x, y] = [box.left + Math.min(box.width / 2, 200), box.top + Math.min(box.height / 2, 12)];
    const top = document.elementFromPoint(x, y);
    if (!top || !(element.contains(top) || top.contains(element) || top.closest("label")?.contains(element))) wrong.push(say(element) + " has the focus and is not in sight: " + Math.round(x) + " " + Math.round(y) + " shows " + (top && say(top)));
    return { mark: mark(element), wrong };
  };

  /** Texts of a picture that stand over its edge or over that of their box. */
  const pictures = () => {
    const wrong = [], whole = document.querySelector("svg"), edge = whole.viewBox.baseVal;
    let texts = 0;
    const within = (box, [x, y, width, height], slack) => box.x >= x - slack && box.y >= y - slack && box.x + box.width <= x + width + slack && box.y + box.height <= y + height + slack;
    for (const text of whole.querySelectorAll("text")) {
      texts += 1;
      // Turned and moved texts are measured as they stand.
      const at = text.getCTM(), raw = text.getBBox();
      const corners = [[raw.x, raw.y], [raw.x + raw.width, raw.y], [raw.x, raw.y + raw.height], [raw.x + raw.width, raw.y + raw.height]].map(([x, y]) => new DOMPoint(x, y).matrixTransform(at));
      const [xs, ys] = [corners.map((p) => p.x), corners.map((p) => p.y)];
      const box = { x: Math.min(...xs), y: Math.min(...ys), width: Math.max(...xs) - Math.min(...xs), height: Math.max(...ys) - Math.min(...ys) };
      if (!within(box, [edge.x, edge.y, edge.width, edge.height], 0.5)) wrong.push("text runs over the edge: " + text.textContent);
      const rect = text.parentElement.tagName === "g" && text.parentElement.querySelector("rect");
      if (rect && !within(raw, [rect.x.baseVal.value, rect.y.baseVal.value, rect.width.baseVal.value, rect.height.baseVal.value], 0)) wrong.push("text runs over its box: " + text.textContent);
    }
    for (const path of whole.querySelectorAll("path:not(defs *)")) {
      if (!within(path.getBBox(), [edge.x, edge.y, edge.width, edge.height], 2)) wrong.push("an arrow leaves the picture: " + path.getAttribute("d"));
    }
    if (!texts) wrong.push("there are no texts");
    if (!whole.querySelector("title")?.textContent.trim()) wrong.push("the picture has no name");
    return wrong;
  };

  return { contrasts, overflow, structure, targets, controls: () => controls().map((e) => [mark(e), say(e)]), focus, pictures };
})();
