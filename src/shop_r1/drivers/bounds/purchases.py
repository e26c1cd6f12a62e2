"""Purchases, which are held back: known by what is clicked, and by what is sent."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

_LABELS = re.compile(
    r"""\b(?:
      (?:place|submit|complete|confirm|finish|send)\s(?:(?:my|your|the)\s)?(?:order|purchase|payment|booking)
      | (?:buy|order|pay|purchase)\s(?:it\s)?now | 1-click | one-click | pay\s(?:with|by|via|using|\W?[\d])
      | pay | order\swith\sobligation | confirm\sand\spay | agree\sand\s(?:pay|buy|order)
      | zahlungspflichtig | jetzt\s(?:kaufen|bezahlen|bestellen) | kostenpflichtig | kauf(?:en)?\sabschlie(?:ß|ss)en
      | (?:passer|valider|confirmer)\s(?:la|ma|votre)\scommande | payer | acheter\smaintenant
      | comprar\sahora | realizar\s(?:el\s)?pedido | (?:pagar|finalizar\scompra|confirmar\spedido)
      | acquista\sora | (?:completa|conferma)\sl['’]ordine | paga\sora
      | bestelling\splaatsen | nu\s(?:kopen|betalen|bestellen)
    )(?!\w)""",
    re.IGNORECASE | re.VERBOSE,
)
"""What buttons say that buy, in the languages that we know. Ours."""
_NOT_LABELS = re.compile(r"\bpay(?:ment)?\s(?:method|option|in\s\d|later|info)|\border\sstatus\b", re.IGNORECASE)
_PATHS = re.compile(
    r"""(?:^|/)(?:
      place[-_]?order | order/(?:place|submit|confirm|create) | orders?(?:/create)?/?$ | submit[-_]?order | checkouts?/(?:complete|submit|confirm|finish|process)
      | complete[-_]?(?:order|checkout|purchase) | confirm[-_]?(?:order|purchase) | payments?(?:/|$) | payment[-_]?intents?
      | pay/? | capture | authori[sz]e | charge | purchase | buy[-_]?now | process_payment | placeOrder | cart/checkout/complete
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""Parts of addresses that shops send orders and payments to. Ours: Magento, Shopify, WooCommerce, EverShop and
payment services are among those looked at."""
_SENDS = frozenset({"POST", "PUT", "PATCH"})


class Purchase(NamedTuple):
    """Why something is taken for a purchase."""

    by: str
    """`label` or `request`."""
    found: str


def labelled_purchase(label: str) -> Purchase | None:
    """Return the purchase that a click on something with this label would be; None where it is none.

    >>> labelled_purchase("Place order"), labelled_purchase("Payment methods")
    (Purchase(by='label', found='Place order'), None)
    """
    found = _LABELS.search(label)
    return Purchase("label", found[0]) if found and not _NOT_LABELS.search(label) else None


def requested_purchase(method: str, url: str) -> Purchase | None:
    """Return the purchase that a request would be; None where it is none.

    >>> requested_purchase("POST", "https://shop.example/api/orders").found
    'POST /api/orders'
    >>> requested_purchase("GET", "https://shop.example/orders")
    """
    path = urlsplit(url).path
    return Purchase("request", f"{method} {path}"[:200]) if method in _SENDS and _PATHS.search(path) else None
