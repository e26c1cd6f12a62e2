import pytest

from shop_r1.pages.naming.identifiers import class_words, id_words
from shop_r1.pages.simplify import simplify_page


@pytest.mark.parametrize(
    "made",
    [
        ":r3:", "«r1b»", "_r_0_", "_R_6mdH1_", "base-ui-_R_6md_", "base-ui-:r1:", "radix-:R1bmkq:",
        "radix-12", "mui-4821", "ember903", "__BVID__34", "headlessui-:r9:",
        "6f1e2a34-9b1c-4c5d-8e7f-0a1b2c3d4e5f",
    ],
)  # fmt: skip
def test_ids_that_a_machine_made_say_nothing(made: str) -> None:
    assert id_words(made) == []
    assert simplify_page(f"<input id='{made}' type=tel>").elements[0].name == "tel"


@pytest.mark.parametrize(
    ("written", "words"),
    [
        ("billingZip", "billing zip"),
        ("email-:r3:", "email"),
        ("toys_r_us_logo", "toys r us logo"),
        ("emulsion", "emulsion"),
        ("radixbox", "radixbox"),
        ("line_2", "line 2"),
    ],
)
def test_ids_that_a_person_wrote_keep_their_words(written: str, words: str) -> None:
    assert id_words(written) == words.split()


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        ("flex items-center p-3 -mt-2 w-full md:hidden hover:bg-muted/50 z-[60] size-4 gap-x-1.5", ""),
        ("d-flex justify-content-between px-3 col-md-6 float-left visually-hidden", ""),
        ("inline-flex shrink-0 select-none line-clamp-2 grid-cols-2 text-foreground font-medium", ""),
        ("transition-colors duration-200 rounded-lg border shadow-sm cart-toggle", "cart toggle"),
        ("list-view", "list view"),
        ("select-size", "select size"),
        ("order-again", "order again"),
        ("filter", "filter"),
        ("Header_close__x7Yz3", "header close"),
        ("header__close", "header close"),
        ("css-1q2w3e sc-bdVaJa svelte-1x2y3z buy", "buy"),
        ("sc-product-remove", "sc product remove"),
    ],
)
def test_classes_that_say_how_a_thing_looks_say_nothing(classes: str, words: str) -> None:
    assert class_words(classes) == words.split()


def test_a_class_at_the_end_of_many_utilities_is_read() -> None:
    utilities = " ".join(f"data-[slot=s{number}]:p-{number}" for number in range(40))
    assert class_words(f"{utilities} wishlist-toggle") == ["wishlist", "toggle"]
