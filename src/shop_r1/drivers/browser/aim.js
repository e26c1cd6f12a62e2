// Where a hand would point to act on an element, and a guard that lets a click reach nothing else.
// Read after `dom.js` and before `observe.js`, whose engine asks it; all in the isolated world.
const shopR1Aim = (() => {
  const GESTURE = ['pointerdown', 'mousedown', 'pointerup', 'mouseup', 'click'];
  const LINES_MAX = 5, DETAIL_MAX = 80;
  const ASIDE = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]];
  let guard = null;

  const around = (node) => slotOf(node) || parentOf(node)
    || (rootOf(node) instanceof ShadowRoot ? rootOf(node).host : null);
  const hitAt = (x, y) => {
    let hit = null;
    for (let root = document; root;) {
      const next = root.elementFromPoint(x, y);
      if (!next || next === hit) break;
      hit = next;
      root = shadowOf(hit);
    }
    return hit;
  };
  const belongs = (hit, element) => {
    for (let at = hit; at; at = around(at)) {
      if (at === element || (tagNameOf(at) === 'label' && at.control === element)) return true;
    }
    return false;
  };
  const describe = (element) => {
    if (!element) return 'nothing';
    const text = String(element.innerText || attribute(element, 'aria-label') || '').trim().replace(/\s+/g, ' ');
    return `<${tagNameOf(element)}> ${text}`.trim().slice(0, DETAIL_MAX);
  };
  const inWindow = (box) => {
    const [left, top] = [Math.max(box.left, 0), Math.max(box.top, 0)];
    const [right, bottom] = [Math.min(box.right, innerWidth), Math.min(box.bottom, innerHeight)];
    return right > left && bottom > top ? { left, top, right, bottom } : null;
  };
  const boxesOf = (element, depth = 0) => {
    const own = [...boxesIn(element)].filter((box) => box.width > 0 && box.height > 0);
    if (own.length || depth > 4) return own;
    return [...childrenOf(element)].flatMap((child) => boxesOf(child, depth + 1));
  };
  // The middles of its lines, then other places of its largest part.
  const pointsOf = (element) => {
    const boxes = boxesOf(element).map(inWindow).filter(Boolean);
    const within = (box, x, y) => [box.left + (box.right - box.left) * x, box.top + (box.bottom - box.top) * y];
    const size = (box) => (box.right - box.left) * (box.bottom - box.top);
    const largest = boxes.reduce((best, box) => (best && size(best) >= size(box) ? best : box), null);
    return [...boxes.slice(0, LINES_MAX).map((box) => within(box, 0.5, 0.5)),
      ...(largest ? ASIDE.map(([x, y]) => within(largest, x, y)) : [])];
  };

  const release = () => {
    if (guard) for (const kind of GESTURE) removeEventListener(kind, guard.listen, true);
  };
  const protect = (element) => {
    release();
    const mine = guard = { hit: null };
    guard.listen = (event) => {
      if (!event.isTrusted) return;
      const met = event.composedPath()[0];
      if (mine.hit === null) {
        mine.hit = belongs(met, element);
        if (!mine.hit) mine.met = describe(met);
      }
      if (!mine.hit) {
        event.preventDefault();
        event.stopImmediatePropagation();
      }
    };
    for (const kind of GESTURE) addEventListener(kind, guard.listen, true);
  };

  const find = (element) => {
    let met = null;
    for (const block of [null, 'center', 'end', 'start']) {
      if (block) scrollTo(element, { block, inline: 'nearest', behavior: 'instant' });
      for (const [x, y] of pointsOf(element)) {
        met = hitAt(x, y);
        if (met && belongs(met, element)) return { x, y };
      }
    }
    return boxesOf(element).length ? { why: 'covered', by: describe(met) } : { why: 'not shown' };
  };

  return {
    // A point of the element that the mouse reaches, {x, y}, or {why} there is none.
    at(element, isClick) {
      if (!isVisible(element, { visibilityProperty: true })) return { why: 'not shown' };
      if (isClick && matches(element, ':disabled')) return { why: 'disabled' };
      const found = find(element);
      if (isClick && found.why === undefined) protect(element);
      return found;
    },
    // A point [x, y] at which the mouse reaches it where it stands, without scrolling.
    spot: (element) => pointsOf(element).find(([x, y]) => belongs(hitAt(x, y), element)),
    // Whether the last click reached its element: true, false and what it met, or null where none came.
    outcome() {
      release();
      const last = guard;
      guard = null;
      return last ? { hit: last.hit, by: last.met } : { hit: null };
    },
    // Where a frame's own window begins, and whether the mouse reaches the frame at a point of it.
    frame(holder, x, y) {
      const inView = () => inWindow(boxOf(holder));
      if (!inView()) scrollTo(holder, { block: 'center', behavior: 'instant' });
      const box = boxOf(holder);
      const [left, top] = [box.left + holder.clientLeft, box.top + holder.clientTop];
      return { x: left + x, y: top + y, isHit: hitAt(left + x, top + y) === holder };
    },
  };
})();
