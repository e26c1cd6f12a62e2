"""What of a page survives, as data: each table says why its entries are there.

The rules speak of HTML and accessibility (the WHATWG HTML standard, WAI-ARIA 1.2), never of one site.
"""

from typing import Final

# Tags dropped with all they hold, and the reason each is counted under.
DROPPED_TAGS: Final[dict[str, str]] = {
    # never drawn: code, settings, and parts a script may or may not use later
    **dict.fromkeys(("script", "style", "link", "meta", "base"), "script_or_style"),
    **dict.fromkeys(("head", "title"), "head"),
    **dict.fromkeys(("template", "datalist", "param", "source", "track", "colgroup", "col"), "template"),
    # shown only to browsers without scripts; a shopper's browser has them
    "noscript": "noscript",
    # drawn by other documents or by scripts: their content is not in this page
    **dict.fromkeys(
        ("iframe", "frame", "object", "embed", "canvas", "video", "audio", "applet", "math"), "embedded"
    ),
    # lines and progress bars say nothing in words
    **dict.fromkeys(("hr", "wbr"), "decoration"),
}

# Every reason that something is counted under when it is left out, in words.
REASONS: Final[dict[str, str]] = {
    "aria_hidden": "hidden from screen readers (aria-hidden)",
    "clickable_wrapper": "an element to click around another one; its first one stands for it",
    "closed_details": "what opens with a summary that is closed",
    "closed_dialog": "a dialog that is not open",
    "closed_popover": "a popover, which is hidden until it is opened",
    "comment": "comments",
    "decoration": "lines, bars and bullets",
    "drawn_toggle": "a native checkbox, or its label, beside the one that the shop draws for it",
    "duplicate_image": "a picture that says the title of its item again",
    "duplicate_link": "a link to where one beside it leads; its text stays where it says more",
    "embedded": "frames, films and plug-ins, whose content is elsewhere",
    "head": "the document's head, which nobody sees",
    "hidden": "hidden by attribute",
    "hidden_input": "fields that only the shop's own code reads",
    "hidden_style": "hidden by its style attribute",
    "inert": "something to act on in a part that cannot be acted on (inert); its text stays",
    "image_without_alt": "pictures without a text",
    "nested_control": "something to click within a link or button; that one stands for it",
    "noscript": "shown only to browsers without scripts",
    "recipe": "left out by the site's recipe",
    "repeated_menu": "a run of links that stands earlier on the page too",
    "script_or_style": "scripts, styles and settings",
    "style_rule": "hidden by a rule of the page's own style elements",
    "svg": "drawings without a title",
    "template": "parts that a script may use later",
    "unslotted": "children of a component that has no slot for them",
    "unfinished_part": "parts of the page that its server had not sent when it was saved",
}

# Declarations in a style attribute that take an element off the screen.
HIDDEN_STYLE: Final = (
    r"(?:^|[;\s])(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse)"
    r"|content-visibility\s*:\s*hidden)"
)
# One that keeps a closed dialog, popover or hidden element on it: the browser's own style only hides it.
SHOWN_STYLE: Final = r"(?:^|[;\s])display\s*:\s*(?!none|inherit|initial|unset|revert)[a-z]"

# A hidden part is shown all the same where it holds nearly all of the page: this share of what can be acted
# on and of the characters (ours). Pages begin so and show themselves by a script.
WRAPPER_SHARE: Final = 0.9
WRAPPERS_MAX: Final = 3  # one within the other
WRAPPER_REST_CHARS: Final = 60  # beside nothing to act on: "Loading, please wait" (ours)
WRAPPER_REST_MAX: Final = 40  # with more to act on in plain sight, a page is no wrapper's (ours)

# Style elements are read for a screen of this size, in CSS pixels (ours: Playwright's default viewport), with
# a mouse and without any wish of the shopper's.
SCREEN_WIDTH: Final = 1280
SCREEN_HEIGHT: Final = 720
EM_PIXELS: Final = 16  # in media queries, em and rem are the browser's own font size
MEDIA_FEATURES: Final[dict[str, bool]] = {
    **dict.fromkeys(("hover", "hover:hover", "any-hover", "any-hover:hover", "color"), True),
    **dict.fromkeys(("pointer", "pointer:fine", "any-pointer", "any-pointer:fine"), True),
    **dict.fromkeys(("orientation:landscape", "scripting:enabled"), True),
    **dict.fromkeys(("prefers-color-scheme:light", "prefers-reduced-motion:no-preference"), True),
    **dict.fromkeys(("hover:none", "any-hover:none", "pointer:none", "pointer:coarse"), False),
    **dict.fromkeys(("any-pointer:none", "any-pointer:coarse", "orientation:portrait"), False),
    **dict.fromkeys(("prefers-color-scheme:dark", "prefers-reduced-motion", "forced-colors"), False),
    **dict.fromkeys(("prefers-reduced-motion:reduce", "forced-colors:active", "scripting:none"), False),
}
STYLE_RULES_MAX: Final = 200  # for one class, id or tag; a page with more of them has its first ones read
SELECTOR_MAX_CHARS: Final = 1000  # the longest that 91 real pages ask for has 124
# What reading and following a page's rules may cost; a unit is about 0.3 µs. Real pages need up to 35,000.
STYLE_WORK_MAX: Final = 2_000_000
STYLE_RULE_WORK: Final = 10  # one selector read
STYLE_ASK_WORK: Final = 5  # one element compared with one compound

