// The player of one session. All that comes from records enters the page through textContent, as attributes of
// our own elements, or as events of a recording that safe_recording.py has let through; rrweb's player draws
// these in a frame that is sandboxed without scripts, inert to mouse and keyboard, and may load nothing.
;(function () { // the semicolon ends the script before this one
  "use strict";
  const HOLD_MS = 1600; // A page is shown with the element that will be acted on before the action.
  const LONGEST_MS = 2500; // What takes longer, such as a slow page, is played faster.
  const ZOOM_FROM = 0.5; // Below this scale nothing can be read, so the player goes close to the element.
  const FILLED_MAX = 100e6; // Characters of style sheets and pictures that one recording may come to.
  const find = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(find(id).textContent);
  const { steps, pages, recorded, last_path: lastPath } = read("session");
  if (!steps.length) return;
  const pageView = simplifiedPage(pages, read("page-style"));
  pageView.element.id = "page";
  pageView.element.hidden = true;
  find("viewport").prepend(pageView.element);
  const items = [...document.querySelectorAll(".step")], marks = [...find("track").children];
  const begin = steps[0].begin, end = steps[steps.length - 1].until;
  let current = 0, time = steps[0].at, view = recorded ? "replay" : "page";
  let playing = false, held = 0, last = 0, player = null, drawnAt = -1, scrolled = [];
  let notice = ""; // What stands in the place of the replay while there is none.

  // The recording

  // References to style sheets and pictures are replaced; the token in them is one that no page knew.
  function filler(reference, assets) {
    const pattern = new RegExp(reference + "([0-9a-f]{64})", "g");
    let left = FILLED_MAX;
    const put = (text) => text.replace(pattern, (_, sha) => {
      const asset = Object.hasOwn(assets, sha) ? assets[sha] : "data:,";
      left -= asset.length;
      return left < 0 ? "" : asset;
    });
    return function fill(value) {
      if (typeof value === "string") return value.includes(reference) ? put(put(value)) : value;
      if (Array.isArray(value)) return value.map(fill);
      if (value === null || typeof value !== "object") return value;
      return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, fill(each)]));
    };
  }

  async function unpack(text) {
    const bytes = Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    const { events, assets, reference } = JSON.parse(await new Response(stream).text());
    return filler(reference, assets)(events);
  }

  async function startPlayer() {
    notice = "Loading the recording …";
    if (view === "replay") say(notice);
    const events = await unpack(read("recording"));
    const made = new rrwebReplay.Replayer(events, {
      root: find("replay"), triggerFocus: false, showWarning: false, mouseTail: false, pauseAnimation: false, UNSAFE_replayCanvas: false,
      insertStyleRules: ["html { scroll-behavior: auto !important; }", "img:not([src]) { background: #e9e9ec; }"],
    });
    if (made.iframe.getAttribute("sandbox") !== "allow-same-origin") throw new Error("the frame is not sandboxed");
    made.iframe.inert = true;
    made.iframe.tabIndex = -1;
    made.iframe.title = "The recorded page";
    made.on("resize", fit);
    // The player draws its first page by itself a moment later; what is asked for comes after that.
    await new Promise((done) => setTimeout(done, 30));
    player = made;
    notice = "";
    draw(true);
  }

  function giveUp(error) {
    player = null;
    notice = "The recording cannot be shown (" + error.message + "). “As read” shows the pages.";
    find("outline").hidden = true;
    if (view === "replay") say(notice);
  }

  function say(text) {
    find("message").textContent = text;
    find("message").hidden = !text;
  }

  function drawReplay() {
    if (!player) return;
    for (const [element, left, top] of scrolled) element.scrollTo({ left, top, behavior: "instant" });
    scrolled = [];
    if (time !== drawnAt) {
      // A recording can be such that rrweb's player fails at some place in it; the steps can still be read.
      try { player.pause(Math.max(1, time)); } catch (error) { giveUp(error); return; }
      drawnAt = time;
    }
    requestAnimationFrame(outline);
    setTimeout(outline, 150);
  }

  function targetRect() {
    const step = steps[current], node = targetNode();
    if (!step || time !== step.at) return null;
    if (node) {
      const rect = node.getBoundingClientRect();
      if (rect.width && rect.height) return { left: rect.left, top: rect.top, width: rect.width, height: rect.height };
    }
    return step.box && { left: step.box[0], top: step.box[1], width: step.box[2], height: step.box[3] };
  }

  function targetNode() {
    const step = steps[current];
    const node = step && step.node !== null && time === step.at ? player.getMirror().getNode(step.node) : null;
    return node && node.getBoundingClientRect ? node : null;
  }

  // What is above an element. Asked for as elements of the page have it, a field named "parentElement" would be its
  // form's own, and the way up would have no end.
  const parent = Object.getOwnPropertyDescriptor(Node.prototype, "parentElement").get;
  function above(node) {
    const found = [];
    for (let up = node && parent.call(node); up; up = parent.call(up)) found.push(up);
    return found;
  }

  // Whether it lies outside of the window, or of a part that scrolls by itself.
  function isOutside(rect) {
    const middle = rect.top + Math.min(rect.height / 2, 40), node = targetNode();
    if (middle < 0 || middle > Number(player.iframe.height)) return true;
    for (const up of above(node)) {
      if (up.localName === "body") break;
      const box = up.getBoundingClientRect();
      if (up.scrollHeight > up.clientHeight + 1 && box.height && (middle < box.top || middle > box.bottom)) return true;
    }
    return false;
  }

  // What was scrolled for this is put back before anything else is drawn.
  function bringIntoView() {
    const node = targetNode(), root = player.iframe.contentDocument.scrollingElement;
    scrolled = [...new Set([...above(node), root])].filter(Boolean).map((each) => [each, each.scrollLeft, each.scrollTop]);
    if (node) node.scrollIntoView({ block: "center", inline: "nearest", behavior: "instant" });
  }

  function outline() {
    const mark = find("outline");
    if (view !== "replay" || !player) { mark.hidden = true; return; }
    let rect = targetRect();
    if (rect && !scrolled.length && isOutside(rect)) {
      bringIntoView();
      rect = targetRect();
    }
    mark.hidden = !rect;
    if (rect) {
      Object.assign(mark.style, { left: rect.left + "px", top: rect.top + "px", width: rect.width + "px", height: rect.height + "px" });
      mark.classList.toggle("failed", items[current].classList.contains("failed"));
    }
    fit(rect);
  }

  // The page fills the width, or the player goes close to what is acted on.
  function fit(rect) {
    if (!player || view !== "replay") return;
    const box = find("viewport"), fitted = find("fitted");
    const width = Number(player.iframe.width) || 1280, height = Number(player.iframe.height) || 800;
    if (box.clientWidth) box.style.height = Math.round(Math.min(box.clientWidth * height / width, innerHeight * 0.5)) + "px";
    const whole = Math.min(box.clientWidth / width, box.clientHeight / height);
    find("zoom").hidden = whole >= 0.95;
    const isClose = find("zoom").getAttribute("aria-pressed") === "true";
    const scale = isClose ? Math.max(1, whole) * (box.clientWidth < 600 ? 0.8 : 1) : whole;
    const aim = rect && rect.width ? { x: rect.left + rect.width / 2, y: rect.top + rect.height / 2 } : { x: 0, y: 0 };
    const place = (side, size, at) => side >= size * scale ? (side - size * scale) / 2
      : Math.min(0, Math.max(side - size * scale, side / 2 - at * scale));
    fitted.style.transform = "translate(" + place(box.clientWidth, width, aim.x) + "px, "
      + place(box.clientHeight, height, aim.y) + "px) scale(" + scale + ")";
    fitted.style.setProperty("--scale", String(scale));
  }

  // The page as it was read

  function drawPage() {
    const step = steps[Math.min(current, steps.length - 1)], isEnd = current === steps.length;
    const mark = { kind: "target", name: step.name, label: String(current + 1), text: step.text === null ? undefined : step.text };
    pageView.show(step, isEnd || step.name === null ? [] : [mark]);
  }

  // What is shown

  function draw(jump) {
    const isEnd = current === steps.length, step = steps[Math.min(current, steps.length - 1)], item = items[current];
    const shownStep = items[Math.min(current, steps.length - 1)];
    items.forEach((each, place) => each.classList.toggle("current", place === current));
    marks.forEach((each, place) => place === current ? each.setAttribute("aria-current", "step") : each.removeAttribute("aria-current"));
    find("address").textContent = isEnd ? lastPath : step.path;
    const why = isEnd ? null : item.querySelector(".why");
    find("caption-number").textContent = isEnd ? "■" : String(current + 1);
    find("caption-why").textContent = why ? why.textContent : "";
    find("caption-did").textContent = isEnd ? item.querySelector(".did").textContent
      : item.querySelector(".did").textContent + (shownStep.classList.contains("failed") ? ", which was not done" : "");
    find("previous").disabled = current === 0;
    find("next").disabled = isEnd;
    find("replay").parentElement.hidden = view !== "replay";
    find("page").hidden = view !== "page";
    find("shot").hidden = view !== "shot";
    find("zoom").hidden = view !== "replay";
    say(view === "replay" ? notice : view === "shot" && !step.shot ? "There is no screenshot of this step." : "");
    if (view === "replay") drawReplay();
    if (view === "page") drawPage();
    if (view === "shot") find("shot-image").src = step.shot || "data:,";
    drawClock();
    if (jump) showItem(item);
  }

  function showItem(item) {
    if (!matchMedia("(min-width: 1081px)").matches) return;
    const rect = item.getBoundingClientRect();
    if (rect.top < 64 || rect.bottom > innerHeight) item.scrollIntoView({ block: "nearest" });
  }

  function drawClock() {
    const step = steps[Math.min(current, steps.length - 1)], mark = marks[current].getBoundingClientRect();
    const box = find("track").getBoundingClientRect(), length = step.until - step.begin;
    const share = current === steps.length ? 0.5 : length > 0 ? (time - step.begin) / length : 0;
    find("cursor").style.left = mark.left - box.left + share * mark.width + "px";
    const told = (ms) => Math.floor(ms / 60000) + ":" + String(Math.floor(ms / 1000) % 60).padStart(2, "0") + "." + Math.floor(ms / 100) % 10;
    find("clock").textContent = find("clock").dataset.timed ? told(time - begin) + " / " + told(end - begin) : "";
  }

  function goTo(place, keep) {
    current = Math.min(Math.max(place, 0), steps.length);
    time = current === steps.length ? end : steps[current].at;
    held = 0;
    if (!keep) stop();
    draw(true);
    try { history.replaceState(null, "", hash()); } catch { /* some viewers forbid it */ }
  }

  const hash = () => current === steps.length ? "#end" : "#step-" + (current + 1);

  function readHash() {
    const asked = /^#step-(\d+)$/.exec(location.hash);
    if (asked) goTo(Number(asked[1]) - 1);
    else if (location.hash === "#end") goTo(steps.length);
    else return false;
    return true;
  }

  // Playing

  function play() {
    if (current === steps.length) goTo(0);
    playing = true;
    last = 0;
    find("play").classList.add("playing");
    find("play").setAttribute("aria-label", "Pause");
    requestAnimationFrame(tick);
  }

  function stop() {
    playing = false;
    find("play").classList.remove("playing");
    find("play").setAttribute("aria-label", "Play");
  }

  function tick(now) {
    if (!playing) return;
    const passed = last ? (now - last) * Number(find("speed").value) : 0, step = steps[current];
    last = now;
    if (held < HOLD_MS) held += passed;
    else {
      const isTimed = recorded && view === "replay" && step.until > step.at;
      time = isTimed ? time + passed * Math.max(1, (step.until - step.at) / LONGEST_MS) : step.until;
      if (time >= step.until) {
        goTo(current + 1, true);
        if (current === steps.length) stop();
      } else {
        drawReplay();
        drawClock();
      }
    }
    if (playing) requestAnimationFrame(tick);
  }

  // Controls

  function choose(next) {
    view = next;
    for (const each of find("views").children) each.setAttribute("aria-pressed", String(each.dataset.view === view));
    draw(false);
  }

  function zoom() {
    const button = find("zoom"), isClose = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(isClose));
    button.textContent = isClose ? "Whole page" : "Zoom";
    outline();
  }

  async function copy() {
    const link = location.href.replace(/#.*$/, "") + hash();
    let done = true;
    try { await navigator.clipboard.writeText(link); } catch {
      const field = document.createElement("textarea");
      field.value = link;
      field.className = "unseen";
      document.body.append(field);
      field.select();
      done = document.execCommand("copy");
      field.remove();
    }
    find("copy").textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { find("copy").textContent = "Copy link"; }, 1500);
  }

  // To the next or the previous session, as in the report of an evaluation.
  function follow(id) {
    if (find(id)) find(id).click();
  }

  const keys = {
    ArrowRight: () => goTo(current + 1), ArrowLeft: () => goTo(current - 1), j: () => follow("after"), k: () => follow("before"),
    Home: () => goTo(0), End: () => goTo(steps.length), " ": () => (playing ? stop() : play()), z: () => find("zoom").hidden || zoom(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.target.closest("select, input, textarea, summary")) return;
    if (event.key === " " && event.target.closest("button, a")) return;
    const act = keys[event.key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  items.forEach((item, place) => item.querySelector(".head").addEventListener("click", (event) => { event.preventDefault(); goTo(place); }));
  marks.forEach((mark, place) => mark.firstChild.addEventListener("click", (event) => { event.preventDefault(); goTo(place); }));
  find("previous").addEventListener("click", () => goTo(current - 1));
  find("next").addEventListener("click", () => goTo(current + 1));
  find("play").addEventListener("click", () => (playing ? stop() : play()));
  find("copy").addEventListener("click", copy);
  find("zoom").addEventListener("click", zoom);
  for (const each of find("views").children) each.addEventListener("click", () => choose(each.dataset.view));
  addEventListener("hashchange", readHash);
  addEventListener("resize", () => { outline(); drawClock(); });

  document.documentElement.classList.add("scripted");
  // Without this the browser would go to the step in the list, away from the player.
  for (const item of items) item.removeAttribute("id");
  if (location.hash) addEventListener("load", () => scrollTo(0, 0), { once: true });
  find("stage").hidden = false;
  if (recorded && find("viewport").clientWidth / 1280 < ZOOM_FROM) zoom();
  if (!readHash()) draw(false);
  if (recorded) startPlayer().catch(giveUp);
})();
