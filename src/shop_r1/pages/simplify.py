"""Raw HTML to the short page that the model reads, with a name on everything that can be acted on."""

from shop_r1.pages.document import parse_document
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.repeats import fold_repeats
from shop_r1.pages.tree import build_tree
from shop_r1.pages.walk import Walk


def simplify_page(html: str | bytes, *, explain: bool = False) -> SimplifiedPage:
    """Return the short page, its named elements and the counts of what was left out.

    The same page always gives the same result, and a page that is already simplified (its first tag is
    `<page>`) comes back as it is.

    Args:
        html: a page as text, or as bytes in any encoding.
        explain: whether to keep the first examples of what is left out, by reason.

    Raises:
        PageError: the input is empty, too large or not HTML.
    """
    tree = build_tree(parse_document(html), explain=explain)
    fold_repeats(tree)
    return Walk(tree).run()
