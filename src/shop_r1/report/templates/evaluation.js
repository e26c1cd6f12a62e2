// The reader of evaluated sessions: the list, the step view and the predictions, joined by the address `#session/step`.

(function () {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const data = read("replay"), root = document.getElementById("reader");
  const sessions = data.sessions, choice = document.getElementById("setting");
  let setting = data.settings[data.settings.length - 1] || "", at = 0, place = 0;

  function marksOf(step) {
    const marks = [{ kind: "target", name: step.action.name, text: step.action.text, label: step.marked }];
    const found = predictionOf(step, setting);
    if (found && found.action) marks.push({ kind: "predicted", name: found.action.name, label: "predicted" });
    return marks;
  }

  function besideOf(step) {
    if (!data.settings.length) return [];
    if (!step.predictions.length) return [make("p", "soft small", "This step was given to the model, not predicted.")];
    const chosen = step.predictions.filter((each) => each.setting === setting);
    const others = step.predictions.filter((each) => each.setting !== setting);
    const cards = chosen.map((each) => predictionCard(each, true));
    if (!others.length) return cards;
    const details = make("details", "others");
    details.append(make("summary", "", others.length + (others.length === 1 ? " other setting" : " other settings")),
      ...others.map((each) => predictionCard(each, false)));
    return [...cards, details];
  }

  const hashOf = (session, step) => "#" + encodeURIComponent(session.id) + "/" + (step + 1);

  // Where the list stands above the step, on narrow screens, what was asked for would be out of sight.
  function scrollToStep(otherwise) {
    const isNarrow = matchMedia("(max-width: 1100px)").matches;
    const place = isNarrow ? root.querySelector('[data-role="step-view"]') : otherwise;
    if (place) place.scrollIntoView({ behavior: "instant" });
  }

  function goTo(nextSession, nextStep, again) {
    at = nextSession;
    place = Math.min(Math.max(nextStep, 0), sessions[at].steps.length - 1);
    steps.show(sessions[at], place, again);
    list.select(at);
    try { history.replaceState(null, "", hashOf(sessions[at], place)); } catch { /* some viewers forbid it */ }
  }

  // Returns whether the address names a session and a step.
  function follow() {
    const found = /^#(.+)\/(\d+)$/.exec(location.hash);
    if (!found) return false;
    let id = found[1];
    try { id = decodeURIComponent(id); } catch { return false; }
    const asked = sessions.findIndex((session) => session.id === id);
    if (asked >= 0) goTo(asked, Number(found[2]) - 1);
    return asked >= 0;
  }

  const steps = mountStepView(root, {
    view: simplifiedPage(data.pages, read("page-style")),
    marksOf,
    besideOf,
    dotOf: data.settings.length ? (step) => predictionDot(step, setting) : null,
    linkOf: (session, step) => location.href.split("#")[0] + hashOf(session, step),
    onStep: (next) => goTo(at, next),
  });
  const list = mountSessionList(root, sessions, {
    hrefOf: (session) => hashOf(session, 0),
    dotsOf: (session) => data.settings.length ? session.steps.map((step) => predictionDot(step, setting))
      : session.steps.map((step) => ({ kind: "type-" + step.type, label: step.type })),
    facets: data.settings.length ? [predictionFacet(() => setting)] : [],
    onOpen: (next) => { goTo(next, 0); scrollToStep(null); },
  });

  if (choice) {
    for (const name of data.settings) choice.append(new Option(name, name));
    choice.value = setting;
    choice.addEventListener("change", () => {
      setting = choice.value;
      list.refresh();
      goTo(at, place, true);
    });
  }
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select, input, textarea, pre")) return;
    const move = {
      ArrowLeft: () => goTo(at, place - 1), ArrowRight: () => goTo(at, place + 1),
      j: () => goTo(list.beside(at, 1), 0), k: () => goTo(list.beside(at, -1), 0), "/": () => list.focusSearch(),
    }[event.key];
    if (!move) return;
    event.preventDefault();
    move();
  });
  window.addEventListener("hashchange", follow);
  root.hidden = false;
  if (!follow()) {
    const was = location.hash;
    goTo(0, 0);
    try { history.replaceState(null, "", was || location.pathname); } catch { /* as above */ }
  } else {
    history.scrollRestoration = "manual"; // or a reload would scroll away from the step again
    scrollToStep(document.getElementById("sessions"));
  }
})();
