"""From events to steps: which of them are a shopper's actions, and the page right before each.

A recorder tells of clicks, and of what fields hold; keys it does not tell. Pressing Enter in a form's field
makes the browser click the form's submit button, or the page changes without a click. So a text is typed and
submitted when, before any other click on something with a name, the submit button of its form is clicked or
the page changes.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shop_r1.actions import OPERA, Action, click, terminate, type_and_submit
from shop_r1.data.rrweb.events import Event, Interaction, Kind, Source
from shop_r1.data.rrweb.fields import form_of, is_choice, is_text_field, labelled_field, pressed_submit
from shop_r1.data.rrweb.mirror import Mirror
from shop_r1.data.rrweb.nodes import DomNode, option_value, options_of
from shop_r1.data.rrweb.writer import MARK, write_page
from shop_r1.data.targets import TargetPage, place_of_node, takes_text
from shop_r1.errors import PageError
from shop_r1.pages.document import parse_document
from shop_r1.pages.elements import Element
from shop_r1.pages.recipes import Recipe
from shop_r1.sessions import Page, Step

_STYLE_SOURCES = (Source.STYLE_SHEET_RULE, Source.STYLE_DECLARATION, Source.ADOPTED_STYLE_SHEET)
_ANYWHERE: Final = -1  # the focus of a page of which no focus has been told yet


@dataclass
class _Typing:
    """A text that stands in a field and was not submitted yet."""

    field: DomNode
    page: Page
    name: str
    text: str = ""


class Visit:
    """Follows one recording.

    Attributes:
        steps: the actions so far.
        counts: what was passed over, in words.
        urls: the addresses of the pages so far, those changed without a new page not among them.
    """

    def __init__(self, space: str = "shop", recipes: Sequence[Recipe] = ()):
        """Begin; `space` is `shop` or `opera`, where typing is an action by itself (`input`)."""
        self.steps: list[Step] = []
        self.counts: Counter[str] = Counter()
        self.urls: list[str] = []
        self._inputs = space == OPERA.name
        self._recipes = recipes
        self._mirror = Mirror(self.counts)
        self._page: tuple[int, TargetPage] | None = None  # the page of that version, simplified
        self._typing: _Typing | None = None
        self._focus: int | None = _ANYWHERE
        self._echo: DomNode | None = None  # the field that the browser clicks after its label
        self._unnamed: DomNode | None = None  # the field without a name that is typed into

    @property
    def has_page(self) -> bool:
        """Whether a full snapshot has come."""
        return self._mirror.root is not None

    def follow(self, event: Event) -> None:
        """Take the next event."""
        data = event.data
        if event.type == Kind.META:
            self._meta(data)
        elif event.type == Kind.FULL_SNAPSHOT:
            self._load(data)
        elif event.type == Kind.INCREMENTAL:
            if not self.has_page:
                self.counts["events before the first page"] += 1
                return
            source = data.get("source")
            if source == Source.MUTATION:
                self._mirror.mutate(data)
            elif source == Source.INPUT:
                self._input(data)
            elif source == Source.INTERACTION:
                self._interaction(data)
            elif source in _STYLE_SOURCES:
                self.counts["changes of style sheets by scripts, not followed"] += 1

    def finish(self, *, leave: bool = False) -> None:
        """End the visit; with `leave`, the shopper's last action is to leave the shop."""
        self._settle_typing()
        if leave and self.has_page:
            page = self._simplified()
            if page is not None:
                self.steps.append(Step(page=self._record(page), action=terminate()))

    def _meta(self, data: Mapping[str, Any]) -> None:
        href = data.get("href")
        url = href if isinstance(href, str) else ""
        if self.urls and url.partition("#")[0] != self.urls[-1].partition("#")[0]:
            self._leave_page()
        if not self.urls or url != self.urls[-1]:
            self.urls.append(url)

    def _load(self, snapshot: Mapping[str, Any]) -> None:
        """Take a new page, or the same once more: recorders repeat it from time to time, with new numbers."""
        if self._mirror.knows_later(snapshot):
            self._leave_page()
        place = self._typing.field.place() if self._typing is not None else ()
        self._mirror.load(snapshot)
        self._focus, self._echo, self._unnamed = _ANYWHERE, None, None
        if self._typing is not None:
            field = self._mirror.at(place)
            if field is None or field.tag != self._typing.field.tag:
                self._settle_typing()
            else:
                self._typing.field = field

    def _leave_page(self) -> None:
        typing = self._typing
        if typing is not None and typing.text and not self._inputs:
            self._submit(typing)
        self._settle_typing()

    # What fields hold

    def _input(self, data: Mapping[str, Any]) -> None:
        field = self._mirror.get(data.get("id"))
        if field is None:
            self.counts["changes to nodes that are not there"] += 1
            return
        if not (is_choice(field) or self._is_shoppers(field, data)):
            self.counts["fields filled by scripts"] += 1
        elif is_text_field(field):
            self._type(field, data)
        elif field.tag == "select":
            self._choose(field, data)
        elif not is_choice(field):
            self.counts["other fields changed"] += 1
        self._mirror.enter(field, data)

    def _is_shoppers(self, field: DomNode, data: Mapping[str, Any]) -> bool:
        """Return whether a change is the shopper's: as the recorder says, else where the focus is."""
        told = data.get("userTriggered")
        return told if isinstance(told, bool) else self._focus in (field.id, _ANYWHERE)

    def _type(self, field: DomNode, data: Mapping[str, Any]) -> None:
        """Note what is typed; the page is the one right before the field's first change."""
        if field is self._unnamed:
            return
        if self._typing is None or self._typing.field is not field:
            self._settle_typing()
            page, element = self._resolve(field)
            if page is None or element is None or not takes_text(element):
                self.counts["typing into what has no name"] += 1
                self._unnamed = field
                return
            self._typing = _Typing(field, self._record(page), element.name)
        text = data.get("text")
        self._typing.text = text if isinstance(text, str) else ""

    def _choose(self, select: DomNode, data: Mapping[str, Any]) -> None:
        """Take a choice from a list for a click on the option."""
        option = next((each for each in options_of(select) if option_value(each) == data.get("text")), None)
        page, element = self._resolve(option) if option is not None else (None, None)
        if page is None or element is None:
            self.counts["choices that have no name"] += 1
            return
        self._settle_typing()
        self.steps.append(Step(page=self._record(page), action=click(element.name)))

    def _submit(self, typing: _Typing) -> None:
        self.steps.append(Step(page=typing.page, action=type_and_submit(typing.name, typing.text)))
        self._typing = None

    def _settle_typing(self) -> None:
        """End typing that is not submitted: an action of the opera space, none of the shop space."""
        typing, self._typing = self._typing, None
        if typing is None:
            return
        if not typing.text:
            self.counts["typing taken back"] += 1
        elif self._inputs:
            action = Action(type="input", name=typing.name, text=typing.text)
            self.steps.append(Step(page=typing.page, action=action))
        else:
            self.counts["typing not submitted"] += 1

    # Clicks

    def _interaction(self, data: Mapping[str, Any]) -> None:
        kind, node = data.get("type"), self._mirror.get(data.get("id"))
        if kind == Interaction.FOCUS:
            self._focus = node.id if node is not None else None
        elif kind == Interaction.BLUR:
            self._focus = None
        elif kind == Interaction.CLICK:
            if node is None:
                self.counts["clicks on nodes that are not there"] += 1
            else:
                self._click(node)

    def _click(self, node: DomNode) -> None:
        echo, self._echo = self._echo, None
        if echo is node:
            self.counts["clicks that the browser passes on from a label"] += 1
            return
        self._echo = labelled_field(node)
        typing = self._typing
        if typing is not None and typing.text and not self._inputs:
            form = form_of(typing.field)
            if form is not None and pressed_submit(node, form) is not None:
                self._submit(typing)
                return
        field = self._echo or node
        if is_text_field(field):
            self.counts["clicks into a field"] += 1
        elif any(each.tag == "select" for each in field.around()):
            self.counts["clicks that open a list"] += 1
        else:
            self._click_named(node)

    def _click_named(self, node: DomNode) -> None:
        page, element = self._resolve(node)
        if page is None or element is None:
            self.counts["clicks on what has no name"] += 1
            return
        self._settle_typing()
        self.steps.append(Step(page=self._record(page), action=click(element.name)))

    # The page

    def _resolve(self, node: DomNode) -> tuple[TargetPage | None, Element | None]:
        """Return the page as it stands, and the element at or around a node, each None if there is none."""
        page = self._simplified()
        assert self._mirror.root is not None, "events before the first page are not followed"
        written = write_page(self._mirror.root, self._url, node)
        if page is None or written.mark is None:
            return page, None
        marked = parse_document(written.marked).css_first(f"[{MARK}]")
        return page, page.element_at(place_of_node(marked)) if marked is not None else None

    def _simplified(self) -> TargetPage | None:
        version = self._mirror.version
        if self._page is None or self._page[0] != version:
            assert self._mirror.root is not None, "events before the first page are not followed"
            try:
                page = TargetPage(write_page(self._mirror.root, self._url).html, self._recipes)
            except PageError:
                self.counts["pages that cannot be read"] += 1
                return None
            self._page = version, page
        return self._page[1]

    @property
    def _url(self) -> str:
        return self.urls[-1] if self.urls else ""

    def _record(self, page: TargetPage) -> Page:
        return Page(url=self._url, html=page.simplified.html)
