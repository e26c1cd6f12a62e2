// Records the two visits beside this file with rrweb in Chromium, and each page as the browser had it.
//
//   shop-r1 store --port 8123 &
//   npm install rrweb@2.2.2 playwright-core
//   node record.mjs node_modules/rrweb/umd/rrweb.min.js /usr/bin/chromium http://127.0.0.1:8123/
//
// NAME.json has rrweb's events; pages/NAME.json has, for each action, what was done and the page right before
// it: the browser's own outerHTML, with what fields hold written into it. Here both are one entry a line (zstd).
import { readFileSync, writeFileSync } from "node:fs";
import { chromium } from "playwright-core";

const [library, executablePath, shop] = process.argv.slice(2);
const quiet = ["background-networking", "component-update", "sync"].map((name) => `--disable-${name}`);
const args = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", ...quiet];
const browser = await chromium.launch({ executablePath, args });
const rrweb = readFileSync(library, "utf8");

// The whole page as HTML, with the fields' present values.
const whole = () => {
  const copy = document.documentElement.cloneNode(true);
  const fields = "input,textarea,option";
  const there = [...document.documentElement.querySelectorAll(fields)];
  copy.querySelectorAll(fields).forEach((field, index) => {
    const now = there[index];
    if (field.tagName === "OPTION") field.toggleAttribute("selected", now.selected);
    else if (["checkbox", "radio"].includes(now.type)) field.toggleAttribute("checked", now.checked);
    else if (field.tagName === "TEXTAREA") field.textContent = now.value;
    else if (!["hidden", "submit"].includes(now.type)) field.setAttribute("value", now.value);
  });
  return `<!DOCTYPE html>${copy.outerHTML}`;
};

// Random changes of all kinds within one element, some of them in one go.
const disturb = async ([seed, count]) => {
  const home = document.getElementById("restless");
  const pick = (number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % number;
  const any = (list) => list[pick(list.length)];
  const inside = () => [...home.querySelectorAll(".r, .r *")].filter((each) => each.tagName !== "BUTTON");
  const grow = (depth) => {
    const node = document.createElement(any(["div", "ul", "li", "p", "span", "b", "a", "h3", "button"]));
    node.className = "r";
    if (node.tagName === "A") node.href = any(["/a", "?b=1", "#", "#c", "https://other.example/d"]);
    node.append(`${any(["red", "blue", "<b>", "&amp;", "ü"])} ${pick(100)}`);
    if (depth && node.tagName !== "BUTTON") for (let i = pick(3); i > 0; i--) node.append(grow(depth - 1));
    if (!pick(5)) node.append(document.createComment("x"), "tail");
    return node;
  };
  for (let step = 0; step < count; step++) {
    const one = any(inside()) ?? home, other = any(inside()) ?? home;
    const change = pick(9);
    if (change < 3) one.insertBefore(grow(2), any([...one.childNodes, null]) ?? null);
    else if (change === 3 && one !== home) one.remove();
    else if (change === 4 && one !== home && !one.contains(other)) other.insertBefore(one, other.firstChild);
    else if (change === 5) one.setAttribute(any(["title", "aria-label", "data-x"]), `t${pick(50)}`);
    else if (change === 6) one.style.setProperty(any(["color", "display"]), any(["red", "none", "block"]));
    else if (change === 7) any(["title", "style", "aria-label"].map((name) => () => one.removeAttribute(name)))();
    else if (one.firstChild?.nodeType === 3) one.firstChild.data = `now ${pick(100)}`;
    if (!pick(4)) await new Promise((done) => setTimeout(done, pick(3)));
  }
};

const visit = async (name, body) => {
  const events = [], pages = [];
  const page = await (await browser.newContext({ bypassCSP: true })).newPage();
  await page.exposeBinding("keep", (_, event) => { events.push(JSON.parse(event)); });
  // rrweb makes a frame of its own for a moment, in which it must not begin again.
  const options = name === "restless" ? "checkoutEveryNth: 60" : "";
  const begin = `rrweb.record({ emit: (event) => keep(JSON.stringify(event)), ${options} })`;
  await page.addInitScript(
    `if (window === top) { ${rrweb}; addEventListener("DOMContentLoaded", () => ${begin}); }`,
  );
  // Does one thing after keeping the page; `type` is what an import should make of it, null for nothing.
  const act = async (type, selector, { text, how, option } = {}) => {
    await page.hover(selector);
    await page.waitForTimeout(150);
    if (type) pages.push({ type, css: option ?? selector, text, html: await page.evaluate(whole) });
    if (how) await how();
    else if (text === undefined) await page.click(selector);
    else {
      await page.click(selector);
      await page.keyboard.type(text, { delay: 15 });
      if (type) await page.keyboard.press("Enter");
    }
    await page.waitForTimeout(400);
  };
  await page.goto(shop);
  await page.waitForTimeout(300);
  await body(page, act);
  writeFileSync(`${name}.json`, JSON.stringify(events));
  writeFileSync(`pages/${name}.json`, JSON.stringify(pages));
  await page.close();
};

// Search, look, go back over the menu, buy: a new page each time.
await visit("store", async (page, act) => {
  await act("type_and_submit", "#q", { text: "steel mug" });
  await act("click", "ul[aria-label=Results] > li:nth-child(2) a");
  await page.hover("#departments-link");
  await page.waitForTimeout(600);
  await act("click", "#departments-menu li:nth-child(2) a");
  await act("type_and_submit", "#q", { text: "mug", how: async () => {
    await page.fill("#q", "mug");
    await page.click("form.search button");
  } });
  await act("click", "ul[aria-label=Results] > li:nth-child(1) a");
  await act("click", "button[value=cart]");
});

// One page that never rests, with fields of all kinds; nothing is loaded anew.
await visit("restless", async (page, act) => {
  await page.evaluate(() => {
    document.querySelectorAll("main > *").forEach((each) => each.remove());
    const home = document.createElement("section");
    home.id = "restless";
    home.innerHTML = `<h2>Restless</h2><form id="find"><label>Find <input name="w"></label><button>Find</button></form>
      <p><label for="gift"><i>As a gift</i></label> <input type="checkbox" id="gift"></p>
      <p><label>Red <input type="radio" name="c" value="r"></label> <label>Blue <input type="radio" name="c" value="b"></label></p>
      <select aria-label="Size"><option value="s">Small</option><option value="m">Medium</option></select>
      <textarea aria-label="Note">None</textarea><button id="go" type="button"><span>Go on</span></button>
      <div class="r">start</div>`;
    document.querySelector("main").append(home);
    document.getElementById("find").onsubmit = (event) => {
      event.preventDefault();
      home.querySelector("h2").textContent = `Found ${new FormData(event.target).get("w")}`;
      event.target.reset();
    };
  });
  for (const round of [1, 2, 3]) {
    await page.evaluate(disturb, [round, 120]);
    await act("click", "#go span");
  }
  await act("click", "label[for=gift]");
  await act("click", "input[value=r]");
  await act("click", "select", { option: "option[value=m]", how: async () => {
    await page.focus("select");
    await page.keyboard.press("ArrowDown");
  } });
  await act("type_and_submit", "#find input", { text: "a <b> \"c\" & d" });
  await page.evaluate(disturb, [4, 120]);
  await act(null, "textarea", { text: "dropped" });
  await act("click", "#go");
});
await browser.close();
