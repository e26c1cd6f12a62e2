// What is asked of nodes, past what a page may have put in its place.
// A form's fields hide its own properties: <input name=id> is `form.id`. So these are asked for past them.
const getter = (kind, name) => { const get = Object.getOwnPropertyDescriptor(kind.prototype, name).get; return (node) => get.call(node); };
const method = (kind, name) => { const run = kind.prototype[name]; return (node, ...given) => run.apply(node, given); };
const [typeOf, nameOf, parentOf, textOf, nodesOf] = ['nodeType', 'nodeName', 'parentElement', 'textContent', 'childNodes'].map((it) => getter(Node, it));
const [idOf, tagNameOf, childrenOf, allAttributesOf, shadowOf, slotOf] = ['id', 'localName', 'children', 'attributes', 'shadowRoot', 'assignedSlot'].map((it) => getter(Element, it));
const [matches, closest, select, attribute, isVisible, boxOf, boxesIn, scrollTo] = [
  'matches', 'closest', 'querySelector', 'getAttribute', 'checkVisibility', 'getBoundingClientRect', 'getClientRects', 'scrollIntoView'].map((it) => method(Element, it));
const contains = method(Node, 'contains'), rootOf = method(Node, 'getRootNode'), fieldsOf = getter(HTMLFormElement, 'elements');
