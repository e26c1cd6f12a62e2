"""Raw HTML to the short page that the model reads, with a name on everything that can be acted on."""

from dataclasses import replace

from shop_r1.pages.addresses import base_of
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.naming.repeats import fold_repeats
from shop_r1.pages.parse.builder import build_tree
from shop_r1.pages.parse.document import parse_page
from shop_r1.pages.parse.tree import is_simplified
from shop_r1.pages.serialize.page import serialize_tree
from shop_r1.pages.sites.recipes import Recipe, marks_of


def simplify_page(
    html: str | bytes, recipe: Recipe | None = None, *, explain: bool = False
) -> SimplifiedPage:
    """Return the short page, its named elements and the counts of what was left out.

    The same page always gives the same result, and a page that is already simplified (its first tag is
    `<page>`) comes back as it is, with any recipe.

    >>> from shop_r1 import simplify_page
    >>> page = simplify_page("<h1>Red Mug</h1><p hidden>Sold</p><form><button>Add to cart</button></form>")
    >>> print(page.html)
    <page>
    <h1>Red Mug</h1>
    <button name="add_to_cart">Add to cart</button>
    >>> page.dropped
    {'hidden': 1}

    Args:
        html: a page as text, or as bytes in any encoding, also saved as MHTML.
        recipe: what is known of this kind of page beyond the rules for all (`recipes.load_recipe`).
        explain: whether to keep the first examples of what is left out, by reason.

    Raises:
        PageError: the input is empty, too large or not HTML, or the recipe is for another kind of page.
    """
    document, url, streamed, slots = parse_page(html)
    marks = marks_of(recipe, document) if recipe is not None and not is_simplified(document) else None
    tree = build_tree(document, marks, slots, explain=explain)
    fold_repeats(tree)
    if streamed:
        tree.shown["streamed"] = streamed
    return replace(serialize_tree(tree), url=url, base=base_of(document, url))