# Classes of menus that open when one points at them: their style hides them, and yet a shopper can go there.
COLLAPSED_MENU: Final = r"(?:^|[\s_-])(?:drop-?down|sub-?menu|fly-?out|mega-?menu)(?:$|[\s_-])"

# Elements that flow within a line of text; everything else starts a line of its own.
INLINE_TAGS: Final[frozenset[str]] = frozenset({
    "a", "abbr", "acronym", "area", "b", "bdi", "bdo", "big", "button", "cite", "code", "data", "del",
    "dfn", "em", "font", "i", "img", "input", "ins", "kbd", "label", "map", "mark", "meter", "nobr",
    "output", "picture", "progress", "q", "rp", "rt", "ruby", "s", "samp", "select", "slot", "small", "span",
    "strike", "strong", "sub", "sup", "svg", "textarea", "time", "tt", "u", "var",
})  # fmt: skip

# Elements whose content is not walked: drawings, and fields whose content is their value.
UNREAD_TAGS: Final = frozenset({"svg", "textarea"})

# Elements between whose children white space says nothing.
TABLE_TAGS: Final = frozenset({"table", "tbody", "thead", "tfoot", "tr"})
BLANK_TAGS: Final = TABLE_TAGS | frozenset({
    "html", "body", "ul", "ol", "menu", "dl", "select", "nav",
    "main", "header", "footer", "section", "article", "aside",
})  # fmt: skip

# Elements of these tags without any of these attributes only hold others: no name, state or section hangs on
# them.
PLAIN_BLOCKS: Final[frozenset[str]] = frozenset({"div", "p", "center", "body", "tbody", "thead", "tfoot"})
PLAIN_TAGS: Final[frozenset[str]] = PLAIN_BLOCKS | {
    "span", "b", "strong", "em", "i", "font", "small", "sup", "sub", "label",
}  # fmt: skip

# States a shopper sees, as (attribute, value that counts, word printed).
ARIA_STATES: Final = (
    ("aria-checked", ("true", "mixed"), "checked"),
    ("aria-selected", ("true",), "selected"),
    ("aria-pressed", ("true", "mixed"), "pressed"),
    ("aria-disabled", ("true",), "disabled"),
    ("aria-expanded", ("true",), "expanded"),
    ("aria-expanded", ("false",), "collapsed"),
    ("aria-current", ("page", "step", "location", "date", "time", "true"), "current"),
)
STATE_WORDS: Final = ("checked", "selected", "pressed", "disabled", "expanded", "collapsed", "current")

# What an attribute may mean for the element that has it, as bits, so that one look at each is enough.
HIDES: Final = 1  # it may take the element off the screen
ACTS: Final = 2  # it may make the element something to act on
TELLS: Final = 4  # a name, a state or a section hangs on it: the element is more than a wrapper
KNOWN: Final = 8  # other elements point at it
STATES: Final = 32  # a state of a control
INERT: Final = 128  # nothing in it can be acted on
CLOSED: Final = 64  # a <details> of which only the summary is seen
BOUNDS: Final = 16  # a heading in it does not reach past it (found out once its children are read)
ATTRIBUTE_BITS: Final[dict[str, int]] = {
    **dict.fromkeys(("hidden", "aria-hidden", "style", "popover", "inert"), HIDES),
    **dict.fromkeys(("role", "onclick", "tabindex", "contenteditable"), ACTS | TELLS),
    **dict.fromkeys(("aria-label", "aria-labelledby", "title"), TELLS),
    **dict.fromkeys((*STATE_WORDS, *(name for name, _, _ in ARIA_STATES)), STATES),
    "id": KNOWN,
}
TAG_BITS: Final[dict[str, int]] = {
    **dict.fromkeys(("a", "area", "button", "label", "option", "select", "summary", "textarea"), ACTS),
    "input": ACTS | HIDES,
    **dict.fromkeys(("dialog", "img"), HIDES),
}

# An <a> with one of these can be followed or clicked.
LINK_ATTRIBUTES: Final = frozenset({"href", "onclick", "tabindex"})

