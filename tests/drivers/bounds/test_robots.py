import asyncio

import pytest

from shop_r1.drivers.bounds.robots import MAX_CHARS, Robots, robots_url

SHOP = "https://shop.example"
RULES = """User-agent: *
Disallow: /checkout
Allow: /checkout/help
Disallow: /*?sort=
Crawl-delay: 2

User-agent: shop-r1
Disallow: /private$
"""


def read(text: str, agent: str = "other", status: int | None = 200) -> Robots:
    robots = Robots(agent)
    robots.learn(f"{SHOP}/start", status, text)
    return robots


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/", True), ("/checkout", False), ("/checkout/help", True), ("/mugs?sort=price", False)],
)
def test_the_longest_rule_that_fits_counts(path: str, allowed: bool) -> None:
    # RFC 9309, section 2.2.2: the most specific match; 2.2.3: `*` stands for any characters.
    assert read(RULES).allows(SHOP + path) is allowed


def test_the_group_of_its_own_name_counts_alone() -> None:
    robots = read(RULES, "shop-r1")
    assert robots.allows(f"{SHOP}/checkout")
    assert not robots.allows(f"{SHOP}/private") and robots.allows(f"{SHOP}/private/more")


def test_the_delay_that_a_shop_asks_for_is_told() -> None:
    assert (read(RULES).delay_s(SHOP), read("").delay_s(SHOP)) == (2.0, 0.0)


@pytest.mark.parametrize(
    ("status", "allowed"), [(404, True), (403, True), (500, False), (503, False), (None, False)]
)
def test_a_shop_without_rules_is_open_and_one_that_cannot_say_is_not(
    status: int | None, allowed: bool
) -> None:
    assert read("Disallow: /", status=status).allows(f"{SHOP}/mugs") is allowed


def test_each_host_has_its_own_rules() -> None:
    robots = read("User-agent: *\nDisallow: /")
    assert robots.knows(f"{SHOP}/mugs") and not robots.knows("https://other.example/")
    assert not robots.knows("http://shop.example/")  # another scheme is another host's file


def test_only_the_beginning_of_a_very_long_file_is_read() -> None:
    text = "User-agent: *\n" + "# padding\n" * (MAX_CHARS // 10) + "Disallow: /\n"
    assert read(text).allows(f"{SHOP}/mugs")


@pytest.mark.parametrize(
    "text", ["\x00\x01", "<html>Not found</html>", "Disallow" * 1000, "User-agent:\nDisallow: /%"]
)
def test_what_is_no_robots_txt_forbids_nothing(text: str) -> None:
    assert read(text).allows(f"{SHOP}/mugs")


def test_the_file_is_at_the_hosts_root() -> None:
    assert robots_url("http://127.0.0.1:8000/a/b?c") == "http://127.0.0.1:8000/robots.txt"


def test_a_shop_that_did_not_say_is_asked_again_and_said_to_be_away() -> None:
    robots, answers = Robots("other"), iter([(None, ""), (503, ""), (200, RULES), (200, "never asked for")])

    async def fetch(_: str) -> tuple[int | None, str]:
        return next(answers)

    def ask() -> bool:
        asyncio.run(robots.ask(f"{SHOP}/mugs", fetch))
        return robots.allows(f"{SHOP}/mugs")

    assert not ask() and "gives no answer to https://shop.example/robots.txt" in robots.why_not(SHOP)
    assert not ask() and "HTTP 503" in robots.why_not(SHOP)
    assert ask() and ask()
    assert robots.why_not(f"{SHOP}/checkout").endswith("asks automated visitors to stay away")
