// Makes a version's edits in a page of the shop's own hosts, from before its first paint on. Runs in the page's world
// before its own scripts, so all that is used of it is taken here, before a page can replace it. What scripts draw
// later is edited when it comes; what an edit has done is never done again, and a page that takes it back again and
// again is left alone. What stands between @ is filled in for each visit; the driver asks over the channel, an event that
// only it knows, what the edits hold of.
(() => {
  const edits = @EDITS@, hosts = @HOSTS@, CHANNEL = @CHANNEL@;
  const FIGHTS_MAX = 20, FIGHT_MS = 1000;  // an element that a page changes back so often, so soon again
  const WORDS_MAX = 300;
  const PASSES_MAX = 50;  // between two frames; what comes then waits for the next
  const taken = (kind, name) => { const run = kind.prototype[name]; return (node, ...given) => run.apply(node, given); };
  const asked = (kind, name) => { const get = Object.getOwnPropertyDescriptor(kind.prototype, name).get; return (node) => get.call(node); };
  const [attribute, setAttribute, removeAttribute, contains, insert, closest] = [[Element, 'getAttribute'], [Element, 'setAttribute'],
    [Element, 'removeAttribute'], [Node, 'contains'], [Node, 'insertBefore'], [Element, 'closest']].map((it) => taken(...it));
  const [parentOf, nextOf, nodesOf, textOf, tagOf, connected] = [[Node, 'parentNode'], [Node, 'nextSibling'], [Node, 'childNodes'],
    [Node, 'textContent'], [Element, 'localName'], [Node, 'isConnected']].map((it) => asked(...it));
  const position = taken(Node, 'compareDocumentPosition'), remove = taken(Node, 'removeChild');
  const inDocument = taken(Document, 'querySelectorAll'), inElement = taken(Element, 'querySelectorAll');
  const frame = window.requestAnimationFrame.bind(window), later = window.setTimeout.bind(window), dispatch = taken(EventTarget, 'dispatchEvent');
  const clock = performance.now.bind(performance), toText = JSON.stringify, Sheet = CSSStyleSheet, Answer = CustomEvent, Observer = MutationObserver;

  const isOwn = () => {
    try {
      const { protocol, hostname, port } = new URL(self.origin);
      return hosts.includes(`${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`);
    } catch { return false; }  // a sandboxed frame has none
  };
  if (!isOwn()) return;

  const address = () => {  // a frame that is written by its page has that page's
    if (location.protocol !== 'about:') return location.href;
    try { return parent.location.href; } catch { return location.href; }
  };
  const expressions = edits.map(({ pages }) => pages.map((pattern) => [pattern.startsWith('/'),
    new RegExp(`^${pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\\/-]/g, '\\$&')).join('.*')}$`, 's')]));
  const holdsOn = (index, href) => {
    if (!expressions[index].length) return true;
    const plain = href.split('#')[0];
    const forms = [href, plain, plain.split('?')[0]];
    const path = (form) => form.replace(/^[a-z][a-z0-9+.-]*:\/\/[^/?#]*/, '') || '/';
    return expressions[index].some(([isPath, pattern]) => forms.some((form) => pattern.test(isPath ? path(form) : form)));
  };
  const all = (selector, root = document) => {
    try { return [...(root === document ? inDocument : inElement)(root, selector)]; } catch { return []; }
  };

  // Per edit: what it has been done to, with how to undo it, and the elements over which a page fights with it.
  const states = edits.map(() => ({ done: new Map(), fights: new Map(), isOn: false, given: 0 }));
  const mayDo = (state, element) => {
    const now = clock(), known = state.fights.get(element);
    if (!known || (known.count <= FIGHTS_MAX && now - known.since > FIGHT_MS)) {
      state.fights.set(element, { count: 1, since: now });
      return true;
    }
    known.count += 1;
    if (known.count === FIGHTS_MAX + 1) state.given += 1;
    return known.count <= FIGHTS_MAX;
  };

  // -- text: nodes of text are written to, never replaced, so that a framework that made them finds them again
  const textsIn = (element) => {
    const found = [], walk = (node) => {
      for (const child of nodesOf(node)) {
        if (child.nodeType === 3) found.push(child);
        else if (child.nodeType === 1 && !['script', 'style', 'svg', 'template'].includes(tagOf(child))) walk(child);
      }
    };
    walk(element);
    return found;
  };
  const words = (text) => text.replace(/\s+/g, ' ').trim();
  const doText = (edit, state, element) => {
    if (tagOf(element) === 'input') return set(state, element, 'value', edit.to);  // of a button
    const nodes = textsIn(element);
    if (words(nodes.map((node) => node.data).join('')) === words(edit.to) || !mayDo(state, element)) return;
    const first = nodes.find((node) => node.data.trim()) || nodes[0];
    const before = state.done.get(element)?.before || nodes.map((node) => [node, node.data]);
    state.done.set(element, { before, undo: () => { for (const [node, data] of before) node.data = data; } });
    if (!first) {
      const made = document.createTextNode(edit.to);
      insert(element, made, null);
      state.done.set(element, { before: [[made, '']], undo: () => { made.data = ''; } });
      return;
    }
    for (const node of nodes) if (node !== first && node.data.trim()) node.data = '';
    first.data = edit.to;
  };

  // -- attributes, and pictures, which are some
  const set = (state, element, name, value) => {
    const found = attribute(element, name);
    if (found === value || !mayDo(state, element)) return;
    const before = state.done.get(element)?.before || {};
    if (!(name in before)) before[name] = found;
    const put = (to, what) => (what === null ? removeAttribute(element, to) : setAttribute(element, to, what));
    state.done.set(element, { before, undo: () => { for (const each in before) put(each, before[each]); } });
    put(name, value);
  };
  const doImage = (edit, state, element) => {
    const url = new URL(edit.url, address()).href;
    if (tagOf(element) === 'image') return set(state, element, 'href', url);
    set(state, element, 'srcset', null);
    set(state, element, 'src', url);
    const around = closest(element, 'picture');
    if (around) for (const source of all('source', around)) set(state, source, 'srcset', url);
  };

  // -- moves: to the nearest place, which is in the closest element around both
  const moved = new WeakSet();
  const placeFor = (edit, element, from) => {
    for (let around = from; around && around.nodeType === 1; around = parentOf(around)) {
      const found = all(edit.place, around).find((it) => it !== element && !contains(element, it));
      if (found) return found;
    }
    return null;
  };
  const isThere = (edit, element, place) => {
    if (edit.how === 'into') return parentOf(element) === place;
    if (parentOf(element) !== parentOf(place)) return false;
    return Boolean(position(place, element) & (edit.how === 'before' ? 2 : 4));
  };
  const doMove = (edit, state, element) => {
    const known = state.done.get(element);
    const home = known?.home || { parent: parentOf(element), next: nextOf(element) };
    // From where it was first: what is nearest there may have come later than what it was moved to.
    const place = placeFor(edit, element, connected(home.parent) ? home.parent : parentOf(element));
    if (!place || (known?.place === place && isThere(edit, element, place)) || !mayDo(state, element)) return;
    const undo = () => {
      if (connected(home.parent)) insert(home.parent, element, home.next && parentOf(home.next) === home.parent ? home.next : null);
    };
    state.done.set(element, { place, home, undo });
    moved.add(element);
    if (edit.how === 'into') insert(place, element, null);
    else {
      // Several go to one place in the order in which they stood.
      let next = edit.how === 'before' ? place : nextOf(place);
      while (edit.how === 'after' && next && next !== element && state.done.get(next)?.place === place) next = nextOf(next);
      if (next !== element && nextOf(element) !== next) insert(parentOf(place), element, next);
    }
  };
  // A framework takes away what it has made from where it has put it, and would stop if that is elsewhere now.
  if (edits.some(({ kind }) => kind === 'move')) {
    Node.prototype.removeChild = function removeChild(child) {
      return remove(moved.has(child) && parentOf(child) && parentOf(child) !== this ? parentOf(child) : this, child);
    };
    Node.prototype.insertBefore = function insertBefore(node, next) {
      return insert(this, node, next && moved.has(next) && parentOf(next) !== this ? null : next);
    };
  }

  // -- rules: hidden elements and styles, in sheets that no policy of the page's forbids and no element shows
  const HIDDEN = '{ display: none !important; --shop-r1-hidden: 1 }';
  for (const [index, edit] of edits.entries()) {
    if (edit.kind !== 'hide' && edit.kind !== 'css') continue;
    states[index].sheet = new Sheet();
    states[index].sheet.replaceSync(edit.kind === 'hide' ? `${edit.selector} ${HIDDEN}` : edit.rules);
  }
  const dress = () => {
    const own = states.filter((state) => state.sheet && state.isOn).map((state) => state.sheet);
    const found = [...document.adoptedStyleSheets], known = new Set(states.map((state) => state.sheet));
    const others = found.filter((sheet) => !known.has(sheet)), wanted = [...others, ...own];
    if (wanted.length !== found.length || wanted.some((sheet, at) => sheet !== found[at])) document.adoptedStyleSheets = wanted;
  };

  const outdoes = /display\s*:[^;]*!\s*important/i, NOT_SHOWN = ';display:none !important';
  const doHide = (edit, state, element) => {  // an element's own style may outdo every sheet
    const style = attribute(element, 'style') || '';
    if (outdoes.test(style) && !style.endsWith(NOT_SHOWN)) set(state, element, 'style', style + NOT_SHOWN);
  };
  const doing = { hide: doHide, text: doText, move: doMove, image: doImage, attribute: (edit, state, element) => set(state, element, edit.name, edit.to) };
  const pass = () => {
    const href = address();
    for (const [index, edit] of edits.entries()) {
      const state = states[index], isOn = holdsOn(index, href), wasOn = state.isOn;
      state.isOn = isOn;
      if (!doing[edit.kind]) continue;
      if (isOn) for (const element of all(edit.selector)) doing[edit.kind](edit, state, element);
      else if (wasOn) {
        for (const [element, { undo }] of [...state.done].reverse()) if (connected(element)) undo();
        state.done.clear();
      }
      // What is gone is forgotten; what was never in the page any more cannot be held.
      for (const element of state.done.keys()) if (!connected(element)) state.done.delete(element);
      for (const element of state.fights.keys()) if (!connected(element)) state.fights.delete(element);
    }
    dress();
  };
  let passes = 0, isWaiting = false;
  const run = () => {
    if (isWaiting) return;
    passes += 1;
    if (passes === 1) later(() => { passes = 0; }, 16);
    if (passes <= PASSES_MAX) return pass();
    isWaiting = true;
    const go = () => { if (isWaiting) { isWaiting = false; passes = 0; pass(); } };
    frame(go);
    later(go, 100);  // a tab in the background draws no frames
  };
  new Observer(run).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
  for (const moment of ['popstate', 'hashchange', 'DOMContentLoaded', 'load', 'pageshow']) addEventListener(moment, run, true);
  if (window.navigation) navigation.addEventListener('currententrychange', run);  // a script's routes
  run();

  // -- what is asked
  const rules = (list) => [...list].flatMap((rule) => (rule.selectorText ? [rule.selectorText] : rule.cssRules ? rules(rule.cssRules) : []));
  const isDone = {
    hide: () => true,
    text: (edit, it) => words(tagOf(it) === 'input' ? attribute(it, 'value') || '' : textsIn(it).map((node) => node.data).join('')) === words(edit.to),
    attribute: (edit, it) => attribute(it, edit.name) === edit.to,
    image: (edit, it) => (attribute(it, 'src') || attribute(it, 'href') || '').endsWith(edit.url),
    move: (edit, it, state) => state.done.has(it),
  };
  const heldBy = (edit, state) => {  // [elements that it holds of, elements that its selector finds]
    if (edit.kind === 'css') {
      const found = new Set(rules(state.sheet.cssRules).flatMap((each) => all(each)));
      return [found.size, found.size];
    }
    if (!isDone[edit.kind]) return [0, 0];
    const found = all(edit.selector), wider = new Set([...found, ...state.done.keys()]);  // an edit may end what its selector asks for
    return [[...wider].filter((it) => isDone[edit.kind](edit, it, state)).length, wider.size];
  };
  // What an element, what is in it and what it is in said before edits: what buys is known by its words.
  const saidBefore = (element) => {
    const found = new Set();
    for (const { done } of states) {
      for (const [edited, { before }] of done) {
        if (!before || (edited !== element && !contains(edited, element) && !contains(element, edited))) continue;
        if (Array.isArray(before)) found.add(before.map(([, data]) => data).join(''));
        else for (const name in before) if (before[name]) found.add(before[name]);
      }
    }
    return [...found].map((text) => words(text).slice(0, WORDS_MAX));
  };
  addEventListener(CHANNEL, (event) => {
    if (event.detail) return;  // the answer itself
    const [asked] = event.composedPath();
    if (asked !== window) return dispatch(window, new Answer(CHANNEL, { detail: toText({ before: saidBefore(asked) }) }));
    pass();
    const found = states.map((state, index) => (state.isOn ? [...heldBy(edits[index], state), state.given] : null));
    dispatch(window, new Answer(CHANNEL, { detail: toText({ edits: found }) }));
  }, true);
})();