HEADING_TAGS: Final[dict[str, int]] = {"h1": 1, "h2": 2, "h3": 3, "h4": 4, "h5": 5, "h6": 6}

# Struck-out text is an old price: the one piece of inline style that changes what a shopper understands.
STRUCK_TAGS: Final = frozenset({"s", "del", "strike"})

# Text that is a drawn line: a lone bar or bullet, or three and more dashes, stars and the like in a row. A
# single dash stays, since it makes two prices a range.
DECORATION: Final = r"[|¦‖•·∙]|(?:[-_=*~–—|•·∙]\s?){3,}"

# Parts of a page with a name of their own. An empty word adds nothing to names: everything on a page is in
# `main` or `header`, so saying it would only make each name longer.
LANDMARK_WORDS: Final[dict[str, str]] = {
    **dict.fromkeys(("main", "banner", "region", "form", "complementary"), ""),
    **dict.fromkeys(("group", "radiogroup", "list", "menu"), ""),
    "navigation": "nav",
    "contentinfo": "footer",
    "search": "search",
    "dialog": "dialog",
    "alertdialog": "dialog",
}

# Labels of navigation that say no more than that it is one: such names start with `nav`.
GENERIC_NAV_WORDS: Final = frozenset({
    "main", "primary", "top", "site", "global", "header", "menu", "navigation", "nav",
})  # fmt: skip

# The role that a tag has by itself (HTML Accessibility API Mappings), for tags that can name a section.
SECTION_ROLES: Final[dict[str, str]] = {
    "main": "main",
    "header": "banner",
    "footer": "contentinfo",
    "nav": "navigation",
    "aside": "complementary",
    "section": "region",
    "search": "search",
    "form": "form",
    "fieldset": "group",
    "details": "group",
    "dialog": "dialog",
    "ul": "list",
    "ol": "list",
    "menu": "menu",
    "table": "group",
}

# Headings inside these do not reach past them.
SCOPE_TAGS: Final[frozenset[str]] = frozenset({
    "main", "header", "footer", "nav", "aside", "section", "article", "form", "fieldset", "details",
    "dialog", "li", "td", "th", "table", "ul", "ol", "dl",
})  # fmt: skip

# A plain block that holds a heading and something to act on is a part of its own, such as an advertisement:
# its heading does not name what follows it. Unless its class says that it is only the head of such a part.
HEAD_CLASS: Final = r"(?:^|[\s_-])(?:head|header|heading|title|caption)(?:$|[\s_-])"

# One of several alike (a product in a list, a line of a cart): its title names the controls within.
ITEM_TAGS: Final = frozenset({"li", "article", "tr"})
ITEM_ROLES: Final = frozenset({"listitem", "article", "row"})
LIST_TAGS: Final = frozenset({"ul", "ol", "menu"})
# So many links are a menu; in a list with more, none of its links says what it is about.
MENU_LINKS_MIN: Final = 3
SAME_LINK_DISTANCE: Final = 4  # links to one address that are no further apart are one link
SAME_LINK_CLIMB: Final = 12  # levels up to look for the part of the page that holds both
SAME_LINK_CONTROLS: Final = 12  # a part with more to act on is no one product's
SIBLINGS_MAX: Final = 200  # children of an element among which a heading before a menu is looked for
MENU_PLACES_MAX: Final = 8  # places looked at for a menu's first copy
# Attributes that say what a script does with a link: two links to one address that differ in one differ.
SCRIPTED: Final = frozenset({
    "onclick", "onmousedown", "onmouseup", "onpointerdown", "onpointerup", "ontouchstart", "ontouchend",
    "download", "aria-controls", "aria-haspopup", "data-method", "data-remote", "data-confirm", "data-action",
    "data-toggle", "data-bs-toggle", "data-target", "data-bs-target", "data-turbo-method", "data-turbo-frame",
})  # fmt: skip
SCRIPTED_PREFIXES: Final = (
    "hx-",
    "data-hx-",
    "@",
    "x-on:",
    "v-on:",
    "ng-",
    "wire:",
    "up-",
    "phx-",
    "(",
    "on:",
)
# Attributes that measure, test or keep books for a framework, and differ between elements that do the same.
MEASURED: Final = frozenset({
    "data-test", "data-testid", "data-qa", "data-cy", "data-hook", "data-track", "data-tracking", "data-gtm",
    "data-ga", "data-analytics",
})  # fmt: skip
MEASURED_PREFIXES: Final = (
    "data-test-", "data-track-", "data-tracking-", "data-gtm-", "data-ga-", "data-analytics-", "data-csa-",
    "data-wt-", "data-react", "data-v-", "data-codeception-",
)  # fmt: skip
REPEATED_MIN: Final = 3  # so many alike siblings with controls are items too (ours: 2 is often layout)

