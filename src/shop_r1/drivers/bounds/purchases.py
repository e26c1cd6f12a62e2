"""Purchases, which are held back: known by what is clicked, and by what is sent.

Both lists are ours. They cannot be complete: whoever lets shoppers into a shop that takes real money should
give them a test shop, or one whose payment is turned off.
"""

import re
from typing import Literal, NamedTuple
from urllib.parse import urlsplit

_LABELS = (
    r"(?:place|submit|complete|confirm|finish|send) (?:(?:my|your|the) )?(?:order|purchase|payment|booking)",
    r"(?:buy|order|pay|purchase) (?:it )?now",
    r"1-click|one-click",
    r"pay(?: (?:with|by|via|using)\b.*| \W?\d.*)?",
    r"confirm and pay|agree and (?:pay|buy|order)|order with obligation to pay",
    r"zahlungspflichtig|kostenpflichtig|jetzt (?:kaufen|bezahlen|bestellen)|kauf abschlie(?:ß|ss)en",
    r"(?:passer|valider|confirmer) (?:la |ma |votre )?commande|payer|acheter maintenant",
    r"comprar ahora|realizar (?:el )?pedido|pagar|finalizar compra|confirmar pedido",
    r"acquista ora|(?:completa|conferma) l['’]ordine|paga ora",
    r"bestelling plaatsen|nu (?:kopen|betalen|bestellen)",
)
_LABEL = re.compile(rf"(?<!\w)(?:{'|'.join(_LABELS)})(?!\w)", re.IGNORECASE)
_OTHER = re.compile(r"(?<!\w)(?:pay(?:ment)? (?:method|option|in \d|later|info)|order status)", re.IGNORECASE)
_PATHS = (
    r"(?:place|submit|complete|confirm)[-_]?(?:order|checkout|purchase)",
    r"order/(?:place|submit|confirm|create)|orders?(?:/create)?/?$",
    r"checkouts?/(?:complete|submit|confirm|finish|process)",
    r"(?:carts?/[^/]+|wc/store(?:/v\d)?)/checkout/?$",  # a form sent to /checkout itself begins it
    r"payments?|payment[-_]?intents?|process[-_]?payment",
    r"pay|buy[-_]?now|purchase|charge|capture|authori[sz]e",
)
_PATH = re.compile(rf"/(?:{'|'.join(_PATHS)})(?=/|$)", re.IGNORECASE)
"""Magento, Shopify, WooCommerce, EverShop and payment services are among those looked at."""
_SENDS = frozenset({"POST", "PUT", "PATCH"})


class Purchase(NamedTuple):
    """Why something is taken for a purchase."""

    by: Literal["label", "request"]
    found: str


def labelled_purchase(label: str) -> Purchase | None:
    """Return the purchase that a click on something with this label would be; None where it is none.

    >>> labelled_purchase("Place order")
    Purchase(by='label', found='Place order')
    >>> labelled_purchase("Payment methods")
    """
    text = " ".join(label.split())
    found = _LABEL.search(text)
    return Purchase("label", found[0][:80]) if found and not _OTHER.search(text) else None


def requested_purchase(method: str, url: str) -> Purchase | None:
    """Return the purchase that a request would be; None where it is none.

    >>> requested_purchase("POST", "https://shop.example/api/orders")
    Purchase(by='request', found='POST /api/orders')
    >>> requested_purchase("GET", "https://shop.example/api/orders")
    """
    path = urlsplit(url).path
    return Purchase("request", f"{method} {path}"[:200]) if method in _SENDS and _PATH.search(path) else None
