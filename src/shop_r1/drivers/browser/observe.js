// A selector engine of Playwright's that runs in its isolated world (`register(..., content_script=True)`), so the
// page's scripts neither see nor disturb it, and the page's document is never changed:
//   17          the live element that the copy calls 17, as long as it is connected
// The rest are detached <pre> whose text is JSON:
//   observe     the live page as HTML, what was left out of it, and its status of HTTP
//   aim:17      where the mouse reaches element 17; `click:17` also lets the next click reach nothing else
//   outcome     whether that click reached it
//   frame:17:x:y  where a point of the frame 17 is in this window
//   field:17    what is asked of a text field, and whether it takes text
//   edits:name  what the script of a version's edits says of them, asked by an event of this name
//   before:17   what an element said before a version's edits
//   options:17  the options of a list, or of the list that an option is in, and that option's place
// It is read after `dom.js` and `aim.js`. Ids (`data-shop-r1-id`) stand in the copy alone; `nodes` leads from them to the elements.
(() => {
  const ID = 'data-shop-r1-id', HOVER = 'data-shop-r1-hover';
  const NODES_MAX = 60000, DEPTH_MAX = 400, TEXT_MAX = 20000, VALUE_MAX = 2000, CHARS_MAX = 2000000;
  const HIDDEN_TEXT_MAX = 300;  // a hidden part's words only name something else
  const HOVER_RULES_MAX = 400, OVER_MAX = 200;
  const VOID = new Set('area base br col embed hr img input link meta param source track wbr'.split(' '));
  const LEFT_OUT = new Set('SCRIPT STYLE LINK META NOSCRIPT TEMPLATE HEAD TITLE BASE'.split(' '));
  const ROLES = 'button link tab menuitem checkbox radio switch option combobox slider'.split(' ');
  const CONTROL = ['a[href]', 'area', 'button', 'input', 'select', 'textarea', 'summary', '[onclick]',
    '[tabindex="0"]', '[contenteditable=""]', '[contenteditable="true"]', ...ROLES.map((role) => `[role=${role}]`)].join();
  const NATIVE = 'a[href],button,input,select,textarea,summary,label,[role=button],[role=link],[onclick],[tabindex="0"]';
  // What a field holds is no business of a record's where its purpose is one of these (HTML standard, autofill).
  const SECRET = /^(?:cc-(?!name|type|exp)|current-password|new-password|one-time-code)/;
  const escape = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
  const quote = (text) => escape(text).replace(/"/g, '&quot;');

  let nodes = [], channel = '';  // the channel of a version's edits

  // What alone can be acted on, where something lies over nearly the whole window: a modal <dialog>, else the fixed
  // box that most of a grid of points lead to, and what lies over that. An empty list where nothing does.
  const findModal = () => {
    const open = document.querySelector('dialog:modal');
    if (open) return [open];
    const isPage = (element) => element === document.body || element === document.documentElement;
    const fixedAround = (element) => {
      while (element && element !== document.documentElement && getComputedStyle(element).position !== 'fixed') element = parentOf(element);
      return element && !isPage(element) ? element : null;
    };
    const found = new Set();
    let hits = 0, onTop = 0;
    for (const x of [0.1, 0.5, 0.9]) for (const y of [0.1, 0.5, 0.9]) {
      for (const [at, element] of document.elementsFromPoint(innerWidth * x, innerHeight * y).entries()) {
        const box = fixedAround(element);
        if (!box) continue;
        found.add(box);
        hits += 1;
        onTop += at === 0;
        break;
      }
    }
    // A list may be open over a backdrop, without being fixed itself, and leave a third of it to be seen.
    if (hits < 8 || onTop < 3) return [];
    let top = [...found][0];
    for (const element of found) while (!contains(top, element)) top = parentOf(top);
    const boxes = isPage(top) ? [...found].filter((element) => select(element, CONTROL)) : [top];
    if (boxes.length > 1) return [];  // parts of a page's frame
    return boxes.flatMap((box) => [box, ...liesOver(box)]);
  };
  // What is beside a box and within a hand's reach: the outermost elements that lie over it, and controls that are
  // seen through a hole in it, as the one that opened a list may be.
  const liesOver = (box) => {
    const over = new Set();
    let asked = 0;  // where the mouse would come takes long to find out on a page of many layers
    for (const control of [...document.querySelectorAll(CONTROL)].reverse()) {  // lists that open stand last
      const { left, top, right, bottom } = boxOf(control);
      if (right <= 0 || bottom <= 0 || left >= innerWidth || top >= innerHeight) continue;
      if (contains(box, control) || contains(control, box)) continue;
      if (++asked > OVER_MAX) break;
      const spot = shopR1Aim.spot(control);
      if (!spot) continue;
      let outermost = control;
      const isOver = document.elementsFromPoint(...spot).some((element) => contains(box, element));
      while (isOver && !contains(parentOf(outermost), box)) outermost = parentOf(outermost);
      over.add(outermost);
    }
    return [...over];
  };

  // Selectors of rules that show something while the mouse is over something: [what is hovered, what is shown].
  const hoverRules = () => {
    const found = [];
    const read = (rules) => {
      for (const rule of rules) {
        if (found.length >= HOVER_RULES_MAX) return;
        if (rule.cssRules && rule.type !== CSSRule.STYLE_RULE) read(rule.cssRules);
        if (rule.type !== CSSRule.STYLE_RULE || !rule.selectorText.includes(':hover')) continue;
        const style = rule.style;
        const shows = (style.display && style.display !== 'none') || style.visibility === 'visible'
          || Number(style.opacity) > 0 || (style.maxHeight && style.maxHeight !== '0px');
        if (!shows) continue;
        for (const selector of rule.selectorText.split(',')) {
          const [before, after] = [selector.slice(0, selector.lastIndexOf(':hover')), selector.slice(selector.lastIndexOf(':hover') + 6)];
          if (selector.includes(':hover') && /[\s>+~]/.test(after)) found.push([before.trim() || '*', selector.replaceAll(':hover', '')]);
        }
      }
    };
    for (const sheet of document.styleSheets) {
      try { read(sheet.cssRules); } catch { /* of another origin: not ours to read */ }
    }
    return found;
  };

  const observe = () => {
    nodes = [];
    const parts = [], leftOut = {};
    let length = 0;
    const write = (text) => { parts.push(text); length += text.length; };
    const count = (why) => { leftOut[why] = (leftOut[why] || 0) + 1; };
    const styles = new WeakMap(), clippers = new WeakMap();
    const styleOf = (element) => {
      let style = styles.get(element);
      if (!style) styles.set(element, style = getComputedStyle(element));
      return style;
    };
    const modal = findModal();
    let hovers = null;

    const hasBox = (element, depth = 0) => {
      const box = boxOf(element);
      if (box.width > 1 && box.height > 1) return true;
      if (depth > 4) return false;
      for (const child of childrenOf(element)) if (hasBox(child, depth + 1)) return true;
      const range = document.createRange();
      range.selectNodeContents(element);
      return [...range.getClientRects()].some((line) => line.width > 1 && line.height > 1);
    };
    // The nearest ancestor that cuts off what overflows, and in which directions no hand can scroll it.
    const clipperOf = (element) => {
      if (clippers.has(element)) return clippers.get(element);
      const parent = parentOf(element);
      let found = null;
      if (parent) {
        const [x, y] = [styleOf(parent).overflowX, styleOf(parent).overflowY].map((overflow) => /hidden|clip/.test(overflow));
        found = (x || y) && parent !== document.body && parent !== document.documentElement ? { parent, x, y } : clipperOf(parent);
      }
      clippers.set(element, found);
      return found;
    };
    const isBehind = (element) => modal.length > 0 && !modal.some((box) => contains(box, element));
    // Why no hand can reach a control, or ''. Text is never judged by its box: what is only for screen readers is
    // a pixel wide on purpose, and names the control that it stands in.
    const unreachable = (element) => {
      if (!hasBox(element)) return styleOf(element).display === 'contents' ? '' : 'no_box';
      const box = boxOf(element);
      if (box.right + scrollX <= 0 || box.bottom + scrollY <= 0) return 'off_screen';
      const clipper = clipperOf(element);
      if (clipper) {
        const edge = boxOf(clipper.parent);
        if (clipper.x && (box.right <= edge.left || box.left >= edge.right)) return 'clipped';
        if (clipper.y && (box.bottom <= edge.top || box.top >= edge.bottom)) return 'clipped';
      }
      if (isBehind(element)) return 'covered';
      // Below the window things fade in when they are scrolled to; a transparent checkbox has its label to show it.
      const fades = /^(?:checkbox|radio|file)$/.test(element.type || '') || box.top >= innerHeight;
      return !fades && !isVisible(element, { opacityProperty: true }) ? 'transparent' : '';
    };
    // The visible element under which the mouse has to be for a hidden one to be shown, or null.
    const hoveredFor = (element) => {
      if (isHiddenByEdit(element)) return null;
      hovers = hovers || hoverRules();
      for (const [before, shown] of hovers) {
        try {
          if (!matches(element, shown)) continue;
          for (let around = parentOf(element); around; around = parentOf(around)) {
            if (matches(around, before) && isVisible(around, { visibilityProperty: true }) && hasBox(around)) return around;
          }
        } catch { /* a selector that is none without its :hover */ }
      }
      return null;
    };
    const tagOf = (element) => {
      const tag = tagNameOf(element);
      return /^[a-z][a-z0-9:_-]*$/.test(tag) && tag !== 'plaintext' ? tag : 'div';
    };
    const isOption = (tag) => tag === 'option' || tag === 'optgroup';
    // What an edit of a version's hides stays hidden, wherever the mouse is; options have no box that would say so.
    const isHiddenByEdit = (element) => styleOf(element).getPropertyValue('--shop-r1-hidden') === '1';

    const visit = (node, isDrawn, depth, hovered) => {
      if (typeOf(node) === Node.TEXT_NODE) {
        if (isDrawn) write(escape(node.data.slice(0, TEXT_MAX)));
        return;
      }
      if (typeOf(node) !== Node.ELEMENT_NODE || LEFT_OUT.has(nameOf(node))) return;
      if (nodes.length >= NODES_MAX || depth > DEPTH_MAX || length > CHARS_MAX) return count('cut');
      const tag = tagOf(node);
      if (isOption(tag) && isHiddenByEdit(node)) return count('not_drawn');
      if (!hovered && !isVisible(node) && !isOption(tag) && styleOf(node).display !== 'contents') {
        hovered = hoveredFor(node);
        if (!hovered) return hide(node, tag, 'not_drawn');
        count('shown_by_hover');
      }
      let drawn = hovered || isOption(tag) || isVisible(node, { visibilityProperty: true });
      if (!drawn && (hovered = hoveredFor(node))) { drawn = true; count('shown_by_hover'); }
      let extra = '';
      if (matches(node, CONTROL)) {
        const why = isOption(tag) ? '' : hovered ? (isBehind(hovered) ? 'covered' : '') : drawn ? unreachable(node) : 'invisible';
        if (why && tag !== 'body') return hide(node, tag, why);
        if (matches(node, ':disabled')) extra += ' disabled';
      } else if (drawn && !hovered && isClickable(node) && !isBehind(node)) {
        extra += ' role="button"';
        count('clickable_by_cursor');
      }
      const id = nodes.push(node) - 1;
      if (hovered) extra += ` ${HOVER}="${nodes.indexOf(hovered)}"`;
      write(`<${tag}${attributesOf(node, tag)}${extra} ${ID}="${id}">`);
      if (VOID.has(tag)) return;
      if (tag === 'textarea') write(escape(valueOf(node)));
      else if (tag === 'svg') titleOf(node);
      else if (tag !== 'iframe') children(node, drawn, depth, hovered);  // a frame is asked by itself
      write(`</${tag}>`);
    };
    // A script listens, and nothing in the markup says so but the cursor, which its children inherit.
    const isClickable = (element) => styleOf(element).cursor === 'pointer' && parentOf(element)
      && styleOf(parentOf(element)).cursor !== 'pointer' && !closest(element, NATIVE)
      && !select(element, NATIVE) && hasBox(element);
    const titleOf = (svg) => {
      for (const child of svg.children) if (child.localName === 'title') write(`<title>${escape(child.textContent.slice(0, HIDDEN_TEXT_MAX))}</title>`);
    };
    const children = (element, isDrawn, depth, hovered) => {
      const root = shadowOf(element);  // open ones; closed ones nobody sees into
      const given = tagNameOf(element) === 'slot' ? element.assignedNodes({ flatten: true }) : [];
      for (const child of root ? root.childNodes : given.length ? given : nodesOf(element)) visit(child, isDrawn, depth + 1, hovered);
    };
    // What is hidden may still name something (aria-labelledby, the label of a hidden checkbox): its words stay.
    const hide = (element, tag, why) => {
      if (tag === 'input' && element.type === 'hidden') return;
      count(why);
      if (tag === 'input' && /^(?:checkbox|radio)$/.test(element.type) && !isBehind(element)) {
        const id = nodes.push(element) - 1;
        write(`<input${attributesOf(element, tag)} ${ID}="${id}" hidden>`);
      } else if (idOf(element)) {
        const name = tag === 'input' || VOID.has(tag) ? 'span' : tag;
        write(`<${name} id="${quote(idOf(element))}" hidden>${escape((textOf(element) || '').slice(0, HIDDEN_TEXT_MAX))}</${name}>`);
      }
    };
    const valueOf = (field) => {
      const value = String(field.value).slice(0, VALUE_MAX);
      const isSecret = field.type === 'password' || (field.autocomplete || '').split(' ').some((word) => SECRET.test(word));
      return isSecret ? '*'.repeat(value.length) : value;  // as rrweb masks it
    };
    const attributesOf = (element, tag) => {
      let text = '';
      const live = tag === 'input' ? ['value', 'checked'] : tag === 'option' ? ['selected'] : [];
      for (const { name, value } of allAttributesOf(element)) {
        if (live.includes(name) || ['style', 'hidden', 'srcset', 'disabled', 'srcdoc', 'nonce'].includes(name)) continue;
        if (name.startsWith('data-shop-r1') || !/^[^\s"'<>/=]+$/.test(name)) continue;
        const kept = name === 'onclick' ? '1' : name === 'src' && value.startsWith('data:') ? '' : value.slice(0, VALUE_MAX);
        text += ` ${name}="${quote(kept)}"`;
      }
      if (tag === 'input' && (element.value || element.hasAttribute('value'))) text += ` value="${quote(valueOf(element))}"`;
      if (tag === 'input' && element.checked) text += ' checked';
      if (tag === 'option' && element.selected) text += ' selected';
      return text;
    };
    if (document.documentElement) visit(document.documentElement, true, 0, null);
    else write('<html></html>');  // a script took it away, or nothing of the page has come
    return { html: parts.join(''), leftOut, status: statusOf() };
  };

  // A route that a script has put in the address bar was never asked for, so it has no status.
  const statusOf = () => {
    const [loaded] = performance.getEntriesByType('navigation');
    const bare = (url) => url.split('#')[0];
    return loaded && loaded.responseStatus && bare(loaded.name) === bare(location.href) ? loaded.responseStatus : null;
  };
  const isSecret = (field) => field.type === 'password'
    || /^(?:cc-(?:number|csc)|(?:current|new)-password|one-time-code)$/.test((field.autocomplete || '').split(' ').pop());
  const takesText = (element) => (element.matches('input,textarea') || element.isContentEditable)
    && !element.matches(':disabled') && !element.readOnly;
  const field = (element) => ({
    isSecret: isSecret(element), isFixed: !takesText(element), form: formOf(element),
    kind: tagNameOf(element) === 'input' ? element.type : '', isEmpty: element.value === '' });
  // What sending the form of a field or of a button would do.
  const formOf = (element) => {
    const form = element.form || closest(element, 'form');
    if (!form) return null;
    const isSender = (it) => matches(it, 'button,input') && /^(?:submit|image)$/.test(it.type);
    const sender = isSender(element) ? element : [...fieldsOf(form)].find((it) => isSender(it) && !it.disabled);
    const of = (name, own) => sender?.getAttribute(`form${name}`) || attribute(form, name) || own;
    let action = '';
    try { action = new URL(of('action', ''), document.baseURI).href; } catch { /* no address */ }
    const label = sender ? (sender.innerText || sender.value || sender.getAttribute('aria-label') || '').slice(0, HIDDEN_TEXT_MAX) : '';
    const { before = [] } = sender ? askEdits(sender) : {};
    return { method: of('method', 'get').toUpperCase(), action, label, before };
  };
  const options = (element) => {
    const list = element.closest('select'), all = list ? [...list.options].slice(0, NODES_MAX) : [];
    return { index: all.indexOf(element), options: all.map((it) => [it.text.slice(0, VALUE_MAX), it.value.slice(0, VALUE_MAX), it.disabled]) };
  };

  const say = (value) => {
    const pre = document.implementation.createHTMLDocument('').createElement('pre');
    pre.textContent = JSON.stringify(value);
    return [pre];
  };
  // A recorder in the page's world is shown an element by an event that only it listens for.
  const announce = (element, event) => {
    element.dispatchEvent(new Event(event, { composed: true }));
    const { left, top, width, height } = boxOf(element);
    return { box: [left, top, width, height] };
  };

  // A version's edits are made in the page's world, which is asked by an event that nobody else knows.
  const askEdits = (target) => {
    if (!channel) return {};
    let answer = '{}';
    const hear = (event) => { if (typeof event.detail === 'string') answer = event.detail; };
    addEventListener(channel, hear);
    target.dispatchEvent(new CustomEvent(channel, { composed: true }));
    removeEventListener(channel, hear);
    return JSON.parse(answer);
  };

  const ask = (what, number, x, y) => {
    if (what === 'observe') return observe();
    if (what === 'outcome') return shopR1Aim.outcome();
    if (what === 'edits') { channel = number; return askEdits(window); }
    const element = nodes[number];
    if (!element?.isConnected) return { why: 'gone' };
    if (what === 'frame') return shopR1Aim.frame(element, Number(x), Number(y));
    if (what === 'field') return field(element);
    if (what === 'before') return askEdits(element);
    if (what === 'options') return options(element);
    if (what === 'announce') return announce(element, x);
    return shopR1Aim.at(element, what === 'click');
  };
  return {
    query(root, selector) { return this.queryAll(root, selector)[0] || null; },
    queryAll(root, selector) {
      if (!/^\d+$/.test(selector)) return say(ask(...selector.split(':')));
      return nodes[selector]?.isConnected ? [nodes[selector]] : [];
    },
  };
})()