# Roles that say "this can be acted on", and how each is printed.
ACTION_ROLES: Final[dict[str, str]] = {
    "link": "a",
    **dict.fromkeys(("button", "tab", "menuitem", "menuitemradio", "menuitemcheckbox", "option"), "button"),
    **dict.fromkeys(("checkbox", "radio", "switch", "treeitem", "searchbox", "textbox"), "button"),
    **dict.fromkeys(("combobox", "spinbutton", "slider"), "button"),
}

# All roles of WAI-ARIA 1.2 that are no abstract ones: of several in an attribute, the first of these holds.
ROLES: Final = frozenset(ACTION_ROLES) | frozenset({
    "alert", "alertdialog", "application", "article", "banner", "blockquote", "caption", "cell", "code",
    "columnheader", "complementary", "contentinfo", "definition", "deletion", "dialog", "directory",
    "document", "emphasis", "feed", "figure", "form", "generic", "grid", "gridcell", "group", "heading",
    "img", "insertion", "list", "listbox", "listitem", "log", "main", "marquee", "math", "menu",
    "menubar", "meter", "navigation", "none", "note", "paragraph", "presentation", "progressbar",
    "radiogroup", "region", "row", "rowgroup", "rowheader", "scrollbar", "search", "separator", "status",
    "strong", "subscript", "superscript", "table", "tablist", "tabpanel", "term", "time", "timer",
    "toolbar", "tooltip", "tree", "treegrid",
})  # fmt: skip

# Roles whose content is what was chosen or typed, not what the control is called (WAI-ARIA 1.2: no name from
# content); of a text box only where one can type.
VALUED_ROLES: Final = frozenset({"combobox", "spinbutton", "slider"})
TYPED_ROLES: Final = frozenset({"textbox", "searchbox"})

FIELD_TAGS: Final = frozenset({"input", "select", "textarea"})
TOGGLE_TYPES: Final = frozenset({"checkbox", "radio"})
TOGGLE_ROLES: Final = frozenset({"checkbox", "radio", "switch"})
BUTTON_TYPES: Final = frozenset({"submit", "button", "reset", "image"})
TEXT_TYPES: Final = frozenset({
    "text", "search", "email", "tel", "url", "number", "password", "date", "month", "week", "time",
    "datetime-local",
})  # fmt: skip

# Addresses that say nothing about where a link leads.
EMPTY_HREFS: Final = ("#", "javascript:", "void(")

# An item's first link with fewer words than this is called after its picture, where that says more (ours).
TITLE_WORDS_MIN: Final = 3

# Lengths in characters. 80 is the project's bound; a part is cut at whole words well before it so that two
# sections and a label fit.
NAME_MAX: Final = 80
SECTION_MAX: Final = 24
TITLE_MAX: Final = 40
LABEL_MAX: Final = 40
CUT_SHARE: Final = 0.7  # what is over its length is cut to this share of it: the whole text stands beside it
SECTIONS_SHOWN: Final = 2
LABEL_TEXT_MAX: Final = 200

# Hostile input: bounds well past any real page (the largest of 91 real ones: 3.1 million characters).
PAGE_MAX_CHARS: Final = 20_000_000
DEPTH_MAX: Final = 512  # as Blink's own tree builder
ATTRIBUTES_MAX: Final = 256
OPTIONS_MAX: Final = 3000  # in one select
TAGS_UNCHECKED: Final = 12_000  # start and end tags: below this even the square of them parses in no time
FORMATTING_UNCHECKED: Final = 3000  # start and end tags
ATTRIBUTES_UNCHECKED: Final = 130_000  # characters: hold too few attributes for their square to take over 2 s
OPEN_FORMATTING_MAX: Final = 50  # unclosed <b>, <font>, ...: each paragraph would repeat all of them

CONTROLS_MAX: Final = 100_000  # to act on, in one page; the most of a real one is 2156
PATHS_MAX_CHARS: Final = 100_000_000  # of all elements' paths: depth times number
HIDDEN_TEXT_MAX: Final = 4000  # characters, blanks too, and
HIDDEN_NODES_MAX: Final = 1000  # nodes that are read of a hidden element for a label
TEXT_NODES_MAX: Final = 1000  # elements and texts read for a label's text, most of them empty (ours)
MENU_WORK_MAX: Final = 4_000_000  # links compared to find menus written twice

SECTION_CLIMB: Final = 100  # levels up to look for the section that a header or footer belongs to

EXAMPLES_SHOWN: Final = 3  # of each reason, with --explain

# How files that are no pages begin.
BINARY_MARKS: Final = (
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
)
