"use strict";
// A simplified page shown as a page: what hangs together stands on cards, what was acted on is framed.
// The pages are inert already (safe_page.py), the frame is sandboxed without scripts, and all that is done to
// them here is to move nodes and to add elements of our own.

const INLINE = new Set(["A", "ABBR", "B", "BR", "BUTTON", "CODE", "DEL", "EM", "I", "INPUT", "INS", "LABEL", "MARK",
  "Q", "S", "SELECT", "SMALL", "SPAN", "STRONG", "SUB", "SUP", "TEXTAREA", "U", "BDI", "TIME"]);
const PRICE = /(?:[$€£¥₹]\s?\d[\d.,]*|\d[\d.,]*\s?(?:€|USD|EUR|GBP))/g;

function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined && text !== null) element.textContent = text;
  return element;
}

function isInline(node) {
  return node.nodeType === 3 || (node.nodeType === 1 && INLINE.has(node.tagName));
}

function isCard(link) {
  return link.querySelector('[role="img"]') !== null || link.textContent.search(PRICE) >= 0;
}

// Whether a control has a line of its own.
function isAlone(node) {
  const before = node.previousSibling, after = node.nextSibling;
  const starts = !before || (before.nodeType === 3 && (/\n\s*$/.test(before.data) || (!before.data && !before.previousSibling)));
  const ends = !after || (after.nodeType === 3 && (/^\s*\n/.test(after.data) || (!after.data && !after.nextSibling)));
  return starts && ends;
}

// Runs of nodes that follow each other with nothing between; `chosen` says which nodes belong.
function findRuns(lines, chosen) {
  const runs = [[]];
  for (const node of lines.childNodes) {
    if (chosen.has(node)) runs[runs.length - 1].push(node);
    else if ((node.nodeType === 1 || node.data.trim()) && runs[runs.length - 1].length) runs.push([]);
  }
  return runs.filter((run) => run.length);
}

// Puts elements into a group where the run was, without the white space between.
function replaceRun(run, className, elements) {
  const document = run[0].ownerDocument, group = document.createElement("div");
  group.className = className;
  run[0].before(group);
  const before = group.previousSibling, after = run[run.length - 1].nextSibling;
  if (before && before.nodeType === 3) before.data = before.data.replace(/\s+$/, "");
  if (after && after.nodeType === 3) after.data = after.data.replace(/^\s+/, "");
  for (const node of run) {
    const gap = node.nextSibling;
    if (gap && gap.nodeType === 3 && !gap.data.trim()) gap.remove();
  }
  group.append(...elements.map((nodes) => {
    if (nodes.length === 1) return nodes[0];
    const item = document.createElement("div");
    item.append(...nodes);
    return item;
  }));
}

// Links with a picture or a price are cards, each with the buttons that follow it.
function groupCards(lines) {
  const controls = [...lines.children].filter((node) => node.tagName === "A" || node.tagName === "BUTTON");
  const links = new Set(controls.filter((node) => node.tagName === "A" && isCard(node)));
  const chosen = new Set(controls.filter((node) => links.has(node) || node.tagName === "BUTTON"));
  for (const run of findRuns(lines, chosen)) {
    const cards = [];
    for (const node of run) {
      if (links.has(node)) cards.push([node]);
      else if (cards.length) cards[cards.length - 1].push(node);
    }
    if (cards.length < 2) continue;
    // What the last card has more than the first is not the card's.
    const last = cards[cards.length - 1];
    last.length = Math.min(last.length, cards[0].length);
    replaceRun(cards.flat(), "items", cards);
  }
}

// Controls with a line of their own stand beside each other where they are three or more.
function groupRows(lines) {
  const chosen = new Set([...lines.children].filter((node) => (node.tagName === "A" || node.tagName === "BUTTON") && isAlone(node)));
  for (const run of findRuns(lines, chosen)) if (run.length > 2) replaceRun(run, "row", run.map((node) => [node]));
}

// Text between blocks becomes paragraphs that keep their lines.
function keepLines(container) {
  let run = [];
  const close = () => {
    if (run.some((node) => node.nodeType === 1 || node.data.trim())) {
      const lines = container.ownerDocument.createElement("div");
      lines.className = "lines";
      run[0].before(lines);
      lines.append(...run);
      const first = lines.firstChild, last = lines.lastChild;
      if (first.nodeType === 3) first.data = first.data.trimStart();
      if (last.nodeType === 3) last.data = last.data.trimEnd();
      groupCards(lines);
      groupRows(lines);
    }
    run = [];
  };
  for (const node of [...container.childNodes]) {
    if (isInline(node)) run.push(node);
    else { close(); if (node.nodeType === 1 && !["TABLE", "UL", "OL", "DL"].includes(node.tagName)) keepLines(node); }
  }
  if (run.length && run[0].parentNode === container && container.children.length === 0 && run.length === 1) return;
  close();
}

