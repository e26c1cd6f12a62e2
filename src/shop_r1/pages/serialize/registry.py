"""The elements of the short page that can be acted on: their tags, names and records."""

from shop_r1.errors import PageError
from shop_r1.pages import rules
from shop_r1.pages.elements import Element
from shop_r1.pages.naming.labels import label_words, nearby_title, place_words
from shop_r1.pages.naming.names import NameRequest, is_name, join_words, label_within, unique_names
from shop_r1.pages.naming.search_fields import is_search_field
from shop_r1.pages.naming.sections import Sections
from shop_r1.pages.parse.controls import role_of, states_of, value_of
from shop_r1.pages.parse.node import Node
from shop_r1.pages.parse.tree import Tree
from shop_r1.pages.serialize.nodes import Attributes, Tag
from shop_r1.pages.serialize.writer import Writer


class Registry:
    """Collects the elements in page order; all names are given at the end, since they must differ."""

    def __init__(self, tree: Tree, sections: Sections, writer: Writer):
        self._tree = tree
        self._sections = sections
        self._writer = writer
        self._entries: list[tuple[Node, str, tuple[str, ...], Tag]] = []  # label, states
        self._requests: list[NameRequest] = []
        self._options: dict[int, list[int]] = {}  # each select's options: indices in `_entries`

    def add(
        self, node: Node, label: str, kind: str, attributes: Attributes = (), select: int | None = None
    ) -> Tag:
        """Record an element and return its start tag of this kind, which gets its name in `named_elements`.

        The attributes are those beside name and states; an option's `select` is what `begin_select` returned.
        """
        if select is not None:
            self._options[select].append(len(self._entries))
        states = states_of(node, simplified=self._tree.is_simplified)
        tag = Tag(kind, (*attributes, *[(state, None) for state in states]) if states else attributes)
        self._entries.append((node, label, states, tag))
        given = node.get("name") if self._tree.is_simplified and is_name(node.get("name")) else ""
        if not given and node.control == "input" and is_search_field(node, label):
            request = NameRequest(self._sections.words, "search_input", shown=0, subject=node)
        else:
            request = self._request(node, label, select)
        request.given = given
        self._requests.append(request)
        return tag

    def begin_select(self) -> int:
        """Let options follow for the element that was added last."""
        select = len(self._entries) - 1
        self._options[select] = []
        return select

    def _request(self, node: Node, label: str, select: int | None) -> NameRequest:
        words = label_words(node, label, "" if label else self._writer.run_text)
        if self._sections.says(words):  # the item's title: cut as in the names of all that is in the item
            words = self._sections.item.split("_")
        elif self._sections.item and len(words) > 1:
            words = label_within(words, self._sections.item.split("_"))
        is_link = node.control == "a"
        return NameRequest(
            sections=self._sections.words,
            label=join_words(words, rules.LABEL_MAX),
            address=node.get("href") if is_link else "",
            shown=1 if is_link else rules.SECTIONS_SHOWN,
            select=select,
            subject=node,
        )

    def named_elements(self) -> tuple[Element, ...]:
        """Name all elements, in their tags too, and return their records.

        Raises:
            PageError: their paths take more than `rules.PATHS_MAX_CHARS` characters.
        """
        names = unique_names(
            self._requests,
            nearby=lambda request: nearby_title(request.subject, self._tree),
            place=lambda request: place_words(request.subject),
        )
        elements = []
        paths_left = rules.PATHS_MAX_CHARS
        for index, (node, label, states, tag) in enumerate(self._entries):
            tag.set_name(names[index])
            href = node.attributes.get("href") if node.control == "a" else None
            element = Element(
                names[index],
                node.tag,
                role_of(node),
                label[: rules.LABEL_TEXT_MAX],
                node.path,
                href.strip() if href is not None else None,
                value_of(node),
                states,
                tuple([names[option] for option in self._options.get(index, ())]),
                tuple([other.path for other in node.also]),
            )
            elements.append(element)
            paths_left -= len(element.path) + sum(map(len, element.also))
            if paths_left < 0:
                raise PageError(
                    f"the page's elements to act on stand too deep: {len(self._entries)} paths take "
                    f"more than {rules.PATHS_MAX_CHARS} characters"
                )
        return tuple(elements)
