// The list of sessions: a dot for each step, a search, and a filter for each thing in which the sessions differ.
//
// mountSessionList(root, sessions, {hrefOf, dotsOf, facets, onOpen, onFilter}) fills the skeleton of
// session_list.html.jinja. A session is {id, summary, outcome, outcome_words, chips, steps: [{type, saw, did, why,
// url}], search}; a facet {label, of(session) -> [value]}; a dot {kind, label}.

const DOTS_MAX = 40;
const LENGTHS = [[1, 3, "1–3 steps"], [4, 7, "4–7 steps"], [8, 15, "8–15 steps"], [16, Infinity, "16 steps and more"]];

function lengthOf(session) {
  const found = LENGTHS.find(([low, high]) => session.steps.length >= low && session.steps.length <= high);
  return found ? found[2] : "no step";
}

const SESSION_FACETS = [
  { label: "Outcome", of: (session) => [session.outcome_words] },
  { label: "Action", of: (session) => [...new Set(session.steps.map((step) => step.type))] },
  { label: "Length", of: (session) => [lengthOf(session)], order: [...LENGTHS.map((each) => each[2]), "no step"] },
];

function searchText(session) {
  const parts = [session.id, session.summary, session.persona || "", ...(session.chips || [])];
  for (const step of session.steps) parts.push(step.saw, step.did, step.why || "", step.url || "");
  return parts.join("\n").toLowerCase();
}

function dotRow(dots) {
  const row = make("span", "dots");
  row.setAttribute("aria-hidden", "true");
  for (const dot of dots.slice(0, DOTS_MAX)) row.append(make("i", "dot " + dot.kind));
  if (dots.length > DOTS_MAX) row.append(make("span", "", "+" + (dots.length - DOTS_MAX)));
  return row;
}

function facetSelect(facet, sessions, changed) {
  const counts = new Map();
  for (const session of sessions) for (const value of facet.of(session)) counts.set(value, (counts.get(value) || 0) + 1);
  if (counts.size < 2) return null;
  const values = [...counts.keys()];
  if (facet.order) values.sort((a, b) => facet.order.indexOf(a) - facet.order.indexOf(b));
  else values.sort((a, b) => counts.get(b) - counts.get(a) || (a < b ? -1 : 1));
  const label = make("label", "facet"), select = make("select");
  label.append(make("span", "", facet.label), select);
  select.append(new Option("any", ""));
  for (const value of values) select.append(new Option(value + " (" + counts.get(value) + ")", value));
  select.addEventListener("change", changed);
  return { facet, select, label };
}

function mountSessionList(root, sessions, options) {
  const find = (role) => root.querySelector('[data-role="' + role + '"]');
  const search = find("search"), list = find("list"), count = find("count"), filters = find("filters");
  const clear = find("clear"), texts = sessions.map(searchText);
  let facets = [], kept = sessions.map((_, place) => place), current = -1;

  function item(place) {
    const session = sessions[place], dots = options.dotsOf(session);
    const entry = make("li"), link = make("a", "entry");
    link.href = options.hrefOf(session, place);
    link.dataset.place = String(place);
    const head = make("span", "entry-head");
    head.append(make("span", "outcome " + session.outcome, session.outcome_words),
      make("span", "soft", session.steps.length + (session.steps.length === 1 ? " step" : " steps")));
    const told = make("span", "unseen", dots.map((dot) => dot.label).filter(Boolean).join(", "));
    link.append(head, make("span", "entry-summary", session.summary), dotRow(dots), told, make("span", "entry-id mono", session.id));
    if (options.onOpen) link.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      options.onOpen(place);
    });
    entry.append(link);
    return entry;
  }

  function mark() {
    for (const link of list.querySelectorAll(".entry")) {
      const isCurrent = Number(link.dataset.place) === current;
      if (isCurrent) link.setAttribute("aria-current", "true"); else link.removeAttribute("aria-current");
      if (isCurrent && list.scrollHeight > list.clientHeight) {
        const top = link.offsetTop - list.offsetTop;
        if (top < list.scrollTop || top + link.offsetHeight > list.scrollTop + list.clientHeight) {
          list.scrollTop = top - list.clientHeight / 3;
        }
      }
    }
  }

  function filter() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = facets.filter((each) => each.select.value);
    kept = sessions.map((_, place) => place).filter((place) => words.every((word) => texts[place].includes(word))
      && chosen.every((each) => each.facet.of(sessions[place]).includes(each.select.value)));
    list.replaceChildren(...kept.map(item));
    count.textContent = kept.length === sessions.length ? sessions.length + (sessions.length === 1 ? " session" : " sessions")
      : kept.length ? kept.length + " of " + sessions.length + " sessions" : "No session fits.";
    clear.hidden = !words.length && !chosen.length;
    mark();
    if (options.onFilter) options.onFilter(kept);
  }

  // Called again when what the facets read has changed, such as the setting whose predictions are shown.
  function refresh() {
    const before = new Map(facets.map((each) => [each.facet.label, each.select.value]));
    facets = [...SESSION_FACETS, ...(options.facets || [])].map((each) => facetSelect(each, sessions, filter)).filter(Boolean);
    for (const each of facets) {
      each.select.value = before.get(each.facet.label) || "";
      if (each.select.selectedIndex < 0) each.select.value = "";
    }
    filters.replaceChildren(...facets.map((each) => each.label));
    filter();
  }

  search.addEventListener("input", filter);
  clear.addEventListener("click", () => {
    search.value = "";
    for (const each of facets) each.select.value = "";
    filter();
    search.focus();
  });
  find("searching").hidden = sessions.length < 2;
  refresh();
  return {
    refresh,
    focusSearch() { if (!find("searching").hidden) search.focus(); },
    select(place) { current = place; mark(); },
    // The place of the next session that fits, in a direction; the same where there is none.
    beside(place, direction) {
      const at = kept.indexOf(place);
      if (at < 0) return kept.length ? kept[direction > 0 ? 0 : kept.length - 1] : place;
      return kept[Math.min(Math.max(at + direction, 0), kept.length - 1)];
    },
  };
}
