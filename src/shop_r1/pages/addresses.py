"""What the addresses on a page mean: in full, against the page's base (HTML standard, section 2.4.3)."""

from urllib.parse import urljoin, urlsplit

from selectolax.lexbor import LexborHTMLParser


def in_full(address: str, base: str) -> str:
    """Return an address resolved against a base; itself where one of them is no address, such as `//[`.

    >>> in_full("mug", "https://shop.example/kitchen/")
    'https://shop.example/kitchen/mug'
    """
    try:
        return urljoin(base, address.strip())
    except ValueError:
        return address


def base_of(document: LexborHTMLParser, url: str) -> str:
    """Return what the page's addresses are resolved against: its first `<base href>`, else its own address.

    That is "" where it is not known; then a base may be relative, too.
    """
    base = document.css_first("base[href]")
    given = in_full((base.attributes.get("href") or "") if base is not None else "", url)
    try:
        return url if urlsplit(given).scheme in ("data", "javascript") else given
    except ValueError:
        return url
