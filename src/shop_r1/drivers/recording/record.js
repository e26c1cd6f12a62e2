// Runs before a page's own scripts and in their world, since rrweb has to see what they do to style sheets and fields.
// BINDING and REACH are names that the recorder makes up for each visit. The page's scripts may find and call both: what
// comes through the binding is data that the recorder checks, and REACH tells numbers of nodes and takes snapshots.
if (window !== window.top) {
  let reach = null;
  try { reach = window.top.REACH; } catch { /* a frame of another origin */ }
  if (reach) addEventListener('REACH', (event) => reach.tell(event.composedPath()[0]), true);
} else if (location.protocol !== 'about:') (() => {
  const bundle = {};  // the global of rrweb's bundle, which the page never sees
  (function () {
/*BUNDLE*/
  }).call(bundle);
  const record = bundle.rrwebRecord.record;
  // The page may replace these later.
  const toText = JSON.stringify, later = window.setTimeout.bind(window), drop = window.clearTimeout.bind(window);
  const setProperty = Object.defineProperty, lists = Array.prototype, LETTERS_MAX = 16e6, NODES_MAX = 100000;
  const SECRET = /^(?:cc-(?!name|type|exp)|current-password|new-password|one-time-code)/;
  let batch = [], timer = 0, stop = null, isOver = false, send = null;

  const asText = (value) => {
    const own = Object.getOwnPropertyDescriptor(lists, 'toJSON');  // old Prototype.js writes lists as strings
    if (own) delete lists.toJSON;
    try { return toText(value); } finally { if (own) setProperty(lists, 'toJSON', own); }
  };
  // In a new tab the binding may come later than this script.
  const canSend = () => {
    if (!send && typeof window.BINDING === 'function') {
      send = window.BINDING;
      delete window.BINDING;
    }
    return send !== null;
  };
  const end = (why) => {
    isOver = true;
    batch = [];
    if (canSend()) send(why); else later(end, 20, why);
    if (stop) stop();
  };
  const flush = () => {
    drop(timer);
    timer = 0;
    if (!batch.length || isOver) return;
    if (!canSend()) {
      timer = later(flush, 20);
      return;
    }
    const text = asText(batch);
    batch = [];
    if (text.length > LETTERS_MAX) end('too large'); else send(text);
  };
  const emit = (event) => {
    if (isOver) return;
    batch[batch.length] = event;
    // A snapshot, a click and a text at once: the page may go away right after them.
    const isUrgent = event.type !== 3 || event.data.source === 2 || event.data.source === 5;
    if (isUrgent) flush(); else if (!timer) timer = later(flush, 50);
  };
  const isSecret = (field) => field.type === 'password' || field.hasAttribute('data-rr-is-password')
    || (field.autocomplete || '').split(' ').some((word) => SECRET.test(word));
  const mask = (text, field) => (isSecret(field) ? '*'.repeat(text.length) : text);
  const start = () => {
    if (document.getElementsByTagName('*').length > NODES_MAX) return end('too large');
    stop = record({
      emit,
      maskInputOptions: { input: true, textarea: true, password: true },
      maskInputFn: mask,
      userTriggeredOnInput: true,
      inlineStylesheet: true,
      collectFonts: false,
      recordCanvas: false,
      sampling: { mousemove: false, scroll: 150, media: 800 },
      errorHandler: () => true,  // an error of rrweb's is none of the page's
    });
  };
  const reach = Object.freeze({
    tell(node) {
      const id = record.mirror.getId(node);
      if (id > 0 && canSend()) send(`node:${id}`);
    },
    again() { if (stop && !isOver) record.takeFullSnapshot(true); },
  });
  setProperty(window, 'REACH', { value: reach });
  // What the shopper is about to act on: the driver's own world sends it this event, of which nobody else knows.
  addEventListener('REACH', (event) => reach.tell(event.composedPath()[0]), true);
  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', start, { once: true }); else start();
  for (const leaving of ['pagehide', 'visibilitychange']) addEventListener(leaving, flush, true);
})();
