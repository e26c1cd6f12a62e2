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
        "@media(min-width:48rem){.a{display:none}}",
        "@media (width>=48rem){.a{display:none}}",
        "@media (40em <= width < 100em) and (hover: hover){.a{display:none}}",
        "@media not all and (min-width:100rem){.a{display:none}}",
        "@media not print{.a{display:none}}",
        ".a{color:red;@media (width>=48rem){display:none}}",
        ".a{&.b{display:none}}",
        ".p,.a{display:none;& p{color:red}}",
        "@layer base,utilities;@layer utilities{.a{display:none}}@layer base{#i{display:block}}",
        "@layer x{#i{display:block}}.a{display:none}",
        "@layer x{.a{display:none!important}}#i{display:block!important}",
        r".\61{display:none}",
        r".p:is(.c,.a) .d{color:red}.a{display:none}",
        ":is(.c,.a){display:none}",
        ".a{display:none}:is(.a):is(.c){display:block}",
    ],
)
def test_a_rule_hides(css: str) -> None:
    assert shown(css) is (css.endswith("none"))  # an unclosed block is no rule for us


@pytest.mark.parametrize(
    "css",
    [
        r".md\:a{display:none}",
        r".sm\:max-md\:hidden{display:none}@media (width<40rem){.md\:a{display:none}}.\32xl\:b{display:none}",
        r".w-\[calc\(100\%-2\.5rem\)\]{display:none}",
        r".p\,q{display:none}",
        r".md\:a{display:none} .x .md\:a{display:block}",
        r"[class]{display:block}.md\:a{display:none}",
    ],
)
def test_classes_with_escaped_marks_are_read_as_pages_write_them(css: str) -> None:
    body = "<p class='md:a 2xl:b w-[calc(100%-2.5rem)] p,q'>x</p>"
    assert not shown(css, body)
    assert shown(css, "<p class='a b md p q'>x</p>")


def test_what_a_longer_rule_with_escapes_shows_stays() -> None:
    css = r".md\:a{display:none} .dark\:c[title]>.md\:a{display:block}"
    assert shown(css, "<div class='dark:c' title=t><p class='md:a'>x</p></div>")
    assert not shown(css, "<div class='c' title=t><p class='md:a'>x</p></div>")


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
        "@media (width<48rem){.a{display:none}}",
        "@media (max-width:79.9rem){.a{display:none}}",
        "@media (width>1280px){.a{display:none}}",
        "@media (hover:none){.a{display:none}}",
        "@media not all and (min-width:48rem){.a{display:none}}",
        "@media not all and (no-such-thing){.a{display:none}}",
        "@supports not (display:grid){.a{display:none}}",
        "@container (width>1px){.a{display:none}}",
        ".a{display:none}@media (width>=48rem){.a{display:block}}",
        ".a{display:none;@media (width>=48rem){display:block}}",
        ".a{display:none;&:hover{display:block}}",
        ".a{.c &{display:none}}",
        ".c{.a{display:none}}",
        ".c{.d &{@media print{.a{display:none}}}}",
        "p:not(.c, .a, .d){display:none}",
        "@layer base,utilities;@layer utilities{.a{display:block}}@layer base{#i{display:none}}",
        "@layer x{#i{display:none}}.a{display:block}",
        "@layer x{#i{display:block!important}}.a{display:none!important}",
        ".a{display:none}.a:is(:where(.group):hover *){display:block}",
        ".a{display:none}:is(:where(.group):hover .a){display:block}",
        ".a{visibility:hidden}:is(.c,:where(.g):focus-within .a){visibility:visible}",
        ".z{" * 40 + ".a{display:none}" + "}" * 40,
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
