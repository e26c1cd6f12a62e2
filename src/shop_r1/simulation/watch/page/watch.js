// Texts of pages and models are hostile: they are only ever set as textContent.
"use strict";

const byId = (id) => document.getElementById(id);
const tiles = new Map(); // number -> {view, item, parts}
const STAGES = { home: "Home", search: "Search", product: "Product", cart: "Cart", purchase: "Bought" };
const OUTCOMES = {
  purchase: ["bought", "Bought"],
  terminate: ["left", "Left"],
  max_steps: ["limit", "Step limit"],
  error: ["error", "Error"],
  "no step": ["error", "No step"],
  stopped: ["stopped", "Stopped"],
};
const STATES = { waiting: "Waiting", opening: "Opening", shopping: "Shopping", paused: "Paused", stopping: "Stopping" };
const FILTERS = [
  ["all", "All"], ["shopping", "Shopping"], ["bought", "Bought"], ["left", "Left"],
  ["limit", "Step limit"], ["error", "Errors"], ["stopped", "Stopped"], ["waiting", "Waiting"],
];
const DENSE_FROM = 60; // shoppers, from which tiles begin small
let totals = null;
let isDenseChosen = false;
let shown = new URLSearchParams(location.hash.slice(1)).get("show") || "all";
if (!FILTERS.some(([key]) => key === shown)) shown = "all";
let source = null;

// One shopper

