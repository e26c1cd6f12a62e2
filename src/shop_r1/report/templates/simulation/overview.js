// The list of sessions: what the filters, the search or a part of the funnel choose. The address keeps it.
;(function () {
  "use strict";
  const find = (id) => document.getElementById(id);
  const entries = [...find("entries").children], fields = ["words", "outcome", "action", "length", "at"];
  let only = null; // The numbers of the sessions that a part of a picture stands for, and its words.

  function fits(entry) {
    const has = (name, value) => !value || entry.dataset[name].split(" ").includes(value);
    const [least, most] = (find("length").value || "0-99999").split("-").map(Number), steps = Number(entry.dataset.steps);
    const words = find("words").value.toLowerCase().split(/\s+/).filter(Boolean);
    return (!only || only.numbers.has(entry.dataset.number)) && (!find("outcome").value || entry.dataset.outcome === find("outcome").value)
      && has("actions", find("action").value) && has("at", find("at").value) && steps >= least && steps <= most
      && words.every((word) => entry.dataset.text.includes(word));
  }

  function filter() {
    let shown = 0;
    for (const entry of entries) {
      entry.hidden = !fits(entry);
      shown += entry.hidden ? 0 : 1;
    }
    const isAll = shown === entries.length;
    find("shown").textContent = isAll ? String(entries.length) : shown + " of " + entries.length;
    find("none").hidden = shown > 0;
    find("entries").hidden = shown === 0;
    find("only").hidden = !only;
    find("only").firstChild.textContent = only ? only.words : "";
    find("clear").hidden = !only && fields.every((name) => !find(name).value);
  }

  function remember() {
    const asked = new URLSearchParams();
    for (const name of fields) if (find(name).value) asked.set(name, find(name).value);
    if (only) { asked.set("only", [...only.numbers].join(",")); asked.set("of", only.words); }
    const hash = "#sessions" + (asked.size ? "?" + asked : "");
    try { history.replaceState(null, "", hash); } catch { /* some viewers forbid it */ }
  }

  function readHash() {
    const found = /^#sessions\?(.*)$/.exec(location.hash);
    if (!found) return;
    const asked = new URLSearchParams(found[1]);
    for (const name of fields) find(name).value = asked.get(name) || "";
    const numbers = (asked.get("only") || "").split(",").filter((each) => /^\d+$/.test(each));
    only = numbers.length ? { numbers: new Set(numbers), words: asked.get("of") || "chosen" } : null;
    filter();
    find("sessions").scrollIntoView();
  }

  for (const link of document.querySelectorAll("[data-only]")) link.addEventListener("click", (event) => {
    event.preventDefault();
    for (const name of fields) find(name).value = "";
    only = { numbers: new Set(link.dataset.only.split(",")), words: link.dataset.words };
    filter();
    remember();
    find("sessions").scrollIntoView();
    find("sessions-title").focus({ preventScroll: true });
  });
  // The click map: a page as one shopper read it, with what all did on it.
  const maps = JSON.parse(find("maps").textContent), view = simplifiedPage(maps.map((each) => each.page), JSON.parse(find("page-style").textContent));
  find("map-page").append(view.element);
  for (const button of document.querySelectorAll("[data-map]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      const place = Number(button.dataset.map), most = maps[place].marks[0].times;
      find("map-title").textContent = maps[place].template;
      find("map").showModal();
      view.show({ page: place }, maps[place].marks.map((each) => ({
        name: each.name, label: String(each.times), kind: "heat-" + Math.max(1, Math.ceil(5 * each.times / most)),
      })));
    });
  }
  find("map-close").addEventListener("click", () => find("map").close());
  find("map").addEventListener("click", (event) => { if (event.target === find("map")) find("map").close(); });

  for (const name of fields) find(name).addEventListener("input", () => { filter(); remember(); });
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("clear").addEventListener("click", () => {
    for (const name of fields) find(name).value = "";
    only = null;
    filter();
    remember();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.closest("input, select")) return;
    event.preventDefault();
    find("words").focus();
  });
  addEventListener("hashchange", readHash);
  find("sessions-title").tabIndex = -1;
  find("filters").hidden = entries.length < 2;
  readHash();
})();
