"""Words of what a page's author wrote for the machine: ids, field names, classes."""

import re

from shop_r1.pages import rules
from shop_r1.pages.naming import vocabulary
from shop_r1.pages.naming.names import is_identifier, to_words

_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
# React numbers elements: `:r3:`, `«R6m»`, `_R_6m_`. What stands around it a person wrote, or a library.
_REACT_ID = re.compile(r":[rR][0-9a-zA-Z]*:|«[rR][0-9a-zA-Z]*»|(?<![0-9a-zA-Z])_[rR]_[0-9a-zA-Z]*_")
_MADE = re.compile(
    r"(?:base-ui|radix|reka|ark|react-aria|headlessui|mui|chakra|mantine|ember|ext-gen|gwt-uid|yui)"
    r"(?=[\W_\d]|$)[\W_\d]*|__BVID__\d+|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    re.I,
)
_UTILITY = re.compile(vocabulary.UTILITY_CLASS, re.X)
_GENERATED_CLASS = re.compile(vocabulary.GENERATED_CLASS, re.X)
_MODULE_HASH = re.compile(r"__(?=[\w-]*[0-9A-Z])[\w-]{5,8}$")  # that CSS modules put behind a class
_CLASSES_MAX = 2000  # characters read of a class attribute (ours)


def id_words(identifier: str) -> list[str]:
    """Return the words of an id or field name without what a machine made of it.

    >>> id_words("billingZip"), id_words("email-:r3:"), id_words("base-ui-_R_6mdH1_"), id_words("radix-:rb:")
    (['billing', 'zip'], ['email'], [], [])
    """
    text = identifier[: rules.LABEL_TEXT_MAX]
    text = _MADE.sub(" ", _REACT_ID.sub(" ", text))
    return [word for word in to_words(_HUMP.sub(" ", text)) if not is_identifier(word)]


def class_words(classes: str) -> list[str]:
    """Return the words of classes that say what an element is rather than how it looks.

    >>> class_words("close-icon flex items-center p-3"), class_words("transition-colors hover:underline")
    (['close'], [])
    >>> class_words("Header_closeButton__x7Yz3 css-1q2w3e")
    ['header', 'close']
    """
    kept = [
        _MODULE_HASH.sub("", each)
        for each in classes[:_CLASSES_MAX].split()
        if not (_UTILITY.fullmatch(each) or _GENERATED_CLASS.fullmatch(each))
    ]
    words = to_words(_HUMP.sub(" ", " ".join(kept)[: rules.LABEL_TEXT_MAX]))
    return [word for word in words if word not in vocabulary.CLASS_NOISE and not is_identifier(word)]
