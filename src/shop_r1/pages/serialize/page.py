"""The visible nodes to the short page, in one pass in page order that also collects requests for names."""

from shop_r1.pages import rules
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.naming.names import to_words
from shop_r1.pages.naming.sections import Sections
from shop_r1.pages.parse.node import WORD, Node, clean, spoken_text
from shop_r1.pages.parse.tree import MARKER, Tree
from shop_r1.pages.serialize.blocks import Blocks, OpenBlock
from shop_r1.pages.serialize.controls import Controls, OpenControl
from shop_r1.pages.serialize.nodes import Tag, attribute, plain_tag, write_html, write_line
from shop_r1.pages.serialize.registry import Registry
from shop_r1.pages.serialize.writer import Writer

_STRUCTURE = rules.SCOPE_TAGS | {"tr", "tbody", "thead", "tfoot", "dt", "dd"}

_Step = Node | str | OpenBlock | OpenControl | None


def serialize_tree(tree: Tree) -> SimplifiedPage:
    """Return the short page of a document's visible nodes, with its named elements.

    Raises:
        PageError: the elements' paths are too long altogether (`rules.PATHS_MAX_CHARS`).
    """
    pass_ = _Pass(tree)
    pass_.run()
    if pass_.writer.decorations:
        tree.dropped["decoration"] += pass_.writer.decorations
    elements = pass_.registry.named_elements()  # sets the names in the lines too
    first = write_line([plain_tag(MARKER)])
    lines = (first, *[write_line(nodes) for nodes in pass_.writer.finished_lines()])
    return SimplifiedPage(
        html=write_html(lines),
        elements=elements,
        lines=lines,
        dropped=dict(sorted(tree.dropped.items())),
        examples={reason: tuple(parts) for reason, parts in sorted((tree.examples or {}).items())},
        shown=dict(sorted(tree.shown.items())),
    )


class _Pass:
    """The steps still to do, and the parts that do them."""

    def __init__(self, tree: Tree):
        self.tree = tree
        self.is_raw = not tree.is_simplified
        self.writer = Writer(drop_decoration=self.is_raw)
        self.sections = Sections(tree)
        self.registry = Registry(tree, self.sections, self.writer)
        self.blocks = Blocks(self.writer, self.sections, is_raw=self.is_raw)
        self.controls = Controls(tree, self.writer, self.sections, self.registry)

    def run(self) -> None:
        """Walk the tree; nothing recurses, so that no depth of nesting can overflow."""
        text = self.writer.text if self.is_raw else self.writer.text_lines
        space, break_line = self.writer.space, self.writer.break_line
        work: list[_Step] = [self.tree.root]
        while work:
            step = work.pop()
            if isinstance(step, str):
                if step == " ":
                    space()
                else:
                    text(step)
            elif step is None:
                break_line()
            elif isinstance(step, OpenBlock):
                self.blocks.close(step)
            elif isinstance(step, OpenControl):
                self.controls.close(step)
            elif step.tag in rules.PLAIN_TAGS and not (
                step.control or step.is_item or step.bits & rules.TELLS
            ):  # it only holds others
                if step.tag in rules.PLAIN_BLOCKS:
                    break_line()
                    work.append(None)
                work += reversed(step.children)
            elif not step.folded:
                opened = self._enter(step)
                if opened is not None:
                    work.append(opened)
                    work += reversed(step.children)

    def _enter(self, node: Node) -> OpenBlock | OpenControl | None:
        """Write what stands before a node's children; None when they are not to be walked."""
        if node.control and (opened := self.controls.write(node)) is not node:
            return opened if isinstance(opened, OpenControl) else None
        tag = node.tag
        if tag == "img":
            self._image(node)
        elif tag == "br":
            self.writer.break_line()
        elif tag == "caption" and self.blocks.in_data:
            pass
        elif node.bits & rules.TELLS and not node.controls and (spoken := _spoken(node)):
            self.writer.text(f" {spoken} ")
        else:
            return self.blocks.open(node)
        return None

    def _image(self, node: Node) -> None:
        alt = clean(node.get("alt") or node.get("title"))
        if not WORD.search(alt):
            self.tree.drop("image_without_alt", node)
        elif self.sections.item and self.sections.says(to_words(alt)):
            self.tree.drop("duplicate_image", node)
        else:
            self.writer.control([Tag("img", (attribute("alt", alt),))])


def _spoken(node: Node) -> str:
    """Return what a screen reader says of a node drawn without words, such as a row of stars."""
    label = node.get("aria-label") or node.get("title")
    if not label or node.tag in _STRUCTURE or not WORD.search(label):
        return ""
    return label if node.role == "img" or not WORD.search(spoken_text(node)) else ""
