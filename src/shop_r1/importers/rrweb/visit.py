"""From events to steps: which of them are a shopper's actions, and the page right before each.

A recorder records clicks and what fields hold, not keys. Pressing Enter in a form's field
makes the browser click the form's submit button, or the page changes without a click. So a text is typed and
submitted when, before any other click on something with a name, the submit button of its form is clicked or
the page changes. A page that searches while one types changes its address with every key: that is one text.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shop_r1.importers.masking import is_masked
from shop_r1.importers.rrweb.current_page import CurrentPage, announced_address, is_in_frame, page_address
from shop_r1.importers.rrweb.events import Event, Interaction, Kind, Source
from shop_r1.importers.rrweb.nodes import (
    DomNode,
    form_of,
    is_choice,
    is_text_field,
    labelled_field,
    option_value,
    options_of,
    pressed_submit,
)
from shop_r1.importers.targets import takes_text
from shop_r1.pages.addresses import in_full
from shop_r1.pages.elements import Element
from shop_r1.pages.sites.recipes import Recipe
from shop_r1.records.actions import OPERA, Action, click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Step

_STYLE_SOURCES = (Source.STYLE_SHEET_RULE, Source.STYLE_DECLARATION, Source.ADOPTED_STYLE_SHEET)
_ANYWHERE: Final = -1  # the focus of a page whose focus is not known yet
_DATE_FROM: Final = 1e9  # seconds since 1970, in 2001: a lower time is one since the recording's beginning

CUT: Final = "visits that end before their first error"
"""What visits are counted as that `until_error` cut."""
MASKED: Final = "masked texts"
"""What masked texts in steps are counted as."""


@dataclass
class _Typing:
    """A text that stands in a field and was not submitted yet."""

    field: DomNode
    page: Page
    name: str
    text: str = ""
    time: float | None = None
    is_left: bool = False  # whether something was clicked since the last key


@dataclass(frozen=True)
class RecordingOptions:
    """How recordings are read."""

    space: str = "shop"  # or `opera`, to keep typing that is not submitted as `input`
    leaves: bool = False  # whether a visit that ends without a purchase ends with the action `terminate`
    bought: str = ""  # a part of the addresses that show a purchase, such as `/order/`; "" if none does
    recipes: Sequence[Recipe] = ()  # each page is simplified with the first that fits it
    keep_masked: bool = True  # whether typing stays whose text was masked; nothing can be learned of it
    until_error: bool = False  # whether a visit ends before the first action on what the recording lacks


class Visit:
    """Follows one recording of one tab."""

    def __init__(self, options: RecordingOptions):
        self.steps: list[Step] = []  # the actions so far
        self.counts: Counter[str] = Counter()  # what was ignored, in words
        self.remarks: Counter[str] = Counter()  # what may deserve a look at the recording, in words
        self.has_page = False  # whether a full snapshot has come
        self._options = options
        self._inputs = options.space == OPERA.name
        self._is_cut = False  # whether an error has ended the visit
        self._page = CurrentPage(self.counts, self.remarks, options.recipes)
        self._time: float | None = None  # of the last event that has one
        self._typing: _Typing | None = None
        self._ended: tuple[_Typing, float | None] | None = None  # what a new address ended, and when
        self._focus: int | None = _ANYWHERE
        self._echo: DomNode | None = None  # the field that the browser clicks after its label
        self._unnamed: DomNode | None = None  # the field without a name that is typed into
        self._acted = False  # whether the shopper has done anything since the page changed
        self._has_left = False  # whether a snapshot's head was of another page
        self._expected: str | None = None  # the address of the link that was clicked last
        self._steps_before = 0  # how many steps there were when this document came

    @property
    def has_bought(self) -> bool:
        """Whether the address of one of the pages so far shows a purchase."""
        bought = self._options.bought
        return bool(bought) and any(bought in url for url in self._page.urls)

    def follow(self, event: Event) -> None:
        """Take the next event."""
        if self._is_cut:
            return
        data = event.data
        if event.time is not None:
            self._time = event.time
        if event.type == Kind.META:
            self._meta(data)
        elif event.type == Kind.FULL_SNAPSHOT:
            self._load(data)
        elif event.type == Kind.INCREMENTAL:
            self._follow_change(data)
        elif event.type == Kind.CUSTOM and (address := announced_address(data, self._page.url)) is not None:
            self._move(address)

    def _follow_change(self, data: Mapping[str, Any]) -> None:
        source = data.get("source")
        if not self._page.is_known:
            if source in (Source.MUTATION, Source.INPUT, Source.INTERACTION):
                missing = "on a page whose snapshot is missing" if self.has_page else "before the first page"
                self.counts[f"events {missing}"] += 1
                if self.has_page and (source == Source.INPUT or data.get("type") == Interaction.CLICK):
                    self._stop()
            return
        if source == Source.MUTATION:
            self._page.mirror.mutate(data)
        elif source == Source.INPUT:
            self._input(data)
        elif source == Source.INTERACTION:
            self._interaction(data)
        elif source in _STYLE_SOURCES:
            self.counts["changes of style sheets by scripts, not followed"] += 1
        if self._page.mirror.is_of_earlier_page(data):
            self._forget_page()

    def _stop(self) -> None:
        """Note an action that cannot be read, so that what comes after it lacks a part of its history."""
        if self._options.until_error:
            self._is_cut = True
            self.counts[CUT] += 1

    def finish(self, *, leave: bool = False) -> bool:
        """End the visit; with `leave`, the shopper's last action is to leave the shop.

        Returns:
            Whether that action was added: not where the last page is not known, nor after an error.
        """
        self._settle_ended()
        self._settle_typing()
        if self._is_cut:
            return False
        page = self._page.page() if leave and self._page.is_known else None
        if page is not None:
            self.steps.append(Step(page=page, action=terminate()))
        elif leave:
            self.counts["visits whose last page is not known"] += 1
        return page is not None

    # Which page is shown

    def _meta(self, data: Mapping[str, Any]) -> None:
        """Take the head of a snapshot: until that comes, the page is not known."""
        href = data.get("href")
        url = href if isinstance(href, str) else ""
        self._has_left = self._page.differs(url)
        if self._has_left:
            self._leave_page(url)
        self._page.move(url)
        self._page.is_known = False

    def _move(self, url: str) -> None:
        """Take an address that a script set: the page changed, but there is no new document."""
        if self._page.differs(url):
            self._settle_ended()
            typing = self._typing
            if typing is not None and typing.text and not typing.is_left:
                self._ended, self._typing = (typing, self._time), None
            self._note_change(url)
        self._page.move(url)

    def _load(self, snapshot: Mapping[str, Any]) -> None:
        """Take a new page, or the same once more: recorders repeat it from time to time, with new numbers."""
        mirror = self._page.mirror
        is_new = not mirror.is_same(snapshot)
        if is_new and not self._has_left:
            self._leave_page(self._page.url)
        self._settle_ended()
        self._has_left = False
        place = self._typing.field.place() if self._typing is not None else ()
        self._page.is_known = mirror.load(snapshot)
        if is_new:
            self._steps_before = len(self.steps)
        self.has_page |= self._page.is_known
        self._focus, self._echo, self._unnamed = _ANYWHERE, None, None
        if self._typing is not None:
            field = mirror.at(place)
            if field is None or field.tag != self._typing.field.tag:
                self._settle_typing()
            else:
                self._typing.field = field

    def _leave_page(self, url: str) -> None:
        """End what was done on a page that gives way to the one at an address."""
        self._settle_ended()
        self._note_change(url)
        self._settle_typing(submitted=True, time=self._time)

    def _note_change(self, url: str) -> None:
        """Count a change of page that does not go with what was done before it."""
        if self.has_page and not self._acted:
            self.remarks["page changes that no action explains (Back, an address, another tab)"] += 1
        if self._expected is not None and page_address(url) != page_address(self._expected):
            self.remarks["links after which another page came than theirs"] += 1
        self._acted, self._expected = False, None

    def _forget_page(self) -> None:
        """Give up the page: an event of another came, and it is unknown since when that one is shown."""
        self.counts["events of an earlier page or another tab"] += 1
        uncertain = len(self.steps) - self._steps_before
        if uncertain:
            self.counts["steps on a page that may not have been shown any more"] += uncertain
            del self.steps[self._steps_before :]
        self._typing = self._ended = None
        self._page.is_known = False
        self._stop()

    # What fields hold

    def _input(self, data: Mapping[str, Any]) -> None:
        field = self._page.mirror.get(data.get("id"))
        if field is None:
            self.counts["changes to nodes that are not there"] += 1
            return
        # Whether a change is the shopper's the recorder says, else where the focus is.
        is_shoppers = data.get("userTriggered")
        if not isinstance(is_shoppers, bool):
            is_shoppers = self._focus in (field.id, _ANYWHERE)
        if not (is_choice(field) or is_shoppers):
            self.counts["fields filled by scripts"] += 1
        elif is_text_field(field):
            self._acted, self._expected = True, None
            self._type(field, data)
        elif field.tag == "select":
            self._choose(field, data)
        elif not is_choice(field):
            self.counts["other fields changed"] += 1
        self._page.mirror.enter(field, data)

    def _type(self, field: DomNode, data: Mapping[str, Any]) -> None:
        """Note what is typed; the page is the one right before the field's first change."""
        if field is self._unnamed:
            return
        if self._ended is not None and self._ended[0].field is field:  # typed on, nothing came between
            self._typing, self._ended = self._ended[0], None
            self.remarks["searches while a text was typed"] += 1
        self._settle_ended()
        if self._typing is None or self._typing.field is not field:
            self._settle_typing()
            found = self._resolve(field, "typing into what has no name")
            if found is not None and not takes_text(found[1]):
                self.counts["typing into what has no name"] += 1
                found = None
            if found is None:
                self._unnamed = field
                return
            self._typing = _Typing(field, found[0], found[1].name)
        text = data.get("text")
        self._typing.text = text if isinstance(text, str) else ""
        self._typing.time, self._typing.is_left = self._time, False

    def _settle_ended(self) -> None:
        """Take a text that a new address ended for submitted."""
        if self._ended is None:
            return
        (self._typing, time), self._ended = self._ended, None
        self._settle_typing(submitted=True, time=time)

    def _choose(self, select: DomNode, data: Mapping[str, Any]) -> None:
        """Take a choice from a list for a click on the option."""
        self._acted = True
        self._settle_ended()
        option = next((each for each in options_of(select) if option_value(each) == data.get("text")), None)
        if option is None:
            self.counts["choices that have no name"] += 1
        else:
            self._click_named(option, "choices that have no name")

    def _settle_typing(self, *, submitted: bool = False, time: float | None = None) -> None:
        """End typing: an action of the opera space, of the shop space where it was `submitted`, at a time."""
        typing, self._typing = self._typing, None
        if typing is None:
            return
        masked = is_masked(typing.text)
        if not typing.text:
            self.counts["typing taken back"] += 1
        elif not (submitted or self._inputs):
            self.counts["typing not submitted"] += 1
        elif masked and not self._options.keep_masked:
            self.counts["masked texts"] += 1
        else:
            if masked:
                self.remarks[MASKED] += 1
            if self._inputs:
                self._add(typing.page, Action(type="input", name=typing.name, text=typing.text), typing.time)
            else:
                self._add(typing.page, type_and_submit(typing.name, typing.text), time)

    def _add(self, page: Page, action: Action, time: float | None) -> None:
        dated = time if time is not None and time >= _DATE_FROM else None
        self.steps.append(Step(page=page, action=action, time=dated))

    # Clicks

    def _interaction(self, data: Mapping[str, Any]) -> None:
        kind, node = data.get("type"), self._page.mirror.get(data.get("id"))
        if kind in (Interaction.CLICK, Interaction.FOCUS, Interaction.BLUR):
            self._settle_ended()
        if kind == Interaction.FOCUS:
            self._focus = node.id if node is not None else None
        elif kind == Interaction.BLUR:
            self._focus = None
        elif kind == Interaction.CLICK:
            if self._expected is not None and self._page.differs(self._expected):
                self.remarks["links after which no other page came"] += 1
            self._acted, self._expected = True, None
            if self._typing is not None:
                self._typing.is_left = True
            if node is None:
                self.counts["clicks on nodes that are not there"] += 1
                self._stop()
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
                self._settle_typing(submitted=True, time=self._time)
                return
        field = self._echo or node
        if is_text_field(field):
            self.counts["clicks into a field"] += 1
        elif any(each.tag == "select" for each in field.around()):
            self.counts["clicks that open a list"] += 1
        else:
            self._click_named(node, "clicks on what has no name")

    def _click_named(self, node: DomNode, nameless: str) -> None:
        """Take a click on the element at or around a node; `nameless` is what counts if there is none."""
        found = self._resolve(node, nameless)
        if found is not None:
            page, element = found
            self._settle_typing()
            self._add(page, click(element.name), self._time)
            self._expected = in_full(element.href, page.url) if element.href else None

    def _resolve(self, node: DomNode, nameless: str) -> tuple[Page, Element] | None:
        found = self._page.resolve(node)
        if found is None:
            self.counts["clicks and typing in frames" if is_in_frame(node) else nameless] += 1
        return found