function groupOf(view) {
  if (view.state === "done") return (OUTCOMES[view.outcome] || ["error"])[0];
  return view.state === "waiting" ? "waiting" : "shopping";
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

function makeTile(number) {
  const item = byId("tile").content.firstElementChild.cloneNode(true);
  const part = (name) => item.querySelector(`.${name}`);
  const names = ["heading", "number", "chip", "count", "end", "url", "action", "rationale", "trouble", "events", "persona"];
  const parts = Object.fromEntries(names.map((name) => [name, part(name)]));
  parts.image = item.querySelector("img");
  parts.end.addEventListener("click", () => send(`stop/${number}`, parts.end));
  setText(parts.number, `#${number}`);
  const picture = part("picture");
  picture.setAttribute("aria-label", `All steps of shopper ${number}`);
  picture.addEventListener("click", () => openDetails(number));
  parts.end.setAttribute("aria-label", `Stop shopper ${number}`);
  const after = [...tiles.keys()].filter((other) => other > number);
  byId("tiles").insertBefore(item, after.length ? tiles.get(Math.min(...after)).item : null);
  return { item, parts, view: null, picture: 0 };
}

function isFinished() {
  return totals !== null && totals.state === "finished";
}

function chipOf(view) {
  if (view.state === "waiting" && isFinished()) return "Not begun";
  return view.state === "done" ? (OUTCOMES[view.outcome] || ["", view.outcome || "Done"])[1] : STATES[view.state];
}

function countOf(view) {
  const stage = view.stage && view.state !== "done" ? ` · ${STAGES[view.stage].toLowerCase()}` : "";
  return view.started ? `${plural(view.steps, "step")}${stage}` : "";
}

function troubleOf(view) {
  const invalid = view.invalid ? [plural(view.invalid, "invalid response")] : [];
  return [view.state === "done" ? view.reason : view.error, ...invalid].filter(Boolean).join(" · ");
}

function pictureOf(view) {
  return `picture/${view.number}?taken=${view.picture}`;
}

function drawTile(view) {
  const tile = tiles.get(view.number) || makeTile(view.number);
  tiles.set(view.number, tile);
  tile.view = view;
  const { item, parts } = tile;
  item.dataset.state = view.state;
  item.dataset.group = groupOf(view);
  const isDone = view.state === "done";
  setText(parts.chip, chipOf(view));
  setText(parts.count, countOf(view));
  setText(parts.heading, view.title || shortUrl(view.url) || (view.state === "waiting" ? "Has not begun" : "No page yet"));
  const status = view.status >= 400 ? ` (HTTP ${view.status})` : "";
  setText(parts.url, view.url + status);
  parts.url.title = view.url;
  setText(parts.action, view.action || "");
  setText(parts.rationale, view.rationale || "");
  setText(parts.trouble, troubleOf(view));
  setText(parts.events, (view.events || []).join(" · "));
  setText(parts.persona, view.persona || view.session_id);
  parts.end.hidden = isDone;
  parts.end.disabled = view.state === "stopping" || !isLive();
  if (view.picture !== tile.picture) {
    tile.picture = view.picture;
    showPicture(tile, pictureOf(view));
  }
  item.hidden = shown !== "all" && shown !== item.dataset.group;
}

// A picture takes the last one's place once it is there, so that none is lost when the simulation ends.
function showPicture(tile, address) {
  const image = new Image();
  image.alt = "";
  image.onload = () => {
    tile.parts.image.replaceWith(image);
    tile.parts.image = image;
    if (tile.view.number === detailed) drawDetailsHead(tile.view);
  };
  image.src = address;
}

function shortUrl(url) {
  return url.replace(/^https?:\/\/[^/]*/, "");
}

function plural(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

// One shopper, with all its steps

let detailed = null; // the number of the shopper whose details are open

async function openDetails(number) {
  detailed = number;
  const details = byId("details");
  byId("trail").replaceChildren();
  details.querySelector("img").hidden = true;
  if (!details.open) details.showModal();
  await drawDetails();
}

async function drawDetails() {
  const number = detailed;
  const tile = tiles.get(number);
  drawDetailsHead(tile.view);
  let trail = null;
  try {
    const response = await fetch(`shopper/${number}`);
    trail = await response.json();
  } catch {
    return; // not reached: what is shown stays
  }
  if (number !== detailed) return;
  const list = byId("trail");
  const isAtEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  const shownFrom = list.firstElementChild ? Number(list.firstElementChild.value) : 0;
  if (trail.steps.length && shownFrom !== trail.steps[0].number) list.replaceChildren();
  list.append(...trail.steps.slice(list.children.length).map(makeStep));
  if (isAtEnd) list.scrollTop = list.scrollHeight;
}

function drawDetailsHead(view) {
  const details = byId("details");
  details.dataset.state = view.state;
  details.dataset.group = groupOf(view);
  setText(byId("details-title"), `Shopper ${view.number}`);
  const set = (name, text) => setText(details.querySelector(`:scope > .${name}, :scope > .line > .${name}`), text);
  set("chip", chipOf(view));
  set("count", countOf(view));
  set("persona", view.persona || view.session_id);
  set("url", [view.title, view.url].filter(Boolean).join(" · "));
  set("trouble", troubleOf(view));
  const image = details.querySelector("img");
  const shownPicture = tiles.get(view.number).parts.image;
  image.hidden = shownPicture.hidden;
  if (!shownPicture.hidden && image.src !== shownPicture.src) image.src = shownPicture.src;
  for (const [id, step] of [["before", -1], ["after", 1]]) byId(id).disabled = besideDetails(step) === null;
}

function makeStep(step) {
  const item = byId("step").content.firstElementChild.cloneNode(true);
  item.value = step.number;
  const set = (name, text) => setText(item.querySelector(`.${name}`), text || "");
  set("action", step.action);
  set("rationale", step.rationale);
  set("trouble", step.error);
  set("events", (step.events || []).join(" · "));
  set("url", [step.title, step.url].filter(Boolean).join(" · "));
  return item;
}

function besideDetails(by) {
  const shownNumbers = [...tiles.keys()].filter((number) => !tiles.get(number).item.hidden || number === detailed);
  shownNumbers.sort((a, b) => a - b);
  return shownNumbers[shownNumbers.indexOf(detailed) + by] || null;
}

function moveDetails(by) {
  const number = besideDetails(by);
  if (number !== null) openDetails(number);
}

function beginDetails() {
  const details = byId("details");
  byId("close").addEventListener("click", () => details.close());
  byId("before").addEventListener("click", () => moveDetails(-1));
  byId("after").addEventListener("click", () => moveDetails(1));
  details.addEventListener("click", (event) => { if (event.target === details) details.close(); });
  document.addEventListener("keydown", (event) => { // a button that was just disabled has lost the focus
    if (details.open && event.key === "ArrowLeft") moveDetails(-1);
    if (details.open && event.key === "ArrowRight") moveDetails(1);
  });
  details.addEventListener("close", () => { detailed = null; });
}

// All of them

function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const pad = (number) => String(number).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${pad(whole % 60)}` : `${Math.floor(minutes / 60)}:${pad(minutes % 60)}:${pad(whole % 60)}`;
}

function money(usd) {
  return `$${usd.toFixed(usd < 1 ? 4 : 2)}`;
}

function drawTotals() {
  setText(byId("done"), totals.done.toLocaleString("en"));
  setText(byId("planned"), `of ${totals.planned.toLocaleString("en")} shoppers`);
  setText(byId("steps"), totals.steps.toLocaleString("en"));
  const speed = totals.steps_per_s;
  setText(byId("speed"), speed === undefined || isFinished() ? "" : `${speed < 10 ? speed.toFixed(1) : Math.round(speed)} a second`);
  setText(byId("elapsed"), clock(totals.elapsed_s));
  setText(byId("left"), totals.left_s === undefined ? "" : `about ${clock(totals.left_s)} left`);
  setText(byId("cost"), totals.cost_usd === undefined ? "–" : money(totals.cost_usd));
  setText(byId("budget"), totals.budget_usd !== undefined ? `of ${money(totals.budget_usd)}` : totals.cost_usd === undefined ? "not known" : "");
  setText(byId("errors"), totals.errors.toLocaleString("en"));
  setText(byId("invalid"), `${totals.invalid.toLocaleString("en")} invalid`);
  totals.funnel.forEach(drawStage);
}

function drawStage({ stage, reached, left }) {
  let row = document.querySelector(`#funnel [data-stage="${stage}"]`);
  if (!row) {
    row = byId("funnel").insertRow();
    row.dataset.stage = stage;
    row.append(Object.assign(document.createElement("th"), { scope: "row", textContent: STAGES[stage] }));
    const share = row.insertCell();
    share.append(Object.assign(document.createElement("div"), { className: "share" }));
    share.firstChild.append(document.createElement("i"));
    row.insertCell().className = "reached";
    row.insertCell().className = "left";
  }
  row.querySelector("i").style.transform = `scaleX(${totals.begun ? reached / totals.begun : 0})`;
  setText(row.querySelector(".reached"), reached.toLocaleString("en"));
  setText(row.querySelector(".left"), left ? `${left.toLocaleString("en")} left` : "");
}

function drawFilters() {
  const counts = { all: tiles.size };
  for (const { item } of tiles.values()) counts[item.dataset.group] = (counts[item.dataset.group] || 0) + 1;
  for (const button of byId("filters").children) {
    const count = counts[button.dataset.key] || 0;
    setText(button.lastChild, String(count));
    button.setAttribute("aria-pressed", String(button.dataset.key === shown));
    button.hidden = !count && button.dataset.key !== shown && button.dataset.key !== "all";
  }
  byId("none").hidden = !tiles.size || Boolean(counts[shown]);
}

// What is under way, and what a person says

const RUN_STATES = {
  running: "Under way", paused: "Paused: each waits before its next step", stopping: "Stopping: each ends before its next step", finished: "Finished",
};

function isLive() {
  return totals !== null && !isFinished() && source !== null && source.readyState === EventSource.OPEN;
}

function endText() {
  const unfinished = totals.planned - totals.done + (totals.outcomes.stopped || 0);
  const rest = unfinished
    ? `${plural(unfinished, "visit")} of ${totals.planned.toLocaleString("en")} did not come to an end; the same command with --resume goes on with them.`
    : "All visits are done.";
  return `${rest} This page stays as it is.${totals.command ? " To read what they did:" : ""}`;
}

function drawState() {
  const isLost = !isFinished() && source !== null && source.readyState !== EventSource.OPEN && totals !== null;
  const state = byId("state");
  state.className = `state ${isLost ? "lost" : totals ? totals.state : ""}`;
  setText(state, isLost ? "Disconnected" : totals ? RUN_STATES[totals.state] : "Connecting …");
  const isPaused = totals !== null && totals.state === "paused";
  setText(byId("pause"), isPaused ? "Go on" : "Pause all");
  byId("pause").disabled = !isLive() || totals.state === "stopping";
  byId("stop").disabled = !isLive() || totals.state === "stopping";
  byId("over").hidden = !isFinished() && !isLost;
  byId("over").classList.toggle("lost", isLost);
  setText(byId("over-text"), isLost
    ? "The simulation has ended or cannot be reached; what is shown is its last known state. Trying to reach it again …"
    : isFinished() ? endText() : "");
  const command = isFinished() && totals.command ? totals.command : "";
  setText(byId("command"), command);
  byId("copy").hidden = !command || !navigator.clipboard;
  const done = totals ? `${totals.done} of ${totals.planned} · ` : "";
  document.title = `${isLost ? "Disconnected · " : isPaused ? "Paused · " : ""}${done}Shoppers`;
}

async function send(command, button) {
  button.disabled = true;
  try {
    await fetch(command, { method: "POST" });
  } catch {
    drawState(); // not reached: the events say so as well
  }
}

function take(message) {
  const change = JSON.parse(message.data);
  totals = change.totals;
  change.shoppers.forEach(drawTile);
  if (!isDenseChosen) setDense(totals.planned >= DENSE_FROM);
  document.body.classList.toggle("without-pictures", !totals.has_pictures);
  if (isFinished()) {
    source.close();
    for (const { view } of [...tiles.values()]) drawTile(view);
  }
  if (detailed !== null && change.shoppers.some((view) => view.number === detailed)) drawDetails();
  drawTotals();
  drawFilters();
  drawState();
}

function setDense(isDense) {
  document.body.classList.toggle("dense", isDense);
  byId("dense").setAttribute("aria-pressed", String(isDense));
}

function setLive() {
  drawState();
  for (const { view, parts } of tiles.values()) parts.end.disabled = view.state === "stopping" || !isLive();
}

function connect() {
  source = new EventSource("events");
  source.onmessage = take;
  source.onopen = setLive;
  source.onerror = () => {
    setLive();
    if (source.readyState === EventSource.CLOSED) setTimeout(follow, 3000);
  };
}

// A page that nobody looks at follows nothing, and no pictures are taken for it.
function follow() {
  if (isFinished()) return;
  if (document.hidden) {
    if (source) source.close();
    source = null;
  } else if (!source || source.readyState === EventSource.CLOSED) {
    connect();
  }
}

function begin() {
  for (const [key, label] of FILTERS) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = key;
    button.append(label, " ", document.createElement("b"));
    button.addEventListener("click", () => {
      shown = key;
      history.replaceState(null, "", key === "all" ? location.pathname : `#show=${key}`);
      for (const { item } of tiles.values()) item.hidden = shown !== "all" && shown !== item.dataset.group;
      drawFilters();
    });
    byId("filters").append(button);
  }
  drawFilters();
  beginDetails();
  byId("pause").addEventListener("click", (event) => send(totals.state === "paused" ? "resume" : "pause", event.target));
  byId("stop").addEventListener("click", (event) => {
    if (confirm("End the visits of all shoppers before their next step?")) send("stop", event.target);
  });
  byId("dense").addEventListener("click", () => {
    isDenseChosen = true;
    setDense(byId("dense").getAttribute("aria-pressed") !== "true");
  });
  byId("copy").addEventListener("click", async () => {
    await navigator.clipboard.writeText(byId("command").textContent);
    setText(byId("copy"), "Copied");
  });
  document.addEventListener("visibilitychange", follow);
  follow();
}

begin();
