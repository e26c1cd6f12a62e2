"use strict";
(function () {
  // All recorded text enters the page through textContent; the page itself is already inert (safe_page.py).
  const data = JSON.parse(document.getElementById("replay").textContent);
  const pageStyle = JSON.parse(document.getElementById("page-style").textContent);
  const find = (id) => document.getElementById(id);
  const frame = find("page");
  let session = 0, step = 0, marked = "";

  function make(tag, className, text) {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text !== undefined && text !== null) element.textContent = text;
    return element;
  }

  function fillSelect(select, labels, chosen) {
    select.replaceChildren(...labels.map((label, place) => {
      const option = make("option", "", label);
      option.value = String(place);
      return option;
    }));
    select.value = String(chosen);
  }

  function brief(action) {
    return [action.type, action.name, action.text === undefined ? undefined : "“" + action.text + "”"]
      .filter((part) => part !== undefined).join(" ");
  }

  function showAction(place, action) {
    place.replaceChildren(make("span", "type", action.type));
    if (action.name !== undefined) place.append(" ", make("span", "name", action.name || "(no name)"));
    if (action.text !== undefined) place.append(" ", make("span", "text", "“" + action.text + "”"));
    if (action.click_type !== undefined) place.append(" ", make("span", "", "(" + action.click_type + ")"));
  }

  function showRationale(place, text) {
    place.textContent = text || "No rationale recorded.";
    place.classList.toggle("none", !text);
  }

  function rewardTable(parts) {
    const details = make("details");
    details.open = true;
    details.append(make("summary", "", "Reward " + parts[parts.length - 1].earned));
    const table = make("table"), body = make("tbody"), head = make("thead"), line = make("tr");
    for (const title of ["part", "earned", "why"]) {
      const cell = make("th", "", title);
      cell.scope = "col";
      line.append(cell);
    }
    head.append(line);
    for (const part of parts) {
      const row = make("tr"), name = make("th", "", part.part);
      name.scope = "row";
      row.append(name, make("td", "", part.earned), make("td", "", part.reason));
      body.append(row);
    }
    table.append(head, body);
    details.append(table);
    return details;
  }

  const verdicts = { action: "same action", type: "right type", none: "wrong type", unparsable: "unparsable" };

  function responseCard(prediction) {
    const card = make("article", "response" + (prediction.setting === marked ? " marked" : ""));
    const header = make("header");
    header.append(make("h3", "", prediction.setting),
      make("span", "verdict same-" + prediction.same, verdicts[prediction.same]));
    card.append(header);
    if (prediction.action) {
      const action = make("p", "action");
      showAction(action, prediction.action);
      card.append(action);
    } else {
      card.append(make("p", "", prediction.failure || "No action could be read from the completion."));
      if (prediction.completion !== null) card.append(make("pre", "completion", prediction.completion));
    }
    if (prediction.action || prediction.rationale) {
      const rationale = make("p", "rationale");
      showRationale(rationale, prediction.rationale);
      card.append(rationale);
    }
    if (prediction.reward) card.append(rewardTable(prediction.reward));
    const facts = [];
    if (prediction.prompt_tokens !== null) facts.push("prompt tokens: " + prediction.prompt_tokens);
    if (prediction.pages_cut) facts.push("earlier pages cut from the prompt: " + prediction.pages_cut);
    if (facts.length) card.append(make("p", "note", facts.join(", ")));
    return card;
  }

  function markElements() {
    const current = data.sessions[session].steps[step];
    const inside = frame.contentDocument;
    if (!inside || !inside.body) return;
    const chosen = current.predictions.find((each) => each.setting === marked && each.action);
    const names = [["true", current.action.name], ["predicted", chosen && chosen.action.name]];
    const missing = [];
    for (const element of inside.querySelectorAll("[data-mark]")) element.removeAttribute("data-mark");
    for (const [kind, name] of names) {
      if (!name) continue;
      const found = [...inside.querySelectorAll("[name]")].find((each) => each.getAttribute("name") === name);
      if (found) found.dataset.mark = ((found.dataset.mark || "") + " " + kind).trim();
      else missing.push("The " + kind + " action’s “" + name + "” is not on this page"
        + (data.pages[current.page].cut ? " as far as it is shown." : "."));
    }
    find("missing").textContent = missing.join(" ");
    for (const element of inside.querySelectorAll("[data-mark]")) {
      for (let up = element.parentElement; up; up = up.parentElement) if (up.tagName === "DETAILS") up.open = true;
    }
    const target = inside.querySelector('[data-mark~="true"]') || inside.querySelector("[data-mark]");
    if (target) inside.defaultView.scrollTo(0, Math.max(0, target.getBoundingClientRect().top
      + inside.defaultView.scrollY - frame.clientHeight / 3));
  }

  function showPage(page) {
    find("url").textContent = (page.url || "page without an address")
      + (page.cut ? " (the last " + page.cut + " characters are not shown)" : "");
    find("source").textContent = page.source;
    frame.srcdoc = '<!doctype html><html lang="en"><head><meta charset="utf-8"><style>' + pageStyle
      + "</style></head><body>" + page.safe + "</body></html>";
  }

  function show() {
    const current = data.sessions[session], now = current.steps[step];
    fillSelect(find("step"), current.steps.map((each, place) =>
      "Step " + (place + 1) + " of " + current.steps.length + ": " + brief(each.action).slice(0, 60)), step);
    find("session").value = String(session);
    find("previous").disabled = step === 0;
    find("next").disabled = step === current.steps.length - 1;
    find("place").textContent = "Session " + current.id + " (" + current.source + ", " + current.outcome
      + "), step " + (step + 1) + " of " + current.steps.length;
    showAction(find("true-action"), now.action);
    showRationale(find("true-rationale"), now.rationale);
    find("predictions").replaceChildren(...(now.predictions.length ? now.predictions.map(responseCard)
      : [make("p", "note", "This step was not predicted.")]));
    showPage(data.pages[now.page]);
    try { history.replaceState(null, "", "#session=" + (session + 1) + "&step=" + (step + 1)); } catch { /* some viewers forbid it */ }
  }

  function goTo(nextSession, nextStep) {
    session = Math.min(Math.max(nextSession, 0), data.sessions.length - 1);
    step = Math.min(Math.max(nextStep, 0), data.sessions[session].steps.length - 1);
    show();
  }

  frame.addEventListener("load", markElements);
  fillSelect(find("session"), data.sessions.map((each, place) =>
    (place + 1) + ". " + each.id.slice(0, 40) + " (" + each.steps.length + " steps, " + each.outcome + ")"), 0);
  marked = data.settings[data.settings.length - 1] || "";
  fillSelect(find("setting"), data.settings.length ? data.settings : ["none"], Math.max(0, data.settings.length - 1));
  find("session").addEventListener("change", (event) => goTo(Number(event.target.value), 0));
  find("step").addEventListener("change", (event) => goTo(session, Number(event.target.value)));
  find("previous").addEventListener("click", () => goTo(session, step - 1));
  find("next").addEventListener("click", () => goTo(session, step + 1));
  find("setting").addEventListener("change", (event) => {
    marked = data.settings[Number(event.target.value)] || "";
    show();
  });
  find("source-switch").addEventListener("click", (event) => {
    const showSource = find("source").hidden;
    find("source").hidden = !showSource;
    frame.hidden = showSource;
    event.target.setAttribute("aria-pressed", String(showSource));
    if (!showSource) markElements();
  });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("select, input, pre, .scroll")) return;
    const move = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!move || !find("reader").getBoundingClientRect().height) return;
    event.preventDefault();
    if (event.shiftKey) goTo(session + move, 0); else goTo(session, step + move);
  });
  const asked = /^#session=(\d+)&step=(\d+)$/.exec(location.hash);
  find("reader").hidden = false;
  if (asked) goTo(Number(asked[1]) - 1, Number(asked[2]) - 1); else goTo(0, 0);
})();
