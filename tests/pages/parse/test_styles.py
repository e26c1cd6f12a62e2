import pytest

from shop_r1.pages.simplify import simplify_page


def shown(css: str, body: str = "<p class='a b' id=i>x</p>") -> bool:
    return "x" in simplify_page(f"<style>{css}</style>{body}").html


@pytest.mark.parametrize(
    "css",
    [
        ".a{display:none}",
        "p.a{display:none}",
        "#i{visibility:hidden}",
        ".a.b{DISPLAY : NONE !important}",
        ".z, .a{color:red;display:none;}",
        ".a{display:block}.a{display:none}",
        ".a{display:none!important}#i{display:block}",
        "@media screen and (min-width:900px){.a{display:none}}",
        "@media (max-width:1280px){.a{display:none}}",
        "@supports (display:grid){@media all{.a{display:none}}}",
        "/* .a{display:block} */ .a{display:none",
        ".a{display:none}.b{visibility:visible}",
        ".a{display:none} .c .a{display:block}",
    ],
)
def test_a_rule_hides(css: str) -> None:
    assert shown(css) is (css.endswith("none"))  # an unclosed block is no rule for us


@pytest.mark.parametrize(
    "css",
    [
        ".c{display:none}",
        ".a.c{display:none}",
        "div.a{display:none}",
        ".a:hover{display:none}",
        ".a::before{display:none}",
        ".c .a{display:none}",
        ".a{display:none}.a{display:block}",
        ".a{display:none}#i{display:block}",
        "#i{display:none}.a{display:block!important}",
        ".a{display:none} body .a{display:block}",
        ".a{display:none} div:hover .a{display:block}",
        "@media print{.a{display:none}}",
        "@media (max-width:900px){.a{display:none}}",
        "@font-face{display:none}",
        "body{display:none}",
        ".a{content:'display:none'}",
        "}}{{.a{display:none}",
    ],
)
def test_a_rule_does_not_hide(css: str) -> None:
    assert shown(css)


def test_a_style_element_for_paper_says_nothing_of_the_screen() -> None:
    page = "<style media=print>.a{display:none}</style><p class=a>x"
    assert "x" in simplify_page(page).html


def test_what_a_rule_hides_is_counted() -> None:
    page = simplify_page("<style>.a{display:none}</style><p class=a>x</p><p class=a>y</p>z")
    assert page.dropped["style_rule"] == 2
    assert page.html == "<page>\nz"
