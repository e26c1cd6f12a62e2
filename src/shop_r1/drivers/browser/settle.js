// Runs in every document from its beginning, in an isolated world of ours: tells when anything last changed.
(() => {
  const TICKS_MAX = 20, TICK_MS = 500;  // a node that changes so often, so soon again, is a clock or a carousel
  const ticks = new WeakMap();
  let lastChange = performance.now(), saves = 0;

  new MutationObserver((records) => {
    const now = performance.now();
    for (const target of new Set(records.map((record) => record.target))) {
      const known = ticks.get(target);
      const tick = known && now - known.at < TICK_MS ? known : { count: 0 };
      tick.count += 1;
      tick.at = now;
      ticks.set(target, tick);
      if (tick.count <= TICKS_MAX) lastChange = now;
    }
  }).observe(document, { subtree: true, childList: true, attributes: true, characterData: true });

  // A download begins long after its link was followed on a busy machine; no other event tells of it before.
  addEventListener('click', (event) => {
    if (!event.composedPath().some((node) => node.matches?.('a[href][download]'))) return;
    setTimeout(() => { if (!event.defaultPrevented) saves += 1; }, 0);
  }, true);

  const isComplete = () => document.readyState === 'complete';
  const state = () => [Math.round(performance.now() - lastChange), isComplete(), saves];
  // What an action starts is asked for by the page's own tasks: they run first, however busy the machine is.
  globalThis.shopR1Quiet = (isFirst) => !isFirst ? state() : new Promise((done) => {
    const end = () => setTimeout(() => done(state()), 0);
    requestAnimationFrame(end);
    setTimeout(end, 500);  // a tab in the background draws no frames
  });
})();