// A list of links alone is a row; one of things that can be acted on, with text beside, is cards.
function dressList(list) {
  const items = [...list.children].filter((each) => each.tagName === "LI");
  const rest = (item) => {
    const copy = item.cloneNode(true);
    for (const named of copy.querySelectorAll("[name]")) named.remove();
    return copy.textContent.trim();
  };
  const actable = items.filter((item) => item.querySelector("[name]"));
  if (!actable.length) return;
  const withText = actable.filter((item) => rest(item)).length;
  list.classList.add(withText * 2 > actable.length ? "items" : "links");
  for (const item of items) keepLines(item);
}

function markPrices(root) {
  const walker = root.ownerDocument.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  const texts = [];
  while (walker.nextNode()) texts.push(walker.currentNode);
  for (const text of texts) {
    const parts = text.data.split(PRICE), prices = text.data.match(PRICE) || [];
    if (!prices.length || text.parentNode.closest("button, option, textarea, select, .links")) continue;
    const pieces = parts.flatMap((part, place) => {
      if (place >= prices.length) return [part];
      const price = root.ownerDocument.createElement("b");
      price.className = "price";
      price.textContent = prices[place];
      return [part, price];
    });
    text.replaceWith(...pieces);
  }
}

function dressPage(inside) {
  const body = inside.body;
  for (const list of [...body.querySelectorAll("ul, ol")].reverse()) dressList(list);
  keepLines(body);
  markPrices(body);
}

// Returns what a step view shows: `element`, and `show(step, marks)` where each mark is {kind, name, text, label}.
function simplifiedPage(pages, pageStyle) {
  const element = make("div", "page-view");
  const bar = make("div", "address"), url = make("span", "mono");
  const toggle = make("button", "plain-button", "Source");
  toggle.type = "button";
  toggle.setAttribute("aria-pressed", "false");
  bar.append(url, toggle);
  const frame = make("iframe");
  frame.title = "The page as the shopper met it, simplified";
  frame.setAttribute("sandbox", "allow-same-origin");
  frame.setAttribute("referrerpolicy", "no-referrer");
  const source = make("pre", "source");
  source.tabIndex = 0;
  source.hidden = true;
  const legend = make("p", "legend");
  legend.setAttribute("aria-live", "polite");
  element.append(bar, frame, source, legend);
  let marks = [], shown = null;

  function find(name) {
    return [...frame.contentDocument.querySelectorAll("[name]")].find((each) => each.getAttribute("name") === name);
  }

  function box({ kind, label, name }, target) {
    const view = frame.contentDocument.defaultView, rect = target.getBoundingClientRect();
    const mark = frame.contentDocument.createElement("div"), badge = frame.contentDocument.createElement("span");
    mark.className = "shop-r1-mark " + kind
      + (rect.width >= 140 ? " wide" : rect.top + view.scrollY < 26 ? " low" : "");
    mark.dataset.of = name;
    badge.textContent = label;
    mark.append(badge);
    const grow = kind === "predicted" ? 7 : 3;
    Object.assign(mark.style, {
      left: rect.left + view.scrollX - grow + "px", top: rect.top + view.scrollY - grow + "px",
      width: rect.width + 2 * grow + "px", height: rect.height + 2 * grow + "px",
    });
    return mark;
  }

  function drawMarks(scroll) {
    const inside = frame.contentDocument;
    if (!inside || !inside.body || frame.hidden) return;
    for (const old of inside.querySelectorAll(".shop-r1-mark")) old.remove();
    const missing = [];
    let first = null;
    for (const mark of marks) {
      if (!mark.name) continue;
      const found = find(mark.name);
      if (!found) { missing.push(mark); continue; }
      for (let up = found.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
      if (mark.text !== undefined && "value" in found && found.tagName === "INPUT") found.value = mark.text;
      const target = (found.tagName === "A" && found.closest(".items > *, .links > li")) || found;
      first = first || target;
      inside.body.append(box(mark, target));
    }
    legend.replaceChildren(...missing.map((mark) => make("span", "", "“" + mark.name + "”, which was "
      + (mark.kind === "predicted" ? "predicted" : "acted on") + ", is not on this page"
      + (shown.cut ? " as far as it is shown. " : ". "))));
    legend.hidden = !missing.length;
    if (scroll) inside.defaultView.scrollTo(0, first ? Math.max(0, first.getBoundingClientRect().top
      + inside.defaultView.scrollY - frame.clientHeight / 3) : 0);
  }

  frame.addEventListener("load", () => { dressPage(frame.contentDocument); drawMarks(true); });
  new ResizeObserver(() => drawMarks(false)).observe(frame);
  toggle.addEventListener("click", () => {
    source.hidden = !source.hidden;
    frame.hidden = !source.hidden;
    toggle.setAttribute("aria-pressed", String(frame.hidden));
    drawMarks(false);
  });
  return {
    element,
    show(step, newMarks) {
      const page = pages[step.page];
      marks = newMarks;
      if (page === shown) { drawMarks(true); return; }
      shown = page;
      url.textContent = (page.url || "page without an address")
        + (page.cut ? " (the last " + page.cut + " characters are not shown)" : "");
      source.textContent = page.source;
      frame.srcdoc = '<!doctype html><html lang="en"><head><meta charset="utf-8"><style>' + pageStyle
        + "</style></head><body>" + page.safe + "</body></html>";
    },
  };
}
