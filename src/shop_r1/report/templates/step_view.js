// One session, a step at a time: a filmstrip, the page, and in three lines what the shopper saw, did and why.
//
// mountStepView(root, {view, marksOf, dotOf, besideOf, linkOf, onStep}) fills the skeleton of step_view.html.jinja.
// `view` is what stands on the stage: {element, show(step, marks, session, place)}; page_view.js has one for
// simplified pages, and a player of recordings is another. `besideOf(step)` gives elements under the three lines.

function stepTile(step, place, dot) {
  const entry = make("li"), button = make("button", "tile type-" + step.type);
  button.type = "button";
  const head = make("span", "tile-head");
  head.append(make("span", "tile-number", String(place + 1)), make("span", "", step.kind || ""));
  if (dot) {
    const mark = make("i", "dot " + dot.kind);
    mark.title = dot.label;
    head.append(mark, make("span", "unseen", dot.label));
  }
  button.append(head, make("span", "tile-did", step.did));
  if (step.error) button.append(make("span", "tile-error", "could not be done"));
  entry.append(button);
  return entry;
}

// Browsers keep the clipboard from pages that were opened as files, or ask; the old way does it without.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = make("textarea", "unseen", text);
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

function mountStepView(root, options) {
  const find = (role) => root.querySelector('[data-role="' + role + '"]');
  const filmstrip = find("filmstrip"), copy = find("copy");
  let session = null, place = 0;
  find("stage").append(options.view.element);

  function showSession(next) {
    session = next;
    find("summary").textContent = session.summary;
    find("chips").replaceChildren(make("span", "chip outcome-chip " + session.outcome, session.outcome_words),
      ...(session.chips || []).map((text) => make("span", "chip", text)), make("span", "chip mono", session.id));
    const tiles = session.steps.map((step, at) => stepTile(step, at, options.dotOf ? options.dotOf(step) : null));
    tiles.forEach((tile, at) => tile.firstChild.addEventListener("click", () => options.onStep(at)));
    filmstrip.replaceChildren(...tiles);
  }

  function markTile() {
    [...filmstrip.children].forEach((tile, at) => {
      if (at === place) tile.firstChild.setAttribute("aria-current", "step");
      else tile.firstChild.removeAttribute("aria-current");
    });
    const tile = filmstrip.children[place];
    if (tile) filmstrip.scrollLeft = tile.offsetLeft - filmstrip.offsetLeft - filmstrip.clientWidth / 2 + tile.offsetWidth / 2;
  }

  function showStep() {
    const step = session.steps[place];
    find("saw").textContent = step.saw;
    find("did").replaceChildren(make("span", "", step.did), make("span", "type-name type-" + step.type, step.type));
    if (step.error) find("did").append(make("span", "step-error", "It could not be done: " + step.error));
    for (const event of step.events || []) find("did").append(make("span", "step-event", event));
    const why = find("why");
    why.textContent = step.why ? "“" + step.why + "”" : "not recorded";
    why.classList.toggle("none", !step.why);
    find("beside").replaceChildren(...(options.besideOf ? options.besideOf(step) : []));
    find("previous").disabled = place === 0;
    find("next").disabled = place === session.steps.length - 1;
    markTile();
    options.view.show(step, options.marksOf(step), session, place);
  }

  find("previous").addEventListener("click", () => options.onStep(place - 1));
  find("next").addEventListener("click", () => options.onStep(place + 1));
  copy.addEventListener("click", async () => {
    const done = await copyText(options.linkOf(session, place));
    copy.textContent = done ? "Copied" : "Not copied";
    setTimeout(() => { copy.textContent = "Copy link"; }, 1500);
  });
  return {
    show(nextSession, nextPlace, again) {
      place = nextPlace;
      if (nextSession !== session || again) showSession(nextSession);
      showStep();
    },
  };
}
